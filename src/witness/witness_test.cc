#include "witness/witness.h"

#include <filesystem>
#include <fstream>
#include <thread>

#include "base/encoding.h"
#include "base/sha256.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "io/durable_file.h"
#include "io/simulated_file_system.h"
#include "nlohmann/json.hpp"
#include "note/cosignature.h"
#include "note/note.h"
#include "witness/forked_log_test.h"

namespace graven::witness {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

class StoppedClock : public Clock {
 public:
  int64_t WallNs() override { return wall_s * 1'000'000'000; }
  int64_t SteadyNs() override { return 0; }
  int64_t wall_s = 1'700'000'000;
};

class WitnessTest : public testing::Test {
 protected:
  absl::Status Reopen(std::vector<note::VerifierKey> logs = {}) {
    if (logs.empty()) logs = {log_.key.verifier()};
    witness_.reset();
    auto opened = Witness::Open(fs_, clock_, SystemRandom(), {"/w", "witness.example", logs});
    if (opened.ok()) witness_ = *std::move(opened);
    return opened.status();
  }

  void SetUp() override { ASSERT_TRUE(Reopen().ok()); }

  int Status(const std::string& body) { return witness_->AddCheckpointRequest(body).status; }

  io::SimulatedFileSystem fs_{1};
  StoppedClock clock_;
  const ForkedLog log_{"log.example/audit", 5, 20};
  std::unique_ptr<Witness> witness_;
};

TEST_F(WitnessTest, WhatContinuesIsCosigned) {
  uint64_t old_size = 0;
  for (const uint64_t size : {0, 0, 1, 3, 3, 8, 20}) {
    clock_.wall_s++;
    const WitnessAnswer answer = witness_->AddCheckpointRequest(log_.Request(0, old_size, size));
    ASSERT_EQ(answer.status, 200) << answer.body;
    const auto note =
        note::OpenNote(log_.Checkpoint(0, size) + answer.body, std::span(&witness_->key(), 1));
    ASSERT_TRUE(note.ok()) << note.status();
    EXPECT_EQ(note::DecodeCosignature(note->verified[0].signature)->time_s, clock_.wall_s);
    old_size = size;
  }
  EXPECT_THAT(witness_->Logs(),
              ElementsAre(Pair("log.example/audit", std::optional<uint64_t>(20))));
  EXPECT_EQ(witness_->counters().cosigned, 7);
}

TEST_F(WitnessTest, RefusalsComeInTheSpecifiedOrder) {
  ASSERT_EQ(Status(log_.Request(0, 0, 8)), 200);
  EXPECT_EQ(Status(""), 400);
  EXPECT_EQ(Status("old 08\n\n" + log_.Checkpoint(0, 8)), 400);
  EXPECT_EQ(Status("old 8\n\n"), 400);
  EXPECT_EQ(Status("old 8\n\nnot a note\n"), 400);
  // Unknown before unsigned, unsigned before impossible sizes, those before the wrong old size.
  const ForkedLog foreign("other.example/audit", 5, 20);
  EXPECT_EQ(Status(foreign.Request(0, 9, 8)), 404);
  const ForkedLog impostor("log.example/audit", 5, 20);
  EXPECT_EQ(Status(impostor.Request(0, 9, 8)), 403);
  EXPECT_EQ(Status(log_.Request(0, 9, 8)), 400);
  EXPECT_EQ(Status(log_.Request(1, 7, 9)), 409);
  EXPECT_EQ(Status(log_.Request(1, 8, 9)), 422);
  EXPECT_EQ(Status(log_.Request(1, 8, 8)), 422);
  EXPECT_EQ(Status(log_.Request(0, 8, 8)), 200);
  const WitnessCounters counters = witness_->counters();
  EXPECT_EQ(counters.cosigned, 2);
  EXPECT_EQ(counters.conflicts, 1);
  EXPECT_EQ(counters.inconsistent, 2);
  EXPECT_EQ(counters.refused, 7);
}

TEST_F(WitnessTest, ConflictNamesTheSizeWithItsContentType) {
  ASSERT_EQ(Status(log_.Request(0, 0, 8)), 200);
  for (const uint64_t old_size : {0, 5}) {
    const WitnessAnswer answer = witness_->AddCheckpointRequest(log_.Request(0, old_size, 9));
    EXPECT_EQ(answer.status, 409);
    EXPECT_EQ(answer.content_type, "text/x.tlog.size");
    EXPECT_EQ(answer.body, "8\n");
  }
}

TEST_F(WitnessTest, EmptyTreeHasOneRootAndNoProof) {
  const auto empty = [&](const Hash& root, std::vector<Hash> proof) {
    const std::string note =
        *note::SignCheckpoint({log_.key.name(), TreeSize(0), root, {}}, log_.key);
    return FormatAddCheckpoint({TreeSize(0), std::move(proof), note});
  };
  EXPECT_EQ(Status(empty(merkle::HashLeaf("x"), {})), 422);
  EXPECT_EQ(Status(empty(merkle::EmptyRoot(), {Hash()})), 422);
  EXPECT_EQ(Status(empty(merkle::EmptyRoot(), {})), 200);
  EXPECT_EQ(Status(FormatAddCheckpoint({TreeSize(0), {Hash()}, log_.Checkpoint(0, 4)})), 422);
}

TEST_F(WitnessTest, StateOutlivesARestart) {
  ASSERT_EQ(Status(log_.Request(0, 0, 8)), 200);
  const std::string vkey = witness_->key().Format();
  ASSERT_TRUE(Reopen().ok());
  EXPECT_EQ(witness_->key().Format(), vkey);
  EXPECT_EQ(Status(log_.Request(1, 0, 8)), 409);
  EXPECT_EQ(Status(log_.Request(1, 8, 8)), 422);
  EXPECT_EQ(Status(log_.Request(0, 8, 9)), 200);
}

TEST_F(WitnessTest, LastCosignedNoteIsShownWithoutStrangersLines) {
  const std::string hash = HexEncode(Sha256("log.example/audit"));
  EXPECT_EQ(witness_->LastCosigned(hash), std::nullopt);
  EXPECT_EQ(witness_->LastCosigned("x"), std::nullopt);
  std::string crowded = log_.Request(0, 0, 8);
  for (uint32_t i = 1; i < note::kNoteSignaturesMax; ++i) {
    crowded += note::FormatSignatureLine({"crowd.example", i, "signature"});
  }
  const WitnessAnswer answer = witness_->AddCheckpointRequest(crowded);
  ASSERT_EQ(answer.status, 200);
  EXPECT_EQ(witness_->LastCosigned(hash), log_.Checkpoint(0, 8) + answer.body);
  ASSERT_TRUE(Reopen().ok());
  EXPECT_EQ(witness_->LastCosigned(hash), log_.Checkpoint(0, 8) + answer.body);
}

TEST_F(WitnessTest, KeyOfTheLogMayChange) {
  const ForkedLog successor("log.example/audit", 5, 20);  // the same leaves
  ASSERT_TRUE(Reopen({log_.key.verifier(), successor.key.verifier()}).ok());
  ASSERT_EQ(Status(log_.Request(0, 0, 8)), 200);
  EXPECT_EQ(Status(successor.Request(0, 8, 9)), 200);
  EXPECT_EQ(Status(successor.Request(1, 9, 10)), 422);
}

TEST_F(WitnessTest, DamagedStateIsDataLossAndNotAFreshStart) {
  ASSERT_EQ(Status(log_.Request(0, 0, 8)), 200);
  witness_.reset();
  const std::string path = "/w/logs/" + HexEncode(Sha256("log.example/audit"));
  const auto whole = io::ReadWholeFile(fs_, path, 10'000);
  ASSERT_TRUE(whole.ok());
  for (const size_t byte : {size_t{3}, whole->size() - 20}) {
    ASSERT_TRUE(fs_.FlipBit(path, byte * 8).ok());
    const absl::Status opened = Reopen();
    EXPECT_EQ(opened.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(opened.message()), HasSubstr(path));
    ASSERT_TRUE(fs_.FlipBit(path, byte * 8).ok());
  }
  EXPECT_TRUE(Reopen().ok());
}

TEST_F(WitnessTest, StateOfAnotherLogIsDataLoss) {
  const ForkedLog other("other.example/audit", 5, 20);
  ASSERT_TRUE(Reopen({log_.key.verifier(), other.key.verifier()}).ok());
  ASSERT_EQ(Status(log_.Request(0, 0, 8)), 200);
  const std::string folder = "/w/logs/";
  ASSERT_TRUE(fs_.Rename(folder + HexEncode(Sha256("log.example/audit")),
                         folder + HexEncode(Sha256("other.example/audit")))
                  .ok());
  EXPECT_EQ(Reopen({other.key.verifier()}).code(), absl::StatusCode::kDataLoss);
}

TEST_F(WitnessTest, MissingKeyBesideStateIsRefused) {
  ASSERT_EQ(Status(log_.Request(0, 0, 8)), 200);
  witness_.reset();
  ASSERT_TRUE(fs_.Remove("/w/key").ok());
  EXPECT_EQ(Reopen().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(WitnessTest, FolderInUseAnotherFolderAndAnotherNameAreRefused) {
  const auto open = [&](const std::string& folder, const std::string& name) {
    return Witness::Open(fs_, clock_, SystemRandom(), {folder, name, {log_.key.verifier()}})
        .status()
        .code();
  };
  EXPECT_EQ(open("/w", "witness.example"), absl::StatusCode::kFailedPrecondition);
  witness_.reset();
  EXPECT_EQ(open("/w", "another.example"), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(open("/w", "no name"), absl::StatusCode::kInvalidArgument);
  ASSERT_TRUE(io::MakeDirectoryDurably(fs_, "/log").ok());
  ASSERT_TRUE(io::WriteFileDurably(fs_, "/log/guard", "x").ok());
  EXPECT_EQ(open("/log", "witness.example"), absl::StatusCode::kFailedPrecondition);
}

TEST_F(WitnessTest, FailedSyncIsNotCosignedAndNothingIsUntilReopened) {
  ASSERT_EQ(Status(log_.Request(0, 0, 8)), 200);
  fs_.AddFault({io::FaultKind::kError, io::Operation::kSync, 1, "logs"});
  EXPECT_EQ(Status(log_.Request(0, 8, 9)), 500);
  ASSERT_EQ(fs_.Counts().errors, 1);
  EXPECT_EQ(Status(log_.Request(0, 8, 9)), 500);
  ASSERT_TRUE(Reopen().ok());
  EXPECT_EQ(Status(log_.Request(0, 8, 9)), 200);
}

TEST_F(WitnessTest, ClockBefore1970CosignsNothing) {
  clock_.wall_s = -5;
  EXPECT_EQ(Status(log_.Request(0, 0, 8)), 500);
  clock_.wall_s = 5;
  EXPECT_EQ(Status(log_.Request(0, 0, 8)), 200);
}

TEST_F(WitnessTest, ForksThatRaceAreNotBothCosigned) {
  std::atomic<int> cosigned[2] = {0, 0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, side = i % 2] {
      for (uint64_t size = 6; size <= 20; ++size) {
        const uint64_t last = witness_->Logs()[0].second.value_or(0);
        if (last <= size && Status(log_.Request(side, last, size)) == 200) cosigned[side]++;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(cosigned[0] + cosigned[1], 0);
  EXPECT_TRUE(cosigned[0] == 0 || cosigned[1] == 0);
}

TEST(WitnessVectorsTest, TranscriptOfAnotherWitnessIsReproduced) {
  const std::filesystem::path path = "../shared/vectors/witness_add_checkpoint.json";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
  const auto vectors = nlohmann::json::parse(std::ifstream(path));
  const std::string raw = *HexDecode(vectors["log_ed25519_hex"].get<std::string>());
  const note::VerifierKey key(vectors["log_origin"], note::KeyType::kEd25519,
                              *note::Ed25519PublicKey::FromBytes(raw));
  io::SimulatedFileSystem fs(1);
  auto witness =
      Witness::Open(fs, SystemClock(), SystemRandom(), {"/w", "example.com/witness", {key}});
  ASSERT_TRUE(witness.ok()) << witness.status();
  ASSERT_EQ(vectors["requests"].size(), 9);
  for (const auto& request : vectors["requests"]) {
    const WitnessAnswer answer =
        (*witness)->AddCheckpointRequest(request["body"].get<std::string>());
    EXPECT_EQ(answer.status, request["status"]) << request.dump(1) << answer.body;
    const std::string said = request.value("assert", "");
    const size_t quote = said.find('"');
    if (said.starts_with("body contains") && quote != said.npos) {
      EXPECT_THAT(answer.body, HasSubstr(said.substr(quote + 1, said.rfind('"') - quote - 1)));
    }
  }
}

}  // namespace
}  // namespace graven::witness
