#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "index/chunk_builder.h"
#include "search/flaky_content_test.h"
#include "search/search_fixture_test.h"

namespace graven::search {
namespace {

using ::testing::ElementsAre;

// A log of 10,000 records of which the index has those from 4,096 to 8,191.
class IndexedSearchTest : public SearchTest {
 protected:
  static constexpr uint64_t kAll = 10'000;

  void SetUp() override {
    SearchTest::SetUp();
    for (uint64_t first = kRecords; first < kAll; first += 500) {
      std::vector<ledger::TestEvent> events;
      for (uint64_t i = first; i < first + 500; ++i) events.push_back(EventOf(i));
      clock.wall_ns += 1'000'000'000;
      ASSERT_TRUE(Append(default_log(), std::move(events)).status.ok());
    }
    ASSERT_TRUE(ledger->Publish().ok());
    const index::IdKey key = index::MakeIdKey(Sha256("genesis"));
    index::ChunkBuilder builder(4096, index::kSmallLevel, key);
    query::RecordView view;
    ASSERT_TRUE(ledger
                    ->ReadRecords(default_log(), LogIndex(4096), 4096,
                                  [&](LogIndex, std::string_view record, const Hash&) {
                                    EXPECT_TRUE(view.Read(record).ok());
                                    builder.Add(view);
                                    return true;
                                  })
                    .ok());
    content_ = std::make_shared<FlakyContent>(index::ContentInMemory(builder.Finish()));
    auto chunk = index::Chunk::Open(content_);
    ASSERT_TRUE(chunk.ok()) << chunk.status();
    chunk_ = *chunk;
    chunks_ = std::make_shared<const index::ChunkSet>(
        key, std::vector<std::shared_ptr<const index::Chunk>>{chunk_});
    indexed_ = std::make_unique<Searches>(*ledger, *hub_, *hub_, clock,
                                          [this](ledger::LogRef) { return chunks_; });
  }

  struct Seen {
    std::vector<uint64_t> indexes;
    uint64_t looked_at = 0;
    bool operator==(const Seen& other) const { return indexes == other.indexes; }
  };
  Seen SeenBy(const Searches& searches, std::string_view query, Order order) {
    const TreeSize size = ledger->GetPublished(default_log())->size;
    absl::StatusOr<Scan> scan =
        Scan::Begin(searches.SourceOf(default_log(), *query::Parse(query), size), order,
                    order == Order::kOldestFirst ? 0 : size.value);
    EXPECT_TRUE(scan.ok()) << scan.status();
    Seen seen;
    // In turns that are over at once, with stops and refusals between them.
    const Turn turn{&clock_, 0};
    int calls = 0;
    while (!scan->done()) {
      EXPECT_TRUE(scan->Step(turn,
                             [&](const Hit& hit) {
                               if (++calls % 5 == 0) return Verdict::kRefuse;
                               seen.indexes.push_back(hit.index.value);
                               return calls % 3 == 0 ? Verdict::kStop : Verdict::kGoOn;
                             })
                      .ok());
    }
    seen.looked_at = scan->looked_at();
    return seen;
  }

  ScanSource Source(const Searches& searches, std::string_view query) {
    return searches.SourceOf(default_log(), *query::Parse(query),
                             ledger->GetPublished(default_log())->size);
  }

