#include "search/facet_counter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "index/chunk_builder.h"
#include "search/flaky_content_test.h"
#include "search/search_fixture_test.h"

namespace graven::search {
namespace {

// A log of which the index has three whole chunks, with some records before and behind them.
class FrequentTest : public ledger::LedgerTest {
 protected:
  static constexpr uint64_t kChunk = uint64_t{1} << index::kSmallLevel;
  static constexpr uint64_t kFirst = kChunk;
  static constexpr uint64_t kAll = 4 * kChunk + 700;

  // Which targets a record has.
  using Targets = std::function<std::vector<uint64_t>(uint64_t index)>;

  void Fill(const Targets& targets) {
    options.journal_file_bytes = uint64_t{8} << 20;
    Open();
    for (uint64_t i = 0; i < kAll;) {
      std::vector<ledger::TestEvent> events;
      for (; events.size() < 500 && i < kAll; ++i) {
        v1::Event event;
        event.set_event_id("e" + std::to_string(i));
        event.mutable_actor()->set_id("a" + std::to_string(i % 2000));
        event.set_action("read");
        event.mutable_occurred_at()->set_seconds(1);
        for (const uint64_t target : targets(i)) {
          event.add_targets()->set_id("t" + std::to_string(target));
        }
        events.push_back({event.event_id(), event.SerializeAsString()});
      }
      ASSERT_TRUE(Append(FindLog(), std::move(events)).status.ok());
    }
    ASSERT_TRUE(ledger->MakeDurable().ok());
    ASSERT_TRUE(ledger->Publish().ok());
    hub_ = std::make_unique<engine::PublicationHub>(*ledger, clock);
    plain_ = std::make_unique<Searches>(*ledger, *hub_, *hub_, clock);
    BuildChunks();
    indexed_ = std::make_unique<Searches>(*ledger, *hub_, *hub_, clock,
                                          [this](ledger::LogRef) { return chunks_; });
  }

  void BuildChunks() {
    const index::IdKey key = index::MakeIdKey(Sha256("genesis"));
    std::vector<std::shared_ptr<const index::Chunk>> chunks;
    contents_.clear();
    for (uint64_t first = kFirst; first < 4 * kChunk; first += kChunk) {
      index::ChunkBuilder builder(first, index::kSmallLevel, key);
      query::RecordView view;
      ASSERT_TRUE(ledger
                      ->ReadRecords(FindLog(), LogIndex(first), kChunk,
                                    [&](LogIndex, std::string_view record, const Hash&) {
                                      EXPECT_TRUE(view.Read(record).ok());
                                      builder.Add(view);
                                      return true;
                                    })
                      .ok());
      contents_.push_back(std::make_shared<FlakyContent>(index::ContentInMemory(builder.Finish())));
      auto chunk = index::Chunk::Open(contents_.back());
      ASSERT_TRUE(chunk.ok()) << chunk.status();
      chunks.push_back(*chunk);
    }
    chunks_ = std::make_shared<const index::ChunkSet>(key, std::move(chunks));
  }

  ledger::LogRef FindLog() { return ledger->FindLog("default"); }

  Facets FacetsBy(const Searches& searches, uint64_t top) {
    auto work = FacetWork::Begin(searches.SourceOf(FindLog(), *query::Parse(""), TreeSize(kAll)),
                                 {fields_, top}, {});
    EXPECT_TRUE(work.ok()) << work.status();
    EXPECT_TRUE(Finish(**work, {&clock_, 0}).ok());
    return (*work)->facets();
  }

  // Reads of the index that one answer takes.
  int ReadsFor(uint64_t top) {
    int reads = 0;
    for (const auto& content : contents_) reads -= content->reads;
    ExpectTheSame(top);
    for (const auto& content : contents_) reads += content->reads;
    return reads;
  }

  void ExpectTheSame(uint64_t top) {
    const Facets with = FacetsBy(*indexed_, top);
    const Facets without = FacetsBy(*plain_, top);
    EXPECT_TRUE(with.is_exact);
    EXPECT_EQ(with.matches, kAll);
    for (size_t i = 0; i < without.facets.size(); ++i) {
      const Facet& one = with.facets[i];
      const Facet& other = without.facets[i];
      EXPECT_EQ(one.without, other.without) << one.field;
      EXPECT_EQ(one.others, other.others) << one.field;
      ASSERT_EQ(one.values.size(), other.values.size()) << one.field;
      for (size_t j = 0; j < one.values.size(); ++j) {
        ASSERT_EQ(one.values[j].value, other.values[j].value) << one.field << ' ' << j;
        ASSERT_EQ(one.values[j].count, other.values[j].count) << one.values[j].value;
      }
    }
  }

