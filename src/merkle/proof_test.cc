#include "merkle/proof.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "merkle/slow_tree.h"

namespace graven::merkle {
namespace {

using ::testing::HasSubstr;

constexpr size_t kLeaves = 130;

class ProofTest : public testing::Test {
 protected:
  std::span<const Hash> Tree(size_t size) const { return std::span(leaves_).first(size); }
  Hash Root(size_t size) const { return roots_[size]; }

  void SetUp() override {
    leaves_ = CountedLeaves(kLeaves);
    for (size_t size = 0; size <= kLeaves; ++size) roots_.push_back(SlowRoot(Tree(size)));
  }

  std::vector<Hash> leaves_;
  std::vector<Hash> roots_;
};

void ExpectInvalid(const absl::Status& status, const char* message) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(message));
}

TEST_F(ProofTest, EveryInclusionIsAsDefinedAndChecks) {
  for (size_t size = 1; size <= kLeaves; ++size) {
    LeafSource source(Tree(size));
    for (size_t index = 0; index < size; ++index) {
      const auto proof = InclusionProof(source, LogIndex(index), TreeSize(size));
      ASSERT_TRUE(proof.ok()) << proof.status();
      ASSERT_EQ(*proof, SlowInclusion(index, Tree(size))) << index << " of " << size;
      ASSERT_TRUE(
          CheckInclusion(LogIndex(index), TreeSize(size), leaves_[index], *proof, Root(size)).ok());
    }
  }
}

TEST_F(ProofTest, EveryConsistencyIsAsDefinedAndChecks) {
  for (size_t size = 1; size <= kLeaves; ++size) {
    LeafSource source(Tree(size));
    for (size_t old_size = 1; old_size <= size; ++old_size) {
      const auto proof = ConsistencyProof(source, TreeSize(old_size), TreeSize(size));
      ASSERT_TRUE(proof.ok()) << proof.status();
      ASSERT_EQ(*proof, SlowConsistency(old_size, Tree(size))) << old_size << " to " << size;
      ASSERT_TRUE(
          CheckConsistency(TreeSize(old_size), TreeSize(size), *proof, Root(old_size), Root(size))
              .ok());
    }
  }
}

TEST_F(ProofTest, DamagedInclusionIsRefused) {
  constexpr size_t kSize = 45;
  LeafSource source(Tree(kSize));
  for (size_t index = 0; index < kSize; ++index) {
    std::vector<Hash> proof = *InclusionProof(source, LogIndex(index), TreeSize(kSize));
    const auto check = [&](size_t at, size_t size, const Hash& leaf) {
      return CheckInclusion(LogIndex(at), TreeSize(size), leaf, proof, Root(kSize));
    };
    ASSERT_TRUE(check(index, kSize, leaves_[index]).ok());
    ExpectInvalid(check(index, kSize, leaves_[index + 1]), "wrong proof");
    ExpectInvalid(check(index ^ 1, kSize, leaves_[index]),
                  index == kSize - 1 ? "not below" : "wrong proof");
    ExpectInvalid(check(index, index, leaves_[index]), "malformed proof: index");
    for (Hash& hash : proof) {
      hash.bytes[7] ^= 0x10;
      ExpectInvalid(check(index, kSize, leaves_[index]), "wrong proof");
      hash.bytes[7] ^= 0x10;
    }
    proof.push_back(leaves_[0]);
    ExpectInvalid(check(index, kSize, leaves_[index]), "malformed proof");
    proof.resize(proof.size() - 2);
    ExpectInvalid(check(index, kSize, leaves_[index]), "malformed proof");
  }
}

TEST_F(ProofTest, DamagedConsistencyIsRefused) {
  constexpr size_t kSize = 45;
  LeafSource source(Tree(kSize));
  for (size_t old_size = 1; old_size < kSize; ++old_size) {
    std::vector<Hash> proof = *ConsistencyProof(source, TreeSize(old_size), TreeSize(kSize));
    const auto check = [&](const Hash& old_root, const Hash& new_root) {
      return CheckConsistency(TreeSize(old_size), TreeSize(kSize), proof, old_root, new_root);
    };
    ASSERT_TRUE(check(Root(old_size), Root(kSize)).ok());
    ExpectInvalid(check(Root(old_size + 1), Root(kSize)), "wrong proof");
    ExpectInvalid(check(Root(old_size), Root(kSize + 1)), "wrong proof");
    for (Hash& hash : proof) {
      hash.bytes[0] ^= 1;
      ExpectInvalid(check(Root(old_size), Root(kSize)), "wrong proof");
      hash.bytes[0] ^= 1;
    }
    proof.push_back(leaves_[0]);
    ExpectInvalid(check(Root(old_size), Root(kSize)), "malformed proof");
    proof.resize(proof.size() - 2);
    ExpectInvalid(check(Root(old_size), Root(kSize)), "malformed proof");
  }
}

TEST_F(ProofTest, SizesWithoutAProofAreRefused) {
  LeafSource source(Tree(8));
  ExpectInvalid(InclusionProof(source, LogIndex(8), TreeSize(8)).status(), "not below");
  ExpectInvalid(InclusionProof(source, LogIndex(0), TreeSize(0)).status(), "not below");
  ExpectInvalid(InclusionProof(source, LogIndex(0), TreeSize(kLogIndexLimit + 1)).status(),
                "limit");
  ExpectInvalid(ConsistencyProof(source, TreeSize(0), TreeSize(8)).status(), "old size 0");
  ExpectInvalid(ConsistencyProof(source, TreeSize(9), TreeSize(8)).status(), "above");
  ExpectInvalid(CheckConsistency(TreeSize(0), TreeSize(8), {}, Root(0), Root(8)), "old size 0");
  ExpectInvalid(CheckConsistency(TreeSize(8), TreeSize(8), {}, Root(7), Root(8)), "wrong proof");
  ExpectInvalid(CheckConsistency(TreeSize(8), TreeSize(8), Tree(1), Root(8), Root(8)), "malformed");
  EXPECT_EQ(source.reads, 0);
}

TEST_F(ProofTest, LargestTreeNeedsNoMoreThanTheLimit) {
  const TreeSize size(kLogIndexLimit);
  EXPECT_EQ(InclusionRanges(LogIndex(kLogIndexLimit - 1), size).size(), 63u);
  EXPECT_LE(ConsistencyRanges(TreeSize(kLogIndexLimit - 1), size).size(), kProofHashesMax);
  const std::vector<Hash> proof(63, leaves_[0]);
  ExpectInvalid(CheckInclusion(LogIndex(kLogIndexLimit - 1), size, leaves_[0], proof, Root(1)),
                "wrong proof");
}

TEST_F(ProofTest, RootFromNodesIsTheRoot) {
  for (size_t size = 0; size <= kLeaves; ++size) {
    LeafSource source(Tree(size));
    EXPECT_EQ(*RootFromNodes(source, TreeSize(size)), Root(size));
  }
}

class FailingSource : public NodeSource {
 public:
  absl::StatusOr<Hash> Node(int, uint64_t) override {
    ++fired;
    return absl::DataLossError("hash row is damaged");
  }
  int fired = 0;
};

TEST_F(ProofTest, SourceErrorGoesThrough) {
  FailingSource source;
  EXPECT_EQ(InclusionProof(source, LogIndex(1), TreeSize(5)).status().code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(ConsistencyProof(source, TreeSize(3), TreeSize(5)).status().code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(RootFromNodes(source, TreeSize(5)).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(source.fired, 3);
}

}  // namespace
}  // namespace graven::merkle
