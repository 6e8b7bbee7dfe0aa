// Reading records and nodes from where they stand. What moves meanwhile is tested with a ledger.
#include "shelf/stored_records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "base/bad_record.h"
#include "base/seeded_random_test.h"
#include "merkle/frontier.h"
#include "merkle/leaf.h"
#include "shelf/shelf_fixture_test.h"

namespace graven::shelf {
namespace {

using testing::HasSubstr;

constexpr char kOrigin[] = "example.org/log";
constexpr uint64_t kRecords = 300;

class StoredRecordsTest : public ShelfTest {
 protected:
  void SetUp() override {
    SeededRandom random(1);
    auto key = note::SignerKey::Generate(kOrigin, note::KeyType::kEd25519, random);
    ASSERT_TRUE(key.ok()) << key.status();
    store::LogMeta meta;
    meta.name = "default";
    meta.origin = kOrigin;
    log_ = std::make_unique<Log>(meta, *std::move(key));
    path_ = WriteSegment("/segments", kOrigin, kRecords);
    auto list = std::make_shared<SegmentList>();
    list->entries.push_back(DescribeSegment(**cache_.Get(path_)));
    log_->SetSegments(list);
    Hash previous = log_->genesis_hash;
    for (uint64_t i = 0; i < kRecords; ++i) {
      records_.push_back(RecordBytes(LogIndex(i), previous));
      previous = record::RecordHash(records_.back());
      hashes_.push_back(previous);
    }
    // The tail begins in the middle of a chunk: what is before stands in the segment.
    const uint64_t before = kRecords % Tail::kChunkRecords;
    log_->SetTail(
        std::make_unique<Tail>(LogIndex(kRecords), std::span(hashes_).subspan(kRecords - before)));
  }

  SegmentCache cache_{disk_, 4};
  StoredRecords stored_{cache_};
  std::unique_ptr<Log> log_;
  std::string path_;
  std::vector<std::string> records_;
  std::vector<Hash> hashes_;
};

TEST_F(StoredRecordsTest, RangeIsVisitedInOrderUntilTheVisitorHasEnough) {
  std::vector<uint64_t> seen;
  const auto visit = [&](LogIndex index, std::string_view record, const Hash& hash) {
    EXPECT_EQ(record, records_[index.value]);
    EXPECT_EQ(hash, hashes_[index.value]);
    seen.push_back(index.value);
    return seen.size() < 5;
  };
  ASSERT_TRUE(stored_.Visit(*log_, LogIndex(7), 100, visit).ok());
  EXPECT_EQ(seen, (std::vector<uint64_t>{7, 8, 9, 10, 11}));
  const auto one = stored_.Get(*log_, LogIndex(kRecords - 1));
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ(*one, records_.back());
}

TEST_F(StoredRecordsTest, RecordThatStandsNowhereIsDataLoss) {
  const auto got = stored_.Get(*log_, LogIndex(kRecords));
  EXPECT_EQ(got.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(got.status().message()), HasSubstr("neither in a segment nor in the"));
}

TEST_F(StoredRecordsTest, SegmentThatIsGoneIsDataLossForRecordsAndNodes) {
  cache_.Forget(path_);
  ASSERT_TRUE(disk_.Remove(path_).ok());
  EXPECT_EQ(stored_.Get(*log_, LogIndex(3)).status().code(), absl::StatusCode::kDataLoss);
  LogNodes nodes(*log_, cache_);
  EXPECT_EQ(nodes.Node(0, 3).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(StoredRecordsTest, NodesOfEachLevelAreThoseOfTheTree) {
  LogNodes nodes(*log_, cache_);
  for (int level = 0; level <= 8; ++level) {
    const uint64_t width = uint64_t{1} << level;
    for (uint64_t index = 0; (index + 1) * width <= kRecords; ++index) {
      merkle::Frontier frontier;
      for (uint64_t i = 0; i < width; ++i) frontier.Append(hashes_[index * width + i]);
      const auto node = nodes.Node(level, index);
      ASSERT_TRUE(node.ok()) << level << " " << index << ": " << node.status();
      EXPECT_EQ(*node, frontier.Root()) << level << " " << index;
    }
  }
}

}  // namespace
}  // namespace graven::shelf