  std::shared_ptr<FlakyContent> content_;
  std::shared_ptr<const index::Chunk> chunk_;
  std::shared_ptr<const index::ChunkSet> chunks_;
  std::unique_ptr<Searches> indexed_;
};

const char* const kQueries[] = {"",
                                "actor:a3",
                                "actor:a3 outcome:denied",
                                "action:invoice.* NOT actor:(a1 OR a2 OR a3)",
                                "event_id:e5000",
                                "event_id:e100",
                                "actor:nobody",
                                "read",
                                "\"invoice.write\" actor:a0",
                                "target:t2",
                                "label.env:prod target.id:t1",
                                "index:4000..8300 actor:a5",
                                "index:5000..5010",
                                "NOT event_id:e5000",
                                "actor:a3 OR event_id:e5001"};

TEST_F(IndexedSearchTest, WithAnIndexTheAnswersAreTheSame) {
  for (const char* query : kQueries) {
    for (const Order order : {Order::kOldestFirst, Order::kNewestFirst}) {
      const Seen without = SeenBy(*searches_, query, order);
      EXPECT_EQ(SeenBy(*indexed_, query, order), without) << query;
    }
  }
  EXPECT_FALSE(chunk_->distrusted());
}

TEST_F(IndexedSearchTest, WhatCannotMatchIsNotRead) {
  const Seen seen = SeenBy(*indexed_, "event_id:e5000", Order::kNewestFirst);
  EXPECT_THAT(seen.indexes, ElementsAre(5000));
  EXPECT_LT(seen.looked_at, kAll - 4096 + 20);
}

TEST_F(IndexedSearchTest, NumbersAreTheSameToo) {
  for (const char* query : kQueries) {
    const std::vector<std::string> fields = {"actor.id", "outcome", "label.env", "target.id"};
    const Facets without = *CountFacets(Source(*searches_, query), fields, 100, {});
    const Facets with = *CountFacets(Source(*indexed_, query), fields, 100, {});
    EXPECT_EQ(with.matches, without.matches) << query;
    EXPECT_TRUE(with.is_exact);
    for (size_t i = 0; i < fields.size(); ++i) {
      EXPECT_EQ(with.facets[i].without, without.facets[i].without) << query << ' ' << fields[i];
      ASSERT_EQ(with.facets[i].values.size(), without.facets[i].values.size());
      for (size_t j = 0; j < with.facets[i].values.size(); ++j) {
        EXPECT_EQ(with.facets[i].values[j].value, without.facets[i].values[j].value) << query;
        EXPECT_EQ(with.facets[i].values[j].count, without.facets[i].values[j].count) << query;
      }
    }
    for (const index::ValueFilter& filter :
         {index::ValueFilter{"t", ""}, {"", "A1"}, {"a", "3"}, {"den", ""}}) {
      const Facets some = *CountFacets(Source(*indexed_, query), fields, 100, {}, filter);
      const Facets same = *CountFacets(Source(*searches_, query), fields, 100, {}, filter);
      for (size_t i = 0; i < fields.size(); ++i) {
        EXPECT_EQ(some.facets[i].without, same.facets[i].without) << query << ' ' << fields[i];
        ASSERT_EQ(some.facets[i].values.size(), same.facets[i].values.size()) << query;
        for (size_t j = 0; j < some.facets[i].values.size(); ++j) {
          EXPECT_EQ(some.facets[i].values[j].value, same.facets[i].values[j].value) << query;
          EXPECT_EQ(some.facets[i].values[j].count, same.facets[i].values[j].count) << query;
        }
      }
    }
    HistogramShape shape;
    shape.buckets = 13;
    EXPECT_EQ(CountHistogram(Source(*indexed_, query), shape, {})->buckets,
              CountHistogram(Source(*searches_, query), shape, {})->buckets)
        << query;
    shape.borders_ns.emplace();
    for (uint64_t i = 0; i < kAll; i += 601) {
      const int64_t ns = *ReceivedAt(*ledger, default_log(), i);
      if (shape.borders_ns->empty() || ns > shape.borders_ns->back()) {
        shape.borders_ns->push_back(ns);
      }
    }
    ASSERT_GT(shape.borders_ns->size(), 3U);
    EXPECT_EQ(CountHistogram(Source(*indexed_, query), shape, {})->buckets,
              CountHistogram(Source(*searches_, query), shape, {})->buckets)
        << query;
    uint64_t count = 0;
    Scan scan = *Scan::Begin(Source(*indexed_, query), Order::kNewestFirst, kAll);
    while (!scan.done()) ASSERT_TRUE(scan.CountStep({}, &count).ok());
    EXPECT_EQ(count, without.matches) << query;
  }
}

// No handle is left, the disk does not answer: the records are read, and the index is not blamed.
TEST_F(IndexedSearchTest, ReadsOfTheIndexThatFailCostNothingButTime) {
  const char* const query = "action:invoice.*";
  const std::vector<std::string> fields = {"actor.id", "target.id"};
  const Facets right = *CountFacets(Source(*searches_, query), fields, 100, {});
  const auto count = [&](int reads_until_error, absl::Status error) {
    content_->reads_until_error = reads_until_error;
    content_->error = std::move(error);
    const int before = content_->errors;
    const absl::StatusOr<Facets> facets = CountFacets(Source(*indexed_, query), fields, 100, {});
    EXPECT_TRUE(facets.ok()) << facets.status();
    EXPECT_EQ(facets->matches, right.matches);
    EXPECT_EQ(facets->facets[0].values[0].count, right.facets[0].values[0].count);
    return content_->errors > before;
  };
  int nth = 0;
  while (count(nth, absl::ResourceExhaustedError("no handle is left"))) ++nth;
  // Reads of both: what finds the matches, and what counts them.
  EXPECT_GT(nth, 4);
  EXPECT_FALSE(chunk_->distrusted());
  EXPECT_TRUE(count(nth - 1, absl::DataLossError("a block contradicts its checksum")));
  EXPECT_TRUE(chunk_->distrusted());
}

}  // namespace
}  // namespace graven::search
