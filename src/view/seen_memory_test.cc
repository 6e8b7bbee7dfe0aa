#include "view/seen_memory.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "io/durable_file.h"
#include "io/simulated_file_system.h"
#include "view/posted.h"
#include "view/signed_trees_test.h"

namespace graven::view {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const LogName kLog{"http://h:1", "default"};

Finding ExampleFinding(uint64_t id) {
  return {id, Parties().log.vkey(), fmt::format(R"({{"id":{},"kind":"fork"}})", id),
          "evidence of it\n"};
}

class SeenMemoryTest : public testing::Test {
 protected:
  SeenMemoryTest() { Start(); }

  // As a process that was ended and started again.
  void Start() {
    memory_.reset();
    auto memory = SeenMemory::Open(fs_, "view", parties_.policy, clock_, random_);
    ASSERT_TRUE(memory.ok()) << memory.status();
    memory_ = *std::move(memory);
  }

  absl::StatusOr<SeenMemory::Raised> Raise(std::optional<SeenTree> expected,
                                           const std::string& note) {
    return memory_->Raise(parties_.log.vkey(), expected, note);
  }
  void Grow(uint64_t from, uint64_t to) {
    const auto raised =
        Raise(from == 0 ? std::nullopt : std::optional(Signer::Tree(from)), parties_.log.Note(to));
    ASSERT_TRUE(raised.ok()) << raised.status();
    ASSERT_TRUE(raised->raised);
  }
  SeenTree Last() { return memory_->Find(parties_.log.vkey())->last.tree; }

  const Parties parties_;
  HandClock clock_;
  SeededRandom random_{7};
  io::SimulatedFileSystem fs_{1};
  std::unique_ptr<SeenMemory> memory_;
};

TEST_F(SeenMemoryTest, TreeIsRaisedAndOutlivesTheProcess) {
  EXPECT_EQ(memory_->Find(parties_.log.vkey()), std::nullopt);
  Grow(0, 5);
  clock_.now_ms += 1000;
  Grow(5, 9);
  const std::string door = memory_->door();
  fs_.Crash();
  fs_.Restart();
  Start();
  const auto seen = memory_->Find(parties_.log.vkey());
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->first.tree, Signer::Tree(5));
  EXPECT_EQ(seen->last.tree, Signer::Tree(9));
  EXPECT_EQ(seen->last.at_ms, seen->first.at_ms + 1000);
  EXPECT_EQ(seen->note, parties_.log.Note(9));
  EXPECT_THAT(seen->line, SizeIs(2));
  EXPECT_EQ(memory_->door(), door);
  EXPECT_THAT(door, SizeIs(32));
}

TEST_F(SeenMemoryTest, WhoComesLateIsToldAndChangesNothing) {
  Grow(0, 5);
  Grow(5, 9);
  const auto late = Raise(Signer::Tree(5), parties_.log.Note(7));
  ASSERT_TRUE(late.ok());
  EXPECT_FALSE(late->raised);
  EXPECT_EQ(late->seen.last.tree, Signer::Tree(9));
  EXPECT_FALSE(Raise(std::nullopt, parties_.log.Note(12))->raised);
  EXPECT_EQ(Last(), Signer::Tree(9));
}

TEST_F(SeenMemoryTest, TreeIsNeverLoweredNorReplacedByAnotherOfItsSize) {
  Grow(0, 9);
  EXPECT_EQ(Raise(Signer::Tree(9), parties_.log.Note(8)).status().code(), StatusCode::kAborted);
  EXPECT_EQ(Raise(Signer::Tree(9), parties_.log.Note(9, "fork")).status().code(),
            StatusCode::kAborted);
  EXPECT_EQ(Last(), Signer::Tree(9));
}

