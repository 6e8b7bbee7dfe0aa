#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <unordered_map>

#include "base/encoding.h"
#include "index/chunk_merger.h"
#include "index/index_fixture_test.h"
#include "index/value_counts.h"
#include "io/durable_file.h"
#include "io/simulated_file_system.h"
#include "query/text.h"

namespace graven::index {
namespace {

const IdKey kKey = MakeIdKey(Sha256("genesis"));

// The second small chunk of a log: 4,096 records.
class SmallChunk : public ::testing::Test {
 protected:
  static constexpr uint64_t kFirst = 4096;

  static void SetUpTestSuite() {
    RecordMaker maker(1);
    content_ = new std::string(BuildContent(maker, kFirst, kSmallLevel, kKey));
    records_ = new std::vector<std::string>;
    for (uint64_t i = kFirst; i < 2 * kFirst; ++i) records_->push_back(maker.Make(i));
  }
  static void TearDownTestSuite() {
    delete content_;
    delete records_;
  }

  SmallChunk() : chunk_(OpenContent(*content_)) {}

  std::vector<uint32_t> Matching(const query::Query& query) {
    std::vector<uint32_t> leaves;
    for (uint32_t leaf = 0; leaf < records_->size(); ++leaf) {
      EXPECT_TRUE(view_.Read((*records_)[leaf]).ok());
      if (query::Matches(query, view_)) leaves.push_back(leaf);
    }
    return leaves;
  }

