#include "verify/evidence.h"

#include "base/seeded_random_test.h"
#include "base/sha256.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "merkle/leaf.h"
#include "merkle/proof.h"
#include "merkle/slow_tree.h"
#include "note/checkpoint.h"
#include "record/encoded_test.h"
#include "record/record.h"

namespace graven::verify {
namespace {

using testing::HasSubstr;

// A log whose records are what the test says, signed with a key of its own.
class EvidenceTest : public testing::Test {
 protected:
  EvidenceTest()
      : random_(7),
        key_(*note::SignerKey::Generate("example.com/log", note::KeyType::kEd25519, random_)) {}

  static std::vector<Hash> Leaves(uint64_t count, int version_from = 1 << 30) {
    std::vector<Hash> leaves;
    for (uint64_t i = 0; i < count; ++i)
      leaves.push_back(merkle::HashLeaf(
          fmt::format("{} {}", i, i >= static_cast<uint64_t>(version_from) ? "other" : "")));
    return leaves;
  }

  std::string Sign(const std::vector<Hash>& leaves) {
    return *note::SignCheckpoint(
        {key_.name(), TreeSize(leaves.size()), merkle::SlowRoot(leaves), {}}, key_);
  }

  Evidence Start(Claim claim) const {
    Evidence evidence;
    evidence.claim = claim;
    evidence.found_s = 1;
    evidence.said = "said";
    evidence.vkey = key_.verifier().Format();
    return evidence;
  }

  Evidence Fork(const std::vector<Hash>& old, const std::vector<Hash>& now) {
    Evidence evidence = Start(Claim::kFork);
    evidence.notes = {Sign(old), Sign(now)};
    const uint64_t last = old.size() - 1;
    if (old.size() < now.size())
      evidence.proofs.push_back({LogIndex(last), now[last], merkle::SlowInclusion(last, now), ""});
    return evidence;
  }

  EvidenceVerdict Verdict(const Evidence& evidence) {
    const auto parsed = ParseEvidence(FormatEvidence(evidence));
    EXPECT_TRUE(parsed.ok()) << parsed.status();
    if (!parsed.ok()) return EvidenceVerdict::kNothing;
    EXPECT_EQ(*parsed, evidence);
    return JudgeEvidence(*parsed, key_.verifier()).verdict;
  }