TEST_F(SeenMemoryTest, OnlyWhatTheKeySignedIsRemembered) {
  EXPECT_EQ(Raise(std::nullopt, parties_.other.Note(5)).status().code(),
            StatusCode::kUnauthenticated);
  std::string forged = parties_.log.Note(5);
  forged.replace(forged.find("\n5\n"), 3, "\n6\n");
  EXPECT_EQ(Raise(std::nullopt, forged).status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(Raise(std::nullopt, "no note\n").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(memory_->Raise("no key", std::nullopt, parties_.log.Note(5)).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(Raise(std::nullopt, std::string(kSeenNoteBytesMax + 1, 'a')).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(memory_->Find(parties_.log.vkey()), std::nullopt);
}

TEST_F(SeenMemoryTest, SameTreeTakesTheWitnessesThatCameLater) {
  Grow(0, 5);
  const auto raised = Raise(Signer::Tree(5), parties_.log.Note(5, "tree", &parties_.witness));
  ASSERT_TRUE(raised.ok()) << raised.status();
  ASSERT_THAT(raised->seen.line, SizeIs(1));
  EXPECT_EQ(raised->seen.line[0].witnesses, 1u);
  EXPECT_EQ(raised->seen.note, parties_.log.Note(5, "tree", &parties_.witness));
}

TEST_F(SeenMemoryTest, LineOfCheckpointsIsThinnedAndKeepsItsEnds) {
  std::vector<SeenCheckpoint> line;
  for (uint64_t size = 1; size <= 5000; ++size)
    line = WithCheckpoint(std::move(line), {Signer::Tree(size), static_cast<int64_t>(size), 0});
  EXPECT_LE(line.size(), kSeenCheckpointsMax);
  EXPECT_GE(line.size(), kSeenCheckpointsMax / 2);
  EXPECT_EQ(line.front().tree, Signer::Tree(1));
  EXPECT_EQ(line.back().tree, Signer::Tree(5000));
  for (size_t i = 1; i < line.size(); ++i) ASSERT_LT(line[i - 1].tree.size, line[i].tree.size);
}

TEST_F(SeenMemoryTest, StrangersKeysHaveAnEndAndThePolicysHaveRoom) {
  for (uint64_t i = 0; i < kStrangeKeysMax; ++i) {
    const Signer stranger(fmt::format("stranger/{}", i), 100 + i);
    ASSERT_TRUE(memory_->Raise(stranger.vkey(), std::nullopt, stranger.Note(1)).ok()) << i;
  }
  EXPECT_EQ(
      memory_->Raise(parties_.other.vkey(), std::nullopt, parties_.other.Note(1)).status().code(),
      StatusCode::kResourceExhausted);
  Grow(0, 5);
}

TEST_F(SeenMemoryTest, NamesAndFindingsOutliveTheProcess) {
  ASSERT_TRUE(memory_->Know(kLog, parties_.log.vkey()).ok());
  ASSERT_TRUE(memory_->AddFinding(kLog, ExampleFinding(17)).ok());
  EXPECT_EQ(memory_->AddFinding(kLog, ExampleFinding(17)).code(), StatusCode::kAlreadyExists);
  fs_.Crash();
  fs_.Restart();
  Start();
  EXPECT_EQ(memory_->Known(kLog)->vkey, parties_.log.vkey());
  EXPECT_TRUE(memory_->InPolicy(memory_->Known(kLog)->vkey));
  EXPECT_EQ(memory_->Known({"http://other:1", "default"}).has_value(), false);
  ASSERT_THAT(memory_->Findings(kLog, ""), SizeIs(1));
  EXPECT_EQ(memory_->Findings(kLog, "")[0].json, ExampleFinding(17).json);
  EXPECT_THAT(memory_->Findings({"http://other:1", "default"}, ""), IsEmpty());
  // The same log at another address.
  EXPECT_THAT(memory_->Findings({"http://other:1", "other"}, parties_.log.vkey()), SizeIs(1));
  EXPECT_EQ(memory_->Know(kLog, "no key").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(memory_->AddFinding(kLog, {19, "no key", "{}", ""}).code(),
            StatusCode::kInvalidArgument);
}

TEST_F(SeenMemoryTest, WhatIsForgottenIsGoneAndItsEvidenceStays) {
  Grow(0, 5);
  ASSERT_TRUE(memory_->Know(kLog, parties_.log.vkey()).ok());
  ASSERT_TRUE(memory_->AddFinding(kLog, ExampleFinding(17)).ok());
  Finding others = ExampleFinding(18);
  others.vkey = parties_.other.vkey();
  ASSERT_TRUE(memory_->AddFinding({"http://other:1", "default"}, others).ok());
  ASSERT_TRUE(memory_->Forget(kLog, parties_.log.vkey()).ok());
  fs_.Crash();
  fs_.Restart();
  Start();
  EXPECT_EQ(memory_->Find(parties_.log.vkey()), std::nullopt);
  EXPECT_FALSE(memory_->Known(kLog).has_value());
  EXPECT_THAT(memory_->Findings(kLog, ""), IsEmpty());
  EXPECT_THAT(memory_->Findings({"http://other:1", "default"}, ""), SizeIs(1));
  const auto kept = *fs_.List("view/evidence");
  ASSERT_THAT(kept, SizeIs(1));
  EXPECT_EQ(*io::ReadWholeFile(fs_, "view/evidence/" + kept[0], 1000), "evidence of it\n");
}

TEST_F(SeenMemoryTest, EverythingIsItsOwnersAlone) {
  Grow(0, 5);
  ASSERT_TRUE(memory_->Know(kLog, parties_.log.vkey()).ok());
  ASSERT_TRUE(memory_->AddFinding(kLog, ExampleFinding(17)).ok());
  for (const char* path : {"view", "view/seen", "view/findings", "view/evidence"})
    EXPECT_EQ(fs_.Stat(path)->mode, 0700u) << path;
  for (const std::string& path :
       {std::string("view/door"), std::string("view/known"), std::string("view/findings/17"),
        "view/seen/" + (*fs_.List("view/seen"))[0],
        "view/evidence/" + (*fs_.List("view/evidence"))[0]})
    EXPECT_EQ(fs_.Stat(path)->mode, 0600u) << path;
}

TEST_F(SeenMemoryTest, FolderHasOneViewAtATime) {
  EXPECT_EQ(SeenMemory::Open(fs_, "view", parties_.policy, clock_, random_).status().code(),
            StatusCode::kFailedPrecondition);
}

TEST_F(SeenMemoryTest, DamagedFileIsNamedAndNotTakenForAFirstVisit) {
  Grow(0, 5);
  ASSERT_TRUE(memory_->Know(kLog, parties_.log.vkey()).ok());
  ASSERT_TRUE(memory_->AddFinding(kLog, ExampleFinding(17)).ok());
  memory_.reset();
  for (const std::string& path : {"view/seen/" + (*fs_.List("view/seen"))[0],
                                  std::string("view/known"), std::string("view/findings/17")}) {
    ASSERT_TRUE(fs_.FlipBit(path, 300).ok());
    const auto opened = SeenMemory::Open(fs_, "view", parties_.policy, clock_, random_);
    EXPECT_EQ(opened.status().code(), StatusCode::kDataLoss);
    EXPECT_THAT(std::string(opened.status().message()), HasSubstr(path));
    ASSERT_TRUE(fs_.FlipBit(path, 300).ok());
  }
  ASSERT_TRUE(io::WriteFileDurably(fs_, "view/door", "short").ok());
  EXPECT_EQ(SeenMemory::Open(fs_, "view", parties_.policy, clock_, random_).status().code(),
            StatusCode::kDataLoss);
}

// At every operation on the disk: what was acknowledged before is still there after.
TEST_F(SeenMemoryTest, NoCrashOrFaultLowersWhatWasAcknowledged) {
  Grow(0, 1);
  uint64_t fired = 0;
  uint64_t acknowledged = 1;
  for (const io::FaultKind kind :
       {io::FaultKind::kCrash, io::FaultKind::kError, io::FaultKind::kErrorButDone,
        io::FaultKind::kPartialWrite, io::FaultKind::kDiskFull}) {
    for (uint64_t nth = 1; nth <= 8; ++nth) {
      fs_.AddFault({.kind = kind, .nth = nth});
      for (int i = 0; i < 4; ++i) {
        const SeenTree before = Last();
        const auto raised = Raise(before, parties_.log.Note(before.size.value + 1));
        if (!raised.ok()) {
          ++fired;
          break;
        }
        ASSERT_TRUE(raised->raised);
        acknowledged = raised->seen.last.tree.size.value;
      }
      fs_.ClearFaults();
      if (!fs_.crashed()) fs_.Crash();
      fs_.Restart();
      Start();
      const SeenTree last = Last();
      ASSERT_GE(last.size.value, acknowledged);
      ASSERT_EQ(last, Signer::Tree(last.size.value));
      acknowledged = last.size.value;
    }
  }
  EXPECT_GT(fired, 20u);
}

TEST(SeenFilesTest, EveryFlippedBitAndEveryCutIsDamage) {
  const Parties parties;
  const SeenCheckpoint one{Signer::Tree(5), 7, 1};
  const std::string seen =
      EncodeSeen({parties.log.vkey(), one, one, parties.log.Note(5), {one, one}});
  const std::string known = EncodeKnown({{kLog, {parties.log.vkey(), 8}}});
  const std::string finding = EncodeFinding(kLog, ExampleFinding(3));
  ASSERT_TRUE(DecodeSeen(seen).ok());
  ASSERT_TRUE(DecodeKnown(known).ok());
  ASSERT_TRUE(DecodeFinding(finding).ok());
  const auto codes = [](std::string_view text) {
    return std::vector{DecodeSeen(text).status().code(), DecodeKnown(text).status().code(),
                       DecodeFinding(text).status().code()};
  };
  for (const std::string& good : {seen, known, finding}) {
    for (size_t at = 0; at < good.size(); ++at) {
      std::string bad = good;
      bad[at] ^= static_cast<char>(1 << at % 8);
      for (const std::string& text : {bad, good.substr(0, at)})
        ASSERT_THAT(codes(text), ElementsAre(StatusCode::kDataLoss, StatusCode::kDataLoss,
                                             StatusCode::kDataLoss));
    }
  }
}

TEST(PostedTest, WhatThePageSendsIsReadStrictly) {
  const std::string root(64, 'a');
  const auto tree = ParsePostedTree(
      fmt::format(R"({{"key":"k","expected":{{"size":3,"root":"{}"}},"note":"n"}})", root));
  ASSERT_TRUE(tree.ok()) << tree.status();
  EXPECT_EQ(tree->expected->size, TreeSize(3));
  EXPECT_EQ(ParsePostedTree(R"({"key":"k","expected":null,"note":"n"})")->expected, std::nullopt);
  for (const std::string_view bad :
       {R"([])", R"({})", R"({"key":1,"note":"n"})", R"({"key":"k","note":"n","expected":3})",
        R"({"key":"k","note":"n","expected":{"size":-1,"root":""}})",
        R"({"key":"k","note":"n","expected":{"size":1,"root":"A"}})",
        R"({"key":"k","key":"k","note":"n"})", "{\"key\":\"\xff\",\"note\":\"n\"}"})
    EXPECT_EQ(ParsePostedTree(bad).status().code(), StatusCode::kInvalidArgument) << bad;
  EXPECT_EQ(ParsePostedKey(R"({"log":"../x","key":"k"})").status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(ParsePostedKey(R"({"log":"_system","key":"k"})")->log, "_system");
}

TEST(PostedTest, FindingKeepsItsOwnFieldsAndNoOthers) {
  const auto posted = ParsePostedFinding(
      R"({"log":"l","key":"k","finding":{"id":5,"at":6,"kind":"fork","sentence":"<b>",)"
      R"("claimed":"c","computed":"d","index":9,"evidence":"e\n","x":[[[]]],"lastGood":null}})");
  ASSERT_TRUE(posted.ok()) << posted.status();
  EXPECT_EQ(posted->finding.id, 5u);
  EXPECT_EQ(posted->finding.evidence, "e\n");
  EXPECT_EQ(posted->finding.json,
            R"({"id":5,"at":6,"kind":"fork","sentence":"<b>","claimed":"c","computed":"d",)"
            R"("index":9,"evidence":"e\n"})");
  EXPECT_EQ(ParsePostedFinding(R"({"log":"l","key":"k","finding":{"id":5,"at":6,"kind":"fork"}})")
                .status()
                .code(),
            StatusCode::kInvalidArgument);
}

// Whoever is accused chooses how long his note and his origin are.
TEST(PostedTest, LongEvidenceAndTextsDoNotLoseTheFinding) {
  const std::string long_text = std::string(8'191, 'a') + "\u00e9" + std::string(1 << 20, 'b');
  const auto posted = ParsePostedFinding(
      R"({"log":"l","key":"k","finding":{"id":5,"at":6,"kind":"fork","sentence":")" + long_text +
      R"(","claimed":"c","computed":"d","evidence":")" + long_text + R"("}})");
  ASSERT_TRUE(posted.ok()) << posted.status();
  EXPECT_EQ(posted->finding.evidence, "");
  EXPECT_EQ(posted->finding.json, R"({"id":5,"at":6,"kind":"fork","sentence":")" +
                                      std::string(8'191, 'a') +
                                      R"(","claimed":"c","computed":"d"})");
}

}  // namespace
}  // namespace graven::view
