// One chunk, in memory and as a file, and several side by side: what a query finds in them.
#include "index/chunk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <unordered_map>

#include "base/encoding.h"
#include "index/index_fixture_test.h"
#include "index/value_counts.h"
#include "io/durable_file.h"
#include "io/simulated_file_system.h"
#include "query/text.h"

namespace graven::index {
namespace {

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
    EXPECT_FALSE(*CountValues(*chunk_, query::Field::kActorId, "", leaves, {}, SIZE_MAX, &none));
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
          CountValues(*chunk_, field, "env", leaves, {}, SIZE_MAX, &counts);
      ASSERT_TRUE(counted.ok() && *counted);
      EXPECT_EQ(counts.counts, expected);
      EXPECT_EQ(counts.with_value, with_value);
      EXPECT_TRUE(counts.is_whole);
      // Not all have room: those that have are right.
      ValueCounts few;
      const size_t bytes_max = counts.bytes / 2;
      ASSERT_TRUE(*CountValues(*chunk_, field, "env", leaves, {}, bytes_max, &few));
      EXPECT_FALSE(few.is_whole);
      EXPECT_LE(few.bytes, bytes_max);
      EXPECT_LT(few.counts.size(), expected.size());
      EXPECT_EQ(few.with_value, with_value);
      for (const auto& [value, count] : few.counts) EXPECT_EQ(count, expected[value]) << value;
    }
  }
  ValueCounts cut;
  EXPECT_FALSE(
      *CountValues(*chunk_, query::Field::kLabel, "long", Bitmap::Range(0, 1), {}, SIZE_MAX, &cut));
}

TEST_F(SmallChunk, CountsOfValuesThatAreAskedForAreThoseAmongAll) {
  std::string key;
  MakeKey(KeyKind::kOverfull, "", &key);
  const query::Query query = *query::Parse("label.env:* actor:user-1*");
  size_t told = 0;
  for (const bool everything : {true, false}) {
    Bitmap leaves =
        everything ? Bitmap::Range(0, 4096) : FindInChunk(*chunk_, kKey, query.root)->possible;
    leaves -= *chunk_->LeavesOf(key);
    for (const query::Field field : {query::Field::kActorId, query::Field::kAction,
                                     query::Field::kTargetId, query::Field::kLabel}) {
      ValueCounts all;
      ASSERT_TRUE(*CountValues(*chunk_, field, "env", leaves, {}, SIZE_MAX, &all));
      for (const ValueFilter& filter : {ValueFilter{"user-1", ""},
                                        {"", "-1"},
                                        {"user", "R-2"},
                                        {"t", "T"},
                                        {"i", ""},
                                        {"", "PRO"},
                                        {"zzz", ""},
                                        {"", "zzz"},
                                        {std::string(90, 'u'), ""},
                                        {"\xff", ""}}) {
        std::unordered_map<std::string, uint64_t> expected;
        for (const auto& [value, count] : all.counts) {
          if (filter.Passes(value)) expected[value] = count;
        }
        ValueCounts counts;
        ASSERT_TRUE(*CountValues(*chunk_, field, "env", leaves, filter, SIZE_MAX, &counts));
        EXPECT_EQ(counts.counts, expected) << filter.prefix << " " << filter.contains;
        EXPECT_LE(counts.with_value, all.with_value);
        told += expected.size();
      }
    }
  }
  EXPECT_GT(told, 50U);
  // A value that was cut stands for several, unless it does not begin so.
  ValueCounts cut;
  const Bitmap first = Bitmap::Range(0, 1);
  EXPECT_FALSE(
      *CountValues(*chunk_, query::Field::kLabel, "long", first, {"", "q"}, SIZE_MAX, &cut));
  EXPECT_TRUE(
      *CountValues(*chunk_, query::Field::kLabel, "long", first, {"\x01", ""}, SIZE_MAX, &cut));
  EXPECT_FALSE(*CountValues(*chunk_, query::Field::kLabel, "long", first,
                            {std::string(kValueBytesMax, 'x'), ""}, SIZE_MAX, &cut));
}

TEST(ValueFilterTest, PrefixesAreBytesAndWhatIsContainedHasNoCase) {
  EXPECT_TRUE((ValueFilter{}.Passes("")));
  EXPECT_TRUE((ValueFilter{"Ann", ""}.Passes("Anna")));
  EXPECT_FALSE((ValueFilter{"ann", ""}.Passes("Anna")));
  EXPECT_FALSE((ValueFilter{"Anna", ""}.Passes("Ann")));
  EXPECT_TRUE((ValueFilter{"", "NN"}.Passes("Anna")));
  EXPECT_TRUE((ValueFilter{"", "nn"}.Passes("ANNA")));
  EXPECT_FALSE((ValueFilter{"", "anna"}.Passes("ann")));
  EXPECT_FALSE((ValueFilter{"", "a"}.Passes("")));
  // Of ASCII only: the rest are bytes.
  EXPECT_TRUE((ValueFilter{"", "ü"}.Passes("Müller")));
  EXPECT_FALSE((ValueFilter{"", "Ü"}.Passes("Müller")));
  EXPECT_TRUE((ValueFilter{"A", "b"}.Passes("AB")));
  EXPECT_FALSE((ValueFilter{"B", "b"}.Passes("AB")));
}

TEST_F(SmallChunk, TheSameRecordsMakeTheSameBytes) {
  RecordMaker again(1);
  const std::string content = BuildContent(again, kFirst, kSmallLevel, kKey);
  EXPECT_TRUE(content == *content_);
  // Another root is another format: a new version.
  if (query::UnicodeVersion() != "15.0.0") GTEST_SKIP() << "another version of Unicode";
  EXPECT_EQ(HexEncode(RootOfBlocks(content)),
            "afc09654c5f006672a33ea9e95907a668dc2b90fe2b4cb0b90dfdd71980b5a31");
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

TEST(ChunkSet, StretchesCoverARangeOnceWithItsGaps) {
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

}  // namespace
}  // namespace graven::index