  SeededRandom random_;
  note::SignerKey key_;
};

TEST_F(EvidenceTest, PathGivesTheRootOfEverySmallerTree) {
  for (uint64_t size = 1; size <= 70; ++size) {
    const std::vector<Hash> leaves = Leaves(size);
    for (uint64_t old = 1; old <= size; ++old) {
      const auto root = RootThrough(LogIndex(old - 1), TreeSize(size), leaves[old - 1],
                                    merkle::SlowInclusion(old - 1, leaves));
      ASSERT_TRUE(root.ok()) << root.status();
      ASSERT_EQ(*root, merkle::SlowRoot(Leaves(old))) << old << " of " << size;
    }
  }
}

// Powers of two among them, where a consistency proof does not hold the old root.
TEST_F(EvidenceTest, ForkOfEverySizeIsProven) {
  for (uint64_t size = 2; size <= 20; ++size)
    for (uint64_t old = 1; old <= size; ++old)
      for (const int from : {0, static_cast<int>(old) - 1})
        ASSERT_EQ(Verdict(Fork(Leaves(old), Leaves(size, from))), EvidenceVerdict::kForkProven)
            << old << " of " << size;
}

TEST_F(EvidenceTest, LogThatGrewIsNoFork) {
  for (uint64_t size = 1; size <= 20; ++size)
    for (uint64_t old = 1; old <= size; ++old)
      ASSERT_EQ(Verdict(Fork(Leaves(old), Leaves(size, static_cast<int>(old)))),
                EvidenceVerdict::kNothing);
}

TEST_F(EvidenceTest, PathThatWasMadeUpProvesNoFork) {
  Evidence evidence = Fork(Leaves(4), Leaves(9));
  evidence.proofs[0].path[1] = Sha256("made up");
  EXPECT_EQ(Verdict(evidence), EvidenceVerdict::kNothing);
  evidence = Fork(Leaves(4), Leaves(9));
  evidence.proofs[0].leaf = Sha256("made up");
  EXPECT_EQ(Verdict(evidence), EvidenceVerdict::kNothing);
  evidence.proofs.clear();
  EXPECT_EQ(Verdict(evidence), EvidenceVerdict::kNothing);
}

TEST_F(EvidenceTest, ForkOfAnotherKeyProvesNothing) {
  const auto other =
      *note::SignerKey::Generate("example.com/log", note::KeyType::kEd25519, random_);
  const Evidence evidence = Fork(Leaves(4), Leaves(9, 0));
  EXPECT_EQ(JudgeEvidence(evidence, other.verifier()).verdict, EvidenceVerdict::kNothing);
  EXPECT_EQ(JudgeEvidence(evidence, std::nullopt).trust, Trust::kSelfConsistent);
}

TEST_F(EvidenceTest, RecordThatIsNotTheSignedOneIsAWrongAnswer) {
  const std::vector<Hash> leaves = Leaves(9);
  Evidence evidence = Start(Claim::kRecord);
  evidence.notes = {Sign(leaves)};
  evidence.proofs = {{LogIndex(5), leaves[5], merkle::SlowInclusion(5, leaves), "other bytes"}};
  EXPECT_EQ(Verdict(evidence), EvidenceVerdict::kWrongAnswer);
  EXPECT_FALSE(JudgeEvidence(evidence, key_.verifier()).signed_by_log);
}

TEST_F(EvidenceTest, SignedRecordThatBreaksTheChainIsProven) {
  std::vector<std::string> records;
  std::vector<Hash> leaves;
  Hash previous = record::GenesisHash(key_.name());
  for (uint64_t i = 0; i < 5; ++i) {
    record::RecordHeader header;
    header.index = LogIndex(i);
    header.received_at_ns = static_cast<int64_t>(100 + i);
    header.previous_hash = i == 3 ? Sha256("elsewhere") : previous;
    header.written_by = "anonymous";
    header.body = "body";
    std::string bytes = record::Encoded(header);
    previous = merkle::HashLeaf(bytes);
    records.push_back(bytes);
    leaves.push_back(previous);
  }
  Evidence evidence = Start(Claim::kRecord);
  evidence.notes = {Sign(leaves)};
  for (const uint64_t index : {3, 2})
    evidence.proofs.push_back(
        {LogIndex(index), leaves[index], merkle::SlowInclusion(index, leaves), records[index]});
  EXPECT_EQ(Verdict(evidence), EvidenceVerdict::kWrongAnswer);
  const auto judged = JudgeEvidence(evidence, key_.verifier());
  EXPECT_TRUE(judged.signed_by_log);
  EXPECT_THAT(judged.because, HasSubstr("previous_hash"));
  // A record that is in order shows nothing.
  evidence.proofs = {{LogIndex(2), leaves[2], merkle::SlowInclusion(2, leaves), records[2]},
                     {LogIndex(1), leaves[1], merkle::SlowInclusion(1, leaves), records[1]}};
  EXPECT_EQ(Verdict(evidence), EvidenceVerdict::kNothing);
}

TEST_F(EvidenceTest, WithheldTreeIsTheMakersWord) {
  Evidence evidence = Start(Claim::kWithheld);
  evidence.notes = {Sign(Leaves(9))};
  EXPECT_EQ(Verdict(evidence), EvidenceVerdict::kWithheld);
  EXPECT_FALSE(JudgeEvidence(evidence, key_.verifier()).signed_by_log);
}

TEST_F(EvidenceTest, AnswerThatIsNotSignedIsWrong) {
  Evidence evidence = Start(Claim::kCheckpoint);
  evidence.notes = {"nonsense\n"};
  EXPECT_EQ(Verdict(evidence), EvidenceVerdict::kWrongAnswer);
  evidence.notes = {Sign(Leaves(3))};
  EXPECT_EQ(Verdict(evidence), EvidenceVerdict::kNothing);
}

TEST_F(EvidenceTest, AnotherFormIsRefusedAndItsLineNamed) {
  const std::string good = FormatEvidence(Fork(Leaves(4), Leaves(9, 0)));
  for (size_t cut = 0; cut < good.size(); ++cut) {
    const auto parsed = ParseEvidence(std::string_view(good).substr(0, cut));
    if (parsed.ok()) continue;  // whole nodes are missing: judged, not parsed
    ASSERT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
  }
  const auto parsed = ParseEvidence(good + "more\n");
  EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(parsed.status().message()), HasSubstr("line 1"));
}

}  // namespace
}  // namespace graven::verify
