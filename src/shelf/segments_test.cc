// The segments of a log, and the files of them that are open.
#include "shelf/segments.h"

#include <gtest/gtest.h>

#include <vector>

#include "shelf/shelf_fixture_test.h"

namespace graven::shelf {
namespace {

TEST_F(ShelfTest, SegmentsInUseStayOpenAndTheOneUsedLongestAgoIsClosed) {
  std::vector<std::string> paths;
  for (int i = 0; i < 3; ++i) {
    const std::string name = "log" + std::to_string(i);
    paths.push_back(WriteSegment("/" + name, name, 2));
  }
  SegmentCache cache(disk_, 2);
  const auto first = cache.Get(paths[0]);
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_TRUE(cache.Get(paths[1]).ok());
  EXPECT_EQ(*cache.Get(paths[0]), *first) << "it was open";
  ASSERT_TRUE(cache.Get(paths[2]).ok());
  // Which two are open shows when the names are gone.
  for (const std::string& path : paths) ASSERT_TRUE(disk_.Remove(path).ok());
  EXPECT_EQ(*cache.Get(paths[0]), *first);
  EXPECT_TRUE(cache.Get(paths[2]).ok());
  EXPECT_EQ(cache.Get(paths[1]).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(ShelfTest, ForgottenSegmentIsNotFoundOnceItsNameIsGone) {
  const std::string path = WriteSegment("/segments", "example.org/log", 2);
  SegmentCache cache(disk_, 2);
  ASSERT_TRUE(cache.Get(path).ok());
  cache.Forget(path);
  ASSERT_TRUE(disk_.Remove(path).ok());
  EXPECT_EQ(cache.Get(path).status().code(), absl::StatusCode::kNotFound);
  cache.Forget(path);  // twice is no harm
}

TEST_F(ShelfTest, SegmentIsDescribedByItsBoundsAndItsLastRecord) {
  const std::string path = WriteSegment("/segments", "example.org/log", 3);
  SegmentCache cache(disk_, 2);
  const auto reader = cache.Get(path);
  ASSERT_TRUE(reader.ok()) << reader.status();
  const SegmentEntry entry = DescribeSegment(**reader);
  EXPECT_EQ(entry.first, LogIndex(0));
  EXPECT_EQ(entry.end, TreeSize(3));
  EXPECT_EQ(entry.path, path);
  EXPECT_EQ(entry.last_received_at_ns, 1002);
  EXPECT_FALSE(entry.final());
}

TEST(SegmentList, ProvisionalSegmentAtItsEndIsNotFinal) {
  SegmentList list;
  EXPECT_EQ(list.end(), TreeSize(0));
  EXPECT_EQ(list.final_end(), TreeSize(0));
  list.entries.push_back({LogIndex(0), TreeSize(store::kSegmentRecords)});
  EXPECT_EQ(list.final_end(), TreeSize(store::kSegmentRecords));
  list.entries.push_back({LogIndex(store::kSegmentRecords), TreeSize(store::kSegmentRecords + 5)});
  EXPECT_EQ(list.end(), TreeSize(store::kSegmentRecords + 5));
  EXPECT_EQ(list.final_end(), TreeSize(store::kSegmentRecords));
  EXPECT_EQ(list.Holding(LogIndex(store::kSegmentRecords + 4)).first,
            LogIndex(store::kSegmentRecords));
}

}  // namespace
}  // namespace graven::shelf