  static std::string* content_;
  static std::vector<std::string>* records_;
  std::shared_ptr<const Chunk> chunk_;
  query::RecordView view_;
};
std::string* SmallChunk::content_ = nullptr;
std::vector<std::string>* SmallChunk::records_ = nullptr;

TEST_F(SmallChunk, MatchesLieBetweenWhatIsCertainAndWhatIsPossible) {
  QueryMaker maker(7);
  int exact = 0;
  int found_some = 0;
  for (int i = 0; i < 500; ++i) {
    const std::string text = maker.Make();
    const absl::StatusOr<query::Query> query = query::Parse(text);
    if (!query.ok()) continue;  // more terms or levels than a query may have
    const absl::StatusOr<Found> found = FindInChunk(*chunk_, kKey, query->root);
    ASSERT_TRUE(found.ok()) << found.status();
    const std::vector<uint32_t> matching = Matching(*query);
    const std::vector<uint32_t> possible = found->possible.Leaves();
    EXPECT_TRUE(std::includes(possible.begin(), possible.end(), matching.begin(), matching.end()))
        << text;
    const std::vector<uint32_t> certain = found->certain ? found->certain->Leaves() : possible;
    EXPECT_TRUE(std::includes(matching.begin(), matching.end(), certain.begin(), certain.end()))
        << text;
    exact += possible == matching ? 1 : 0;
    found_some += matching.empty() ? 0 : 1;
  }
  // An index that answers "perhaps" to everything would pass what stands above.
  EXPECT_GT(exact, 100);
  EXPECT_GT(found_some, 200);
}

TEST_F(SmallChunk, ExactFieldsNeedNoLookAtTheBytes) {
  for (const char* text :
       {"actor:user-3", "action:invoice.*", "outcome:denied", "time:>=2025-01-01",
        "service:service-1 NOT actor:user-1", "index:5000..5010"}) {
    const absl::StatusOr<Found> found = FindInChunk(*chunk_, kKey, query::Parse(text)->root);
    ASSERT_TRUE(found.ok());
    const bool has_overfull = found->certain.has_value();
    Bitmap certain = has_overfull ? *found->certain : found->possible;
    const std::vector<uint32_t> matching = Matching(*query::Parse(text));
    // But for the few records with too many terms.
    EXPECT_GE(certain.count() + 40, matching.size()) << text;
    EXPECT_GT(certain.count(), 0U) << text;
  }
}

TEST_F(SmallChunk, IdsLeadToTheirRecord) {
  const absl::StatusOr<std::vector<uint32_t>> leaves =
      chunk_->LeavesOfId(IdKind::kEvent, IdFingerprint(kKey, "e5000"));
  ASSERT_TRUE(leaves.ok());
  EXPECT_THAT(*leaves, ::testing::Contains(5000 - kFirst));
  EXPECT_LE(leaves->size(), 2U);
  std::vector<IdEntry> all;
  ASSERT_TRUE(chunk_->ReadIds(IdKind::kEvent, &all).ok());
  EXPECT_EQ(all.size(), 4096U);
  ASSERT_TRUE(chunk_->ReadIds(IdKind::kRequest, &all).ok());
  EXPECT_TRUE(all.empty());
}

TEST_F(SmallChunk, TimesComeBackThroughAPauseOfYears) {
  std::vector<int64_t> times;
  ASSERT_TRUE(chunk_->ReadTimes(&times).ok());
  ASSERT_EQ(times.size(), 4096U);
  for (uint32_t leaf = 0; leaf < 4096; ++leaf) {
    ASSERT_EQ(times[leaf], RecordMaker::ReceivedAt(kFirst + leaf));
  }
  for (const uint32_t leaf : {0U, 1U, 127U, 128U, 2000U, 2001U, 4095U}) {
    EXPECT_EQ(*chunk_->FirstSince(times[leaf]), leaf);
    EXPECT_EQ(*chunk_->FirstSince(times[leaf] + 1), leaf + 1);
  }
  EXPECT_EQ(*chunk_->FirstSince(INT64_MIN), 0U);
}

TEST_F(SmallChunk, CountsOfValuesAreThoseOfTheRecords) {
  const query::Query query = *query::Parse("label.env:* actor:user-1*");
  for (const bool everything : {true, false}) {
    Bitmap leaves = Bitmap::Range(0, 4096);
    std::string key;
    MakeKey(KeyKind::kOverfull, "", &key);
    EXPECT_FALSE(chunk_->LeavesOf(key)->empty());
    ValueCounts none;
    // Records that are not wholly in the index cannot be counted.
    EXPECT_FALSE(*CountValues(*chunk_, query::Field::kActorId, "", leaves, SIZE_MAX, &none));
    EXPECT_TRUE(none.counts.empty());
    if (!everything) leaves = FindInChunk(*chunk_, kKey, query.root)->possible;
    leaves -= *chunk_->LeavesOf(key);
    for (const query::Field field : {query::Field::kActorId, query::Field::kTargetId,
                                     query::Field::kOutcome, query::Field::kLabel}) {
      std::unordered_map<std::string, uint64_t> expected;
      uint64_t with_value = 0;
      for (const uint32_t leaf : leaves.Leaves()) {
        ASSERT_TRUE(view_.Read((*records_)[leaf]).ok());
        std::vector<std::string> values;
        if (field == query::Field::kActorId) values.emplace_back(view_.actor_id);
        if (field == query::Field::kOutcome) {
          const auto word = query::OutcomeWord(view_.outcome);
          values.emplace_back(word ? std::string(*word) : std::to_string(view_.outcome));
        }
        for (const auto& target : view_.targets) {
          if (field == query::Field::kTargetId && !target.id.empty())
            values.emplace_back(target.id);
        }
        for (const auto& label : view_.labels) {
          if (field == query::Field::kLabel && label.key == "env") values.emplace_back(label.value);
        }
        std::sort(values.begin(), values.end());
        values.erase(std::unique(values.begin(), values.end()), values.end());
        for (const std::string& value : values) ++expected[value];
        with_value += values.empty() ? 0 : 1;
      }
      ValueCounts counts;
      const absl::StatusOr<bool> counted =
          CountValues(*chunk_, field, "env", leaves, SIZE_MAX, &counts);
      ASSERT_TRUE(counted.ok() && *counted);
      EXPECT_EQ(counts.counts, expected);
      EXPECT_EQ(counts.with_value, with_value);
      EXPECT_TRUE(counts.is_whole);
      // Not all have room: those that have are right.
      ValueCounts few;
      const size_t bytes_max = counts.bytes / 2;
      ASSERT_TRUE(*CountValues(*chunk_, field, "env", leaves, bytes_max, &few));
      EXPECT_FALSE(few.is_whole);
      EXPECT_LE(few.bytes, bytes_max);
      EXPECT_LT(few.counts.size(), expected.size());
      EXPECT_EQ(few.with_value, with_value);
      for (const auto& [value, count] : few.counts) EXPECT_EQ(count, expected[value]) << value;
    }
  }
  ValueCounts cut;
  EXPECT_FALSE(
      *CountValues(*chunk_, query::Field::kLabel, "long", Bitmap::Range(0, 1), SIZE_MAX, &cut));
}

TEST_F(SmallChunk, TheSameRecordsMakeTheSameBytes) {
  RecordMaker again(1);
  const std::string content = BuildContent(again, kFirst, kSmallLevel, kKey);
  EXPECT_TRUE(content == *content_);
  // Another root is another format: a new version.
  if (query::UnicodeVersion() != "15.0.0") GTEST_SKIP() << "another version of Unicode";
  EXPECT_EQ(HexEncode(RootOfBlocks(content)),
            "36117a5597206ae08f14d7fb3ac647ae37ba6302f60cdcd8b3692cf51ae13d0b");
}

TEST_F(SmallChunk, BytesThatLieNeverDoMoreThanFail) {
  std::mt19937_64 random(3);
  QueryMaker maker(11);
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string content = *content_;
    // Most often where the structure is.
    const size_t limit = i % 3 == 0 ? kChunkHeaderBytes : content.size();
    for (int flips = 0; flips < 3; ++flips) {
      content[random() % limit] ^= static_cast<char>(1U << (random() % 8));
    }
    if (i % 10 == 0) content.resize(random() % content.size());
    const auto chunk = Chunk::Open(ContentInMemory(std::move(content)));
    if (!chunk.ok()) {
      ++refused;
      continue;
    }
    const absl::StatusOr<query::Query> query = query::Parse(maker.Make());
    if (!query.ok()) continue;
    const absl::StatusOr<Found> found = FindInChunk(**chunk, kKey, query->root);
    if (!found.ok()) {
      EXPECT_EQ(found.status().code(), absl::StatusCode::kDataLoss);
    }
  }
  EXPECT_GT(refused, 100);
}

class ChunkFile : public SmallChunk {
 protected:
  ChunkFile() : fs_(1) { EXPECT_TRUE(io::WriteFileDurably(fs_, "/chunk", FileOf(*content_)).ok()); }
  absl::StatusOr<std::shared_ptr<const Chunk>> Open() {
    absl::StatusOr<std::shared_ptr<const Content>> content = ContentOfFile(fs_, "/chunk", cache_);
    if (!content.ok()) return content.status();
    return Chunk::Open(*content);
  }