  std::vector<std::string> fields_ = {"target.id", "actor.id", "action"};
  StillClock clock_;
  std::unique_ptr<engine::PublicationHub> hub_;
  std::unique_ptr<Searches> plain_;
  std::vector<std::shared_ptr<FlakyContent>> contents_;
  std::shared_ptr<const index::ChunkSet> chunks_;
  std::unique_ptr<Searches> indexed_;
};

std::vector<uint64_t> Skewed(uint64_t index) {
  std::mt19937_64 random(index);
  std::vector<uint64_t> targets(index % 9);
  for (uint64_t& target : targets) {
    target =
        static_cast<uint64_t>(9000 * std::pow(static_cast<double>(random() >> 11) * 0x1.0p-53, 3));
  }
  return targets;
}

// Each chunk has a crowd of its own that fills its list, and one value comes in all of them, in no
// list but one.
std::vector<uint64_t> NamedOnce(uint64_t index) {
  const uint64_t chunk = index / (uint64_t{1} << index::kSmallLevel);
  std::vector<uint64_t> targets;
  for (uint64_t i = 0; i < 4; ++i) {
    targets.push_back(100'000 * (chunk + 1) + (index * 4 + i) % 1500);
  }
  if (index % (chunk == 2 ? 100 : 500) == 0) targets.push_back(7);
  return targets;
}

TEST_F(FrequentTest, WhatIsMostFrequentIsThatOfTheRecords) {
  Fill(Skewed);
  ASSERT_GT(chunks_->chunks()[0]->Frequent(index::KeyKind::kTargetId)->others_at_most, 0U);
  for (const uint64_t top : {1, 2, 10, 100, 1000}) ExpectTheSame(top);
}

TEST_F(FrequentTest, FewOfTheValuesAreLookedUp) {
  Fill(Skewed);
  fields_ = {"target.id"};
  // With all values of all chunks gone through for the thousand.
  EXPECT_LT(ReadsFor(10) * 5, ReadsFor(1000));
}

TEST_F(FrequentTest, AValueThatOnlyOneListNamesIsCountedInAll) {
  Fill(NamedOnce);
  const auto frequent = [&](size_t chunk) {
    return *chunks_->chunks()[chunk]->Frequent(index::KeyKind::kTargetId);
  };
  const auto names = [](const index::FrequentValues& values) {
    return std::any_of(values.listed.begin(), values.listed.end(),
                       [](const auto& listed) { return listed.value == "t7"; });
  };
  EXPECT_FALSE(names(frequent(0)));
  EXPECT_TRUE(names(frequent(1)));
  EXPECT_FALSE(names(frequent(2)));
  for (const uint64_t top : {1, 3}) ExpectTheSame(top);
}

TEST_F(FrequentTest, ValuesThatAreAllAlikeAreCountedOneByOne) {
  Fill([](uint64_t index) { return std::vector<uint64_t>{index}; });
  for (const uint64_t top : {1, 50}) ExpectTheSame(top);
}

TEST_F(FrequentTest, AReadThatFailsWhileItIsSettledCostsNothingButTime) {
  Fill(NamedOnce);
  fields_ = {"target.id"};
  const Facets right = FacetsBy(*plain_, 1);
  const auto count = [&](int reads_until_error, absl::Status error) {
    FlakyContent& content = *contents_[0];
    content.reads_until_error = reads_until_error;
    content.error = std::move(error);
    const int before = content.errors;
    const Facets facets = FacetsBy(*indexed_, 1);
    EXPECT_TRUE(facets.is_exact);
    EXPECT_EQ(facets.matches, right.matches);
    EXPECT_EQ(facets.facets[0].values[0].count, right.facets[0].values[0].count);
    EXPECT_EQ(facets.facets[0].values[0].value, "t7");
    EXPECT_EQ(facets.facets[0].others, right.facets[0].others);
    return content.errors > before;
  };
  int nth = 0;
  int last = 0;
  while (count(nth, absl::ResourceExhaustedError("no handle is left"))) {
    last = nth;
    ++nth;
  }
  // Reads that find the matches, that count them, and that settle it.
  EXPECT_GT(last, 3);
  EXPECT_FALSE(chunks_->chunks()[0]->distrusted());
  EXPECT_TRUE(count(last, absl::DataLossError("a block contradicts its checksum")));
  EXPECT_TRUE(chunks_->chunks()[0]->distrusted());
}

}  // namespace
}  // namespace graven::search
