#include "cli/span_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

namespace graven::cli {
namespace {

using ::testing::ElementsAre;

std::vector<std::pair<size_t, size_t>> Lines(const std::vector<SpanNames>& records) {
  std::vector<std::pair<size_t, size_t>> lines;
  for (const TreeLine& line : SpanTree(records)) lines.emplace_back(line.record, line.depth);
  return lines;
}

using P = std::pair<size_t, size_t>;

TEST(SpanTree, WhatASpanCausedStandsBelowIt) {
  EXPECT_THAT(Lines({{"", ""}, {"a", ""}, {"c", "b"}, {"b", "a"}, {"d", "a"}, {"a", ""}}),
              ElementsAre(P{0, 0}, P{1, 0}, P{5, 0}, P{3, 1}, P{2, 2}, P{4, 1}));
  // The parent is not there, or is the span itself; a record without a span has one.
  EXPECT_THAT(Lines({{"x", "y"}, {"z", "z"}, {"", "x"}}), ElementsAre(P{0, 0}, P{2, 1}, P{1, 0}));
  EXPECT_TRUE(Lines({}).empty());
}

TEST(SpanTree, SpansThatCauseEachOtherAreShownOnce) {
  EXPECT_THAT(Lines({{"a", "b"}, {"b", "c"}, {"c", "a"}, {"d", "b"}}),
              ElementsAre(P{0, 0}, P{2, 1}, P{1, 2}, P{3, 3}));
}

TEST(SpanTree, IsAsDeepAsItsRecordsAreMany) {
  constexpr size_t kRecords = 1'000'000;
  std::vector<SpanNames> records;
  for (size_t i = 0; i < kRecords; ++i) {
    records.push_back({std::to_string(i), i == 0 ? "" : std::to_string(i - 1)});
  }
  const std::vector<TreeLine> lines = SpanTree(records);
  ASSERT_EQ(lines.size(), kRecords);
  EXPECT_EQ(lines.back(), (TreeLine{kRecords - 1, kRecords - 1}));
}

}  // namespace
}  // namespace graven::cli
