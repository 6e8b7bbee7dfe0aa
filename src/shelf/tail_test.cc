// What is known of the records that are in no segment yet.
#include "shelf/tail.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "base/sha256.h"

namespace graven::shelf {
namespace {

constexpr uint64_t kChunk = Tail::kChunkRecords;

Hash HashOf(uint64_t index) { return Sha256("record " + std::to_string(index)); }

journal::RecordLocation LocationOf(uint64_t index) {
  journal::RecordLocation location;
  location.file = 1 + index / 1000;
  location.offset = static_cast<uint32_t>(100 * (index % 1000));
  location.length = 90;
  return location;
}

// A tail with the records `first` to below `end`.
std::unique_ptr<Tail> MakeTail(uint64_t first, uint64_t end) {
  std::vector<Hash> before;
  for (uint64_t index = first - first % kChunk; index < first; ++index) {
    before.push_back(HashOf(index));
  }
  auto tail = std::make_unique<Tail>(LogIndex(first), before);
  for (uint64_t index = first; index < end; ++index) {
    tail->Append(HashOf(index), index, LocationOf(index));
    if ((index + 1) % kChunk == 0) tail->SetNode(index / kChunk, HashOf(1'000'000 + index));
  }
  return tail;
}

TEST(Tail, EveryRecordIsFoundWithItsHashAndPlace) {
  const auto tail = MakeTail(0, 3 * kChunk + 7);
  for (const auto& [first, count] :
       {std::pair<uint64_t, uint64_t>{0, 1}, {250, 20}, {0, 3 * kChunk + 7}, {3 * kChunk, 7}}) {
    const std::vector<Tail::Entry> entries = tail->Find(LogIndex(first), count);
    ASSERT_EQ(entries.size(), count);
    for (uint64_t i = 0; i < count; ++i) {
      EXPECT_EQ(entries[i].hash, HashOf(first + i));
      EXPECT_EQ(entries[i].check, first + i);
      ASSERT_TRUE(entries[i].location.has_value());
      EXPECT_EQ(entries[i].location->file, LocationOf(first + i).file);
      EXPECT_EQ(entries[i].location->offset, LocationOf(first + i).offset);
    }
  }
  EXPECT_TRUE(tail->Find(LogIndex(0), 0).empty());
}

TEST(Tail, RecordsBeforeItsBeginningHaveAHashAndNoPlace) {
  const auto tail = MakeTail(kChunk + 5, kChunk + 9);
  const std::vector<Tail::Entry> entries = tail->Find(LogIndex(kChunk), 9);
  ASSERT_EQ(entries.size(), 9u);
  for (uint64_t i = 0; i < 9; ++i) {
    EXPECT_EQ(entries[i].hash, HashOf(kChunk + i));
    EXPECT_EQ(entries[i].location.has_value(), i >= 5) << i;
  }
  EXPECT_TRUE(tail->Find(LogIndex(kChunk - 1), 2).empty()) << "one of them is in a segment";
}

TEST(Tail, NodesAndHashesOfWholeChunksAreHandedOut) {
  const auto tail = MakeTail(0, 2 * kChunk);
  std::vector<Hash> nodes(2), hashes(kChunk);
  ASSERT_TRUE(tail->Nodes(0, nodes));
  EXPECT_EQ(nodes[0], HashOf(1'000'000 + kChunk - 1));
  EXPECT_EQ(nodes[1], HashOf(1'000'000 + 2 * kChunk - 1));
  ASSERT_TRUE(tail->Hashes(LogIndex(kChunk / 2), hashes));
  EXPECT_EQ(hashes.front(), HashOf(kChunk / 2));
  EXPECT_EQ(hashes.back(), HashOf(kChunk + kChunk / 2 - 1));
  EXPECT_FALSE(tail->Nodes(1, nodes)) << "the second is not there";
}

TEST(Tail, DroppedChunksAreGoneAndTheOthersStay) {
  const auto tail = MakeTail(0, 3 * kChunk);
  tail->DropBelow(LogIndex(kChunk + 3));  // the second chunk lies not wholly below
  Hash hash;
  EXPECT_FALSE(tail->Hashes(LogIndex(kChunk - 1), std::span(&hash, 1)));
  EXPECT_TRUE(tail->Find(LogIndex(kChunk - 1), 2).empty());
  ASSERT_TRUE(tail->Hashes(LogIndex(kChunk), std::span(&hash, 1)));
  EXPECT_EQ(hash, HashOf(kChunk));
}

TEST(Tail, TailThatWasDroppedWholeGoesOnAtItsEnd) {
  const auto tail = MakeTail(0, 2 * kChunk);
  tail->DropBelow(LogIndex(2 * kChunk));
  EXPECT_TRUE(tail->Find(LogIndex(2 * kChunk - 1), 1).empty());
  tail->Append(HashOf(2 * kChunk), 5, LocationOf(2 * kChunk));
  const std::vector<Tail::Entry> entries = tail->Find(LogIndex(2 * kChunk), 1);
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].hash, HashOf(2 * kChunk));
  EXPECT_EQ(entries[0].check, 5u);
}

}  // namespace
}  // namespace graven::shelf