  io::SimulatedFileSystem fs_;
  BlockCache cache_{size_t{64} << 10};
};

TEST_F(ChunkFile, AnswersAsTheContentInMemoryDoes) {
  const auto chunk = Open();
  ASSERT_TRUE(chunk.ok()) << chunk.status();
  EXPECT_EQ((*chunk)->root(), RootOfBlocks(*content_));
  for (const char* text : {"actor:user-3", "w1*", "trace:trace-1400"}) {
    const query::Query query = *query::Parse(text);
    EXPECT_EQ(FindInChunk(**chunk, kKey, query.root)->possible,
              FindInChunk(*chunk_, kKey, query.root)->possible);
  }
}

TEST_F(ChunkFile, FlippedBitIsFoundWhereverItIs) {
  const std::string file = FileOf(*content_);
  std::mt19937_64 random(5);
  int at_opening = 0;
  int at_reading = 0;
  for (int i = 0; i < 200; ++i) {
    const uint64_t bit = random() % (file.size() * 8);
    ASSERT_TRUE(fs_.FlipBit("/chunk", bit).ok());
    const auto chunk = Open();
    if (!chunk.ok()) {
      EXPECT_EQ(chunk.status().code(), absl::StatusCode::kDataLoss);
      ++at_opening;
    } else {
      std::string all;
      const auto content = ContentOfFile(fs_, "/chunk", cache_);
      ASSERT_TRUE(content.ok());
      EXPECT_EQ((*content)->Read(0, (*content)->bytes(), &all).code(), absl::StatusCode::kDataLoss);
      ++at_reading;
    }
    ASSERT_TRUE(fs_.FlipBit("/chunk", bit).ok());
  }
  EXPECT_GT(at_opening, 0);
  EXPECT_GT(at_reading, 0);
}

TEST_F(ChunkFile, ADamagedOrMissingFileIsScannedInstead) {
  const auto chunk = Open();
  ASSERT_TRUE(chunk.ok());
  const ChunkSet chunks(kKey, {*chunk});
  const query::Query query = *query::Parse("actor:user-3");
  Candidates candidates = Find(chunks, query.root, chunks.From(kFirst, 3 * kFirst));
  EXPECT_EQ(candidates.chunk, *chunk);
  EXPECT_EQ(candidates.high, 2 * kFirst);
  EXPECT_FALSE(candidates.found.possible.empty());
  EXPECT_FALSE(candidates.found.certain && candidates.found.certain->empty());
  // The cache holds one block, which the read of another drives out.
  ASSERT_TRUE(fs_.Remove("/chunk").ok());
  std::string last;
  const query::Query other = *query::Parse("written_by:mtls:a OR label.env:prod OR w2");
  candidates = Find(chunks, other.root, chunks.From(kFirst, 3 * kFirst));
  EXPECT_EQ(candidates.chunk, nullptr);
  EXPECT_EQ(candidates.low, kFirst);
  EXPECT_TRUE((*chunk)->distrusted());
}

// No handle is left: that says nothing of the file.
TEST_F(ChunkFile, WhatCannotBeReadNowIsScannedAndTriedAgain) {
  const auto chunk = Open();
  ASSERT_TRUE(chunk.ok());
  const ChunkSet chunks(kKey, {*chunk});
  // The cache holds one block, so that these cannot all come out of it.
  const query::Query query = *query::Parse("written_by:mtls:a OR label.env:prod OR w2");
  io::Fault fault;
  fault.operation = io::Operation::kOpen;
  fault.path_part = "/chunk";
  fs_.AddFault(fault);
  EXPECT_EQ(Find(chunks, query.root, chunks.From(kFirst, 2 * kFirst)).chunk, nullptr);
  EXPECT_EQ(fs_.Counts().errors, 1U);
  EXPECT_FALSE((*chunk)->distrusted());
  EXPECT_EQ(Find(chunks, query.root, chunks.From(kFirst, 2 * kFirst)).chunk, *chunk);
}

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
  std::string bytes(record::EncodedSize(header), '\0');
  record::Encode(header, bytes.data());
  return bytes;
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
  RecordMaker maker(2);
  std::vector<std::shared_ptr<const Chunk>> parts;
  for (uint64_t i = 0; i < kMergedChunks; ++i) {
    parts.push_back(OpenContent(BuildContent(maker, 65536 + i * 4096, kSmallLevel, kKey)));
  }
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

TEST(Chunks, StretchesCoverARangeOnceWithItsGaps) {
  RecordMaker maker(2);
  const auto second = OpenContent(BuildContent(maker, 4096, kSmallLevel, kKey));
  const auto fourth = OpenContent(BuildContent(maker, 3 * 4096, kSmallLevel, kKey));
  const ChunkSet chunks(kKey, {second, fourth});
  std::vector<std::pair<uint64_t, bool>> forwards;
  for (uint64_t low = 100; low < 20000;) {
    const ChunkSet::Stretch stretch = chunks.From(low, 20000);
    ASSERT_EQ(stretch.low, low);
    forwards.emplace_back(low, stretch.chunk != nullptr);
    low = stretch.high;
  }
  EXPECT_THAT(forwards, ::testing::ElementsAre(std::pair(100, false), std::pair(4096, true),
                                               std::pair(8192, false), std::pair(12288, true),
                                               std::pair(16384, false)));
  std::vector<std::pair<uint64_t, bool>> backwards;
  for (uint64_t high = 16000; high > 5000;) {
    const ChunkSet::Stretch stretch = chunks.Before(high, 5000);
    ASSERT_EQ(stretch.high, high);
    backwards.emplace_back(stretch.low, stretch.chunk != nullptr);
    high = stretch.low;
  }
  EXPECT_THAT(backwards, ::testing::ElementsAre(std::pair(12288, true), std::pair(8192, false),
                                                std::pair(5000, true)));
}

TEST(ChunkNames, OnlyOfAlignedRanges) {
  EXPECT_EQ(ChunkFileName(65536, kMiddleLevel), "00000000000000065536-00000000000000131072");
  const auto place = ParseChunkFileName("00000000000001048576-00000000000002097152");
  ASSERT_TRUE(place);
  EXPECT_EQ(place->first, 1048576U);
  EXPECT_EQ(place->level, kLargeLevel);
  for (const char* name :
       {"", "00000000000000000001-00000000000000065537",
        "00000000000000000000-00000000000000004096", "99999999999999999999-99999999999999999999",
        "00000000000000065536_00000000000000131072", "0000000000000006553x-00000000000000131072"}) {
    EXPECT_FALSE(ParseChunkFileName(name)) << name;
  }
}

// The format is the specification's, not that of one version of the library.
TEST(Bitmaps, AreWrittenAsTheSpecificationSays) {
  EXPECT_EQ(HexEncode(Bitmap::Of(std::vector<uint32_t>{1, 2, 300000}).Serialize()),
            "3a300000020000000000010004000000180000001c00000001000200e093");
  const Bitmap run = Bitmap::Range(10, 5000);
  EXPECT_EQ(HexEncode(run.Serialize()), "3b3000000100007d1301000a007d13");
  EXPECT_EQ(*Bitmap::Parse(run.Serialize(), 5000), run);
  EXPECT_FALSE(Bitmap::Parse(run.Serialize(), 4999));
}

TEST(Bitmaps, BytesThatAreNoneAreRefused) {
  std::mt19937_64 random(9);
  std::vector<uint32_t> leaves;
  for (uint32_t i = 0; i < 200000; i += 1 + random() % 60) leaves.push_back(i);
  Bitmap bitmap = Bitmap::Of(leaves);
  bitmap |= Bitmap::Range(70000, 90000);
  const std::string bytes = bitmap.Serialize();
  ASSERT_EQ(*Bitmap::Parse(bytes, 200001), bitmap);
  int refused = 0;
  for (int i = 0; i < 2000; ++i) {
    std::string wrong = bytes;
    wrong[random() % (i % 2 == 0 ? 60 : wrong.size())] ^= static_cast<char>(1U << (random() % 8));
    if (i % 7 == 0) wrong.resize(random() % wrong.size());
    const auto parsed = Bitmap::Parse(wrong, 200001);
    if (!parsed) {
      ++refused;
      continue;
    }
    const std::vector<uint32_t> all = parsed->Leaves();
    EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
    EXPECT_TRUE(all.empty() || all.back() < 200001);
  }
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace graven::index
