// Many small chunks become one large one, the same bytes as of the records.
#include "index/chunk_merger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "index/index_fixture_test.h"
#include "io/durable_file.h"
#include "io/simulated_file_system.h"
#include "record/encoded_test.h"

namespace graven::index {
namespace {

// Records whose labels and words come once each: far more than an index can hold of them.
std::string HostileRecord(uint64_t index) {
  v1::Event event;
  event.set_event_id("h" + std::to_string(index));
  event.mutable_actor()->set_id("eve-" + std::to_string(index));
  event.set_action("fill");
  event.mutable_occurred_at()->set_seconds(1);
  for (int i = 0; i < 40; ++i) {
    auto* label = event.add_labels();
    label->set_key("k" + std::to_string(i));
    label->set_value(std::to_string(index) + std::string(120, static_cast<char>('a' + i % 26)));
  }
  event.set_outcome_reason("word" + std::to_string(index));
  record::RecordHeader header;
  header.index = LogIndex(index);
  header.received_at_ns = static_cast<int64_t>(index);
  header.written_by = "eve";
  header.kind = record::BodyKind::kEvent;
  const std::string body = event.SerializeAsString();
  header.body = body;
  return record::Encoded(header);
}

// Sixteen of 4,096 records.
std::vector<std::shared_ptr<const Chunk>> SixteenFrom(uint64_t first) {
  RecordMaker maker(2);
  std::vector<std::shared_ptr<const Chunk>> parts;
  for (uint64_t i = 0; i < kMergedChunks; ++i) {
    parts.push_back(OpenContent(BuildContent(maker, first + i * 4096, kSmallLevel, kKey)));
  }
  return parts;
}

TEST(MayMerge, SixteenOfOneAlignedRangeThatAreNotTooLargeTogether) {
  std::vector<std::shared_ptr<const Chunk>> parts = SixteenFrom(65'536);
  uint64_t bytes = 0;
  for (const auto& part : parts) bytes += part->bytes();
  EXPECT_TRUE(MayMerge(parts));
  EXPECT_TRUE(MayMerge(parts, bytes));
  EXPECT_FALSE(MayMerge(parts, bytes - 1));
  EXPECT_FALSE(MayMerge(std::span(parts).first(15)));
  // One from the next range on, without the first: not aligned.
  RecordMaker maker(2);
  const auto next = OpenContent(BuildContent(maker, 2 * 65'536, kSmallLevel, kKey));
  parts.push_back(next);
  EXPECT_FALSE(MayMerge(std::span(parts).subspan(1)));
  // The last is missing, and another stands in its place.
  parts.erase(parts.end() - 2);
  EXPECT_FALSE(MayMerge(parts));
}

TEST(Chunks, WhatStrangersFillUpIsScannedAndTakesNoMemory) {
  ChunkBuilder builder(0, kSmallLevel, kKey);
  query::RecordView view;
  std::vector<std::string> records;
  while (!builder.full()) {
    records.push_back(HostileRecord(builder.next()));
    ASSERT_TRUE(view.Read(records.back()).ok());
    builder.Add(view);
  }
  const std::string content = builder.Finish();
  // Of some 30 MiB of labels.
  EXPECT_LT(content.size(), 2 * kRunTermBytesMax);
  const std::shared_ptr<const Chunk> chunk = OpenContent(content);
  std::string key;
  MakeKey(KeyKind::kOverfull, "", &key);
  const uint64_t overfull = chunk->LeavesOf(key)->count();
  EXPECT_GT(overfull, 3000U);
  EXPECT_LT(overfull, 4096U);
  // What a record has once is there all the same.
  for (const char* text : {"actor:eve-4095", "label.k7:\"4000*\"", "word4000", "word17",
                           "NOT label.k39:\"4001*\"", "label.k0:\"1*\" action:fill"}) {
    const absl::StatusOr<query::Query> query = query::Parse(text);
    ASSERT_TRUE(query.ok()) << text << query.status();
    const absl::StatusOr<Found> found = FindInChunk(*chunk, kKey, query->root);
    ASSERT_TRUE(found.ok()) << found.status();
    for (uint32_t leaf = 0; leaf < records.size(); ++leaf) {
      ASSERT_TRUE(view.Read(records[leaf]).ok());
      const bool matches = query::Matches(*query, view);
      ASSERT_TRUE(!matches || found->possible.Contains(leaf)) << text << ' ' << leaf;
      const Bitmap& certain = found->certain ? *found->certain : found->possible;
      ASSERT_TRUE(matches || !certain.Contains(leaf)) << text << ' ' << leaf;
    }
  }
  EXPECT_EQ(FindInChunk(*chunk, kKey, query::Parse("actor:eve-4095")->root)->certain->count(), 1U);
}

// The limit counts within 2^12 records, so that it is the same whether they come alone or in 2^16.
TEST(Chunks, MergedAreTheSameBytesWhereTheLimitWasReachedToo) {
  RecordMaker maker(3);
  const auto make = [&](uint64_t index) {
    const uint64_t run = index / 4096;
    return (run == 0 || run == 15) && index % 4 == 0 ? HostileRecord(index) : maker.Make(index);
  };
  query::RecordView view;
  ChunkBuilder whole(0, kMiddleLevel, kKey);
  std::vector<std::shared_ptr<const Chunk>> parts;
  for (uint64_t first = 0; first < 65'536; first += 4096) {
    ChunkBuilder part(first, kSmallLevel, kKey);
    while (!part.full()) {
      const std::string record = make(part.next());
      ASSERT_TRUE(view.Read(record).ok());
      part.Add(view);
      whole.Add(view);
    }
    parts.push_back(OpenContent(part.Finish()));
  }
  std::string key;
  MakeKey(KeyKind::kOverfull, "", &key);
  EXPECT_GT(parts[15]->LeavesOf(key)->count(), 500U);
  const absl::StatusOr<std::string> merged = MergeChunks(parts);
  ASSERT_TRUE(merged.ok()) << merged.status();
  EXPECT_TRUE(*merged == whole.Finish());

  // It asks all the time whether it is still wanted.
  int looks = 0;
  ASSERT_TRUE(MergeChunks(parts, Hash(), [&] { return ++looks > 0; }).ok());
  EXPECT_GT(looks, 20);
  for (int last = 1; last <= looks; ++last) {
    int asked = 0;
    EXPECT_EQ(MergeChunks(parts, Hash(), [&] { return ++asked < last; }).status().code(),
              absl::StatusCode::kCancelled);
    EXPECT_EQ(asked, last);
  }
}

TEST(Chunks, MergingDistrustsThePartThatIsDamaged) {
  io::SimulatedFileSystem fs(1);
  BlockCache cache(size_t{64} << 10);
  RecordMaker maker(2);
  std::vector<std::shared_ptr<const Chunk>> parts;
  const std::string path = "/7";
  for (uint64_t i = 0; i < kMergedChunks; ++i) {
    std::string content = BuildContent(maker, i * 4096, kSmallLevel, kKey);
    if (i != 7) {
      parts.push_back(OpenContent(std::move(content)));
      continue;
    }
    ASSERT_TRUE(io::WriteFileDurably(fs, path, FileOf(content)).ok());
    const auto chunk = Chunk::Open(*ContentOfFile(fs, path, cache));
    ASSERT_TRUE(chunk.ok()) << chunk.status();
    ASSERT_GT(content.size(), kBlockBytes);
    parts.push_back(*chunk);
  }
  io::Fault fault;
  fault.operation = io::Operation::kOpen;
  fault.path_part = path;
  fs.AddFault(fault);
  EXPECT_EQ(MergeChunks(parts).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(fs.Counts().errors, 1U);
  EXPECT_FALSE(parts[7]->distrusted());
  ASSERT_TRUE(fs.FlipBit(path, (kBlockBytes + 100) * 8).ok());
  EXPECT_EQ(MergeChunks(parts).status().code(), absl::StatusCode::kDataLoss);
  for (size_t i = 0; i < parts.size(); ++i) EXPECT_EQ(parts[i]->distrusted(), i == 7) << i;
}

TEST(Chunks, SixteenMergedAreTheBytesOfOneBuiltFromTheRecords) {
  const std::vector<std::shared_ptr<const Chunk>> parts = SixteenFrom(65'536);
  RecordMaker maker(2);
  const absl::StatusOr<std::string> merged = MergeChunks(parts);
  ASSERT_TRUE(merged.ok()) << merged.status();
  const std::string built = BuildContent(maker, 65536, kMiddleLevel, kKey);
  EXPECT_TRUE(*merged == built);
  const std::shared_ptr<const Chunk> chunk = OpenContent(built);
  EXPECT_EQ(chunk->first(), 65536U);
  EXPECT_EQ(chunk->end(), 131072U);
  // What all the parts say together.
  const query::Query query = *query::Parse("w1* actor:user-2");
  uint64_t count = 0;
  for (const auto& part : parts) count += FindInChunk(*part, kKey, query.root)->possible.count();
  EXPECT_GT(count, 0U);
  EXPECT_EQ(FindInChunk(*chunk, kKey, query.root)->possible.count(), count);
}

}  // namespace
}  // namespace graven::index
