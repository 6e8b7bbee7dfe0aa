#include "merkle/frontier.h"

#include <algorithm>
#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "merkle/proof.h"
#include "merkle/slow_tree.h"

namespace graven::merkle {
namespace {

class RecordingSink : public NodeSink {
 public:
  void OnNodes(int level, uint64_t first_index, std::span<const Hash> hashes) override {
    auto& row = rows[level];
    EXPECT_EQ(row.size(), first_index - first_of_level[level]) << "gap at level " << level;
    row.insert(row.end(), hashes.begin(), hashes.end());
  }

  std::map<int, std::vector<Hash>> rows;
  std::map<int, uint64_t> first_of_level;
};

TEST(FrontierTest, AppendGivesTheDefinedRootAtEverySize) {
  const std::vector<Hash> leaves = CountedLeaves(300);
  Frontier frontier;
  for (size_t size = 0; size <= leaves.size(); ++size) {
    EXPECT_EQ(frontier.size(), TreeSize(size));
    EXPECT_EQ(frontier.Root(), SlowRoot(std::span(leaves).first(size))) << size;
    if (size < leaves.size()) frontier.Append(leaves[size]);
  }
}

TEST(FrontierTest, AppendAllEqualsAppendForEverySplit) {
  const std::vector<Hash> leaves = CountedLeaves(1200);
  for (const size_t first : {0, 1, 2, 3, 5, 7, 8, 63, 64, 65, 127, 255, 256, 300}) {
    for (const size_t count : {0, 1, 2, 15, 16, 17, 31, 64, 100, 255, 511, 512, 513, 900}) {
      Frontier one_by_one;
      for (size_t i = 0; i < first + count; ++i) one_by_one.Append(leaves[i]);
      Frontier grouped;
      for (size_t i = 0; i < first; ++i) grouped.Append(leaves[i]);
      grouped.AppendAll(std::span(leaves).subspan(first, count));
      EXPECT_EQ(grouped, one_by_one) << first << " + " << count;
    }
  }
}

TEST(FrontierTest, SinkHearsOfEachInnerNodeOnceInOrder) {
  const std::vector<Hash> leaves = CountedLeaves(1100);
  for (const size_t first : {0, 1, 5, 64, 100}) {
    Frontier frontier;
    frontier.AppendAll(std::span(leaves).first(first));
    RecordingSink sink;
    for (int level = 1; level < 16; ++level) sink.first_of_level[level] = first >> level;
    size_t at = first;
    for (const size_t step : {1, 2, 20, 16, 600, 3, 300}) {
      const size_t count = std::min<size_t>(step, leaves.size() - at);
      frontier.AppendAll(std::span(leaves).subspan(at, count), &sink);
      at += count;
    }
    ASSERT_GT(at, first + 900);
    LeafSource source(leaves);
    for (int level = 1; level <= 9; ++level) {
      const uint64_t begin = first >> level;
      ASSERT_EQ(sink.rows[level].size(), (at >> level) - begin) << level;
      for (size_t i = 0; i < sink.rows[level].size(); ++i) {
        EXPECT_EQ(sink.rows[level][i], *source.Node(level, begin + i)) << level << " " << i;
      }
    }
  }
}

TEST(FrontierTest, RootsOfPerfectSubtreesRestoreTheFrontier) {
  const std::vector<Hash> leaves = CountedLeaves(109);
  Frontier frontier;
  frontier.AppendAll(std::span(leaves).first(100));
  absl::StatusOr<Frontier> restored =
      Frontier::FromSubtreeRoots(TreeSize(100), frontier.subtree_roots());
  ASSERT_TRUE(restored.ok());
  EXPECT_EQ(*restored, frontier);
  restored->AppendAll(std::span(leaves).subspan(100));
  EXPECT_EQ(restored->Root(), SlowRoot(leaves));
}

TEST(FrontierTest, WrongNumberOfSubtreeRootsIsInvalid) {
  const std::vector<Hash> leaves = CountedLeaves(3);
  EXPECT_EQ(Frontier::FromSubtreeRoots(TreeSize(3), {leaves[0]}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Frontier::FromSubtreeRoots(TreeSize(0), {leaves[0]}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Frontier::FromSubtreeRoots(TreeSize(uint64_t{3} << 62), {leaves[0], leaves[1]})
                .status()
                .code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace graven::merkle
