#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/status_macros.h"
#include "engine/error_details.h"
#include "fmt/format.h"
#include "graven/v1/event.pb.h"
#include "index/chunk_builder.h"
#include "ledger/ledger_fixture_test.h"
#include "query/parser.h"
#include "search/admission.h"
#include "search/page.h"
#include "search/searches.h"
#include "search/tally.h"

namespace graven::search {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Time that stands still, or goes on by `step_ns` each time somebody looks.
class StillClock final : public Clock {
 public:
  int64_t WallNs() override { return 0; }
  int64_t SteadyNs() override { return now_ns += step_ns; }

  int64_t now_ns = 0;
  int64_t step_ns = 0;
};

// Works in turns that are over at once, or in one without end, until it is done.
absl::Status Finish(Work& work, const Turn& turn) {
  while (true) {
    ASSIGN_OR_RETURN(const bool done, work.GoOn(turn));
    if (done) return absl::OkStatus();
  }
}

// A log of 3,000 records: actor a<i % 7>, every 5th denied, every 11th with two targets, 1 ms apart
// or more.
class SearchTest : public ledger::LedgerTest {
 protected:
  static constexpr uint64_t kRecords = 3000;

  void SetUp() override {
    options.journal_file_bytes = uint64_t{8} << 20;
    Open();
    for (uint64_t first = 0; first < kRecords; first += 500) {
      std::vector<ledger::TestEvent> events;
      for (uint64_t i = first; i < first + 500; ++i) events.push_back(EventOf(i));
      clock.wall_ns += 1'000'000'000;
      const ledger::Outcome outcome = Append(default_log(), std::move(events));
      ASSERT_TRUE(outcome.status.ok()) << outcome.status;
    }
    ASSERT_TRUE(ledger->MakeDurable().ok());
    ASSERT_TRUE(ledger->Publish().ok());
    hub_ = std::make_unique<engine::PublicationHub>(*ledger, clock);
    searches_ = std::make_unique<Searches>(*ledger, *hub_, *hub_, clock);
  }

  ledger::LogRef default_log() { return ledger->FindLog("default"); }

  static ledger::TestEvent EventOf(uint64_t i) {
    v1::Event event;
    event.set_event_id("e" + std::to_string(i));
    event.mutable_actor()->set_id("a" + std::to_string(i % 7));
    event.set_action(i % 2 == 0 ? "invoice.read" : "invoice.write");
    event.mutable_occurred_at()->set_seconds(static_cast<int64_t>(i) + 1);
    event.set_outcome(i % 5 == 0 ? v1::OUTCOME_DENIED : v1::OUTCOME_SUCCESS);
    if (i % 11 == 0) {
      event.add_targets()->set_id("t1");
      event.add_targets()->set_id(i % 22 == 0 ? "t1" : "t2");
    }
    auto* label = event.add_labels();
    label->set_key("env");
    label->set_value(i % 3 == 0 ? "prod" : "test");
    return {event.event_id(), event.SerializeAsString()};
  }

  absl::StatusOr<Search> Ask(std::string_view query, Order order = Order::kNewestFirst,
                             std::string_view cursor = "", uint64_t from_ordinal = 0,
                             uint64_t tree_size = 0) {
    Question question;
    question.query = query;
    question.order = order;
    question.cursor = cursor;
    question.from_ordinal = from_ordinal;
    question.tree_size = tree_size;
    return ReadQuestion(*searches_, question);
  }

  Page PageOf(const Search& search, PageLimits limits = {}) {
    absl::StatusOr<std::unique_ptr<PageMaker>> maker = PageMaker::Begin(search, limits);
    EXPECT_TRUE(maker.ok()) << maker.status();
    if (!maker.ok()) return Page();
    const absl::Status finished = Finish(**maker, {&clock_, 0});
    EXPECT_TRUE(finished.ok()) << finished;
    return (*maker)->page();
  }

  absl::StatusOr<Facets> CountFacets(ScanSource source, const std::vector<std::string>& fields,
                                     uint64_t top, const TallyLimits& limits) {
    ASSIGN_OR_RETURN(const auto work, FacetWork::Begin(std::move(source), fields, top, limits));
    RETURN_IF_ERROR(Finish(*work, {&clock_, 0}));
    return work->facets();
  }

  absl::StatusOr<Histogram> CountHistogram(ScanSource source, const HistogramShape& shape,
                                           const TallyLimits& limits) {
    ASSIGN_OR_RETURN(const auto work, HistogramWork::Begin(std::move(source), shape, limits));
    RETURN_IF_ERROR(Finish(*work, {&clock_, 0}));
    return work->histogram();
  }

  // All matches, page by page.
  std::vector<uint64_t> All(std::string_view query, Order order, uint64_t page_records) {
    std::vector<uint64_t> indexes;
    std::string cursor;
    do {
      const absl::StatusOr<Search> search = Ask(query, order, cursor);
      EXPECT_TRUE(search.ok()) << search.status();
      if (!search.ok()) break;
      PageLimits limits;
      limits.records_max = page_records;
      const Page page = PageOf(*search, limits);
      for (const PageRecord& record : page.records) indexes.push_back(record.index.value);
      cursor = page.next_cursor;
    } while (!cursor.empty());
    return indexes;
  }

  ScanSource SourceOf(std::string_view query) {
    return searches_->SourceOf(default_log(), *query::Parse(query),
                               ledger->GetPublished(default_log())->size);
  }

  StillClock clock_;
  std::unique_ptr<engine::PublicationHub> hub_;
  std::unique_ptr<Searches> searches_;
};

TEST_F(SearchTest, PagesHoldEveryMatchOnceInBothOrders) {
  for (const uint64_t page_records : {1000U, 7U}) {
    std::vector<uint64_t> expected;
    for (uint64_t i = 0; i < kRecords; ++i) {
      if (i % 7 == 3 && i % 5 == 0) expected.push_back(i);
    }
    EXPECT_EQ(All("actor:a3 outcome:denied", Order::kOldestFirst, page_records), expected);
    std::reverse(expected.begin(), expected.end());
    EXPECT_EQ(All("actor:a3 outcome:denied", Order::kNewestFirst, page_records), expected);
  }
  EXPECT_EQ(All("", Order::kNewestFirst, 1000).size(), kRecords);
  EXPECT_TRUE(All("actor:nobody", Order::kNewestFirst, 1000).empty());
}

TEST_F(SearchTest, WhatCameLaterIsInNoPageOfATreeThatWasPinned) {
  const Search first = *Ask("");
  PageLimits limits;
  limits.records_max = 2;
  Page page = PageOf(first, limits);
  ASSERT_TRUE(Append(default_log(), {EventOf(kRecords)}).status.ok());
  ASSERT_TRUE(ledger->MakeDurable().ok());
  ASSERT_TRUE(ledger->Publish().ok());
  const absl::StatusOr<Search> second = Ask("", Order::kNewestFirst, page.next_cursor);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->start.size, TreeSize(kRecords));
  page = PageOf(*second, limits);
  ASSERT_EQ(page.records.size(), 2U);
  EXPECT_EQ(page.records[0].index.value, kRecords - 3);
  EXPECT_EQ(Ask("")->start.size, TreeSize(kRecords + 1));
}

TEST_F(SearchTest, IndexesAndTimesNarrowWhatIsRead) {
  const int64_t first_ns = clock.wall_ns - 5'000'000'000;
  const query::NsRange second_batch{first_ns + 1'000'000'000, first_ns + 2'000'000'000};
  uint64_t low = 0;
  uint64_t high = kRecords;
  ASSERT_TRUE(NarrowToTimes(*ledger, default_log(), second_batch, &low, &high).ok());
  EXPECT_EQ(low, 500U);
  EXPECT_EQ(high, 1000U);

  absl::StatusOr<Scan> scan =
      Scan::Begin(SourceOf("index:700..710 actor:a1"), Order::kOldestFirst, 0);
  ASSERT_TRUE(scan.ok());
  std::vector<uint64_t> found;
  ASSERT_TRUE(scan->Step({},
                         [&](const Hit& hit) {
                           found.push_back(hit.index.value);
                           return Verdict::kGoOn;
                         })
                  .ok());
  EXPECT_THAT(found, ElementsAre(701, 708));
  EXPECT_EQ(scan->looked_at(), 10U);
}

TEST_F(SearchTest, ARefusedHitComesAgain) {
  for (const Order order : {Order::kOldestFirst, Order::kNewestFirst}) {
    absl::StatusOr<Scan> scan =
        Scan::Begin(SourceOf("index:10..13"), order, order == Order::kOldestFirst ? 0 : kRecords);
    ASSERT_TRUE(scan.ok());
    std::vector<uint64_t> seen;
    int calls = 0;
    while (!scan->done() && calls < 20) {
      ASSERT_TRUE(scan->Step({},
                             [&](const Hit& hit) {
                               if (++calls % 2 == 1) return Verdict::kRefuse;
                               seen.push_back(hit.index.value);
                               return Verdict::kStop;
                             })
                      .ok());
    }
    std::sort(seen.begin(), seen.end());
    EXPECT_THAT(seen, ElementsAre(10, 11, 12));
    EXPECT_EQ(calls, 6);
  }
}

TEST_F(SearchTest, APageEndsAtItsBytesAndItsTime) {
  PageLimits limits;
  limits.bytes_max = 300;
  Page page = PageOf(*Ask(""), limits);
  EXPECT_GE(page.records.size(), 1U);
  EXPECT_LT(page.records.size(), 4U);
  EXPECT_FALSE(page.next_cursor.empty());

  limits = {};
  limits.records_max = kPageRecordsMax;
  limits.until_ns = 0;
  page = PageOf(*Ask("actor:a1"), limits);
  EXPECT_TRUE(page.records.empty());
  EXPECT_FALSE(page.next_cursor.empty());
  EXPECT_EQ(page.scanned_to, kRecords);
}

TEST_F(SearchTest, MatchesBehindThePageAreCountedWhenThereIsTime) {
  PageLimits limits;
  limits.records_max = 5;
  Page page = PageOf(*Ask("outcome:denied"), limits);
  EXPECT_EQ(page.count, 5U);
  EXPECT_FALSE(page.count_is_exact);
  limits.count_until_ns = 1;
  page = PageOf(*Ask("outcome:denied"), limits);
  EXPECT_EQ(page.records.size(), 5U);
  EXPECT_EQ(page.count, 600U);
  EXPECT_TRUE(page.count_is_exact);
  // Of a later page nothing exact is said.
  page = PageOf(*Ask("outcome:denied", Order::kNewestFirst, page.next_cursor), limits);
  EXPECT_FALSE(page.count_is_exact);
}

TEST_F(SearchTest, PagingByOrdinalBeginsThere) {
  const std::vector<uint64_t> all = All("actor:a2", Order::kNewestFirst, 1000);
  const Page page = PageOf(*Ask("actor:a2", Order::kNewestFirst, "", 100));
  ASSERT_EQ(page.records.size(), 100U);
  EXPECT_EQ(page.records[0].index.value, all[100]);
  EXPECT_EQ(Ask("", Order::kNewestFirst, page.next_cursor, 1).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(SearchTest, MatchesThatWereStillToBeLeftOutAreInTheCursor) {
  for (const Order order : {Order::kNewestFirst, Order::kOldestFirst}) {
    PageLimits no_time;
    no_time.until_ns = 0;
    const Page empty = PageOf(*Ask("actor:a2", order, "", 100), no_time);
    EXPECT_TRUE(empty.records.empty());
    const Page page = PageOf(*Ask("actor:a2", order, empty.next_cursor));
    ASSERT_EQ(page.records.size(), 100U);
    EXPECT_EQ(page.records[0].index.value, All("actor:a2", order, 1000)[100]);
  }
  // More than there are: the end, also behind a cursor.
  PageLimits no_time;
  no_time.until_ns = 0;
  const Page empty = PageOf(*Ask("", Order::kOldestFirst, "", UINT64_MAX), no_time);
  const Page end = PageOf(*Ask("", Order::kOldestFirst, empty.next_cursor));
  EXPECT_TRUE(end.records.empty() && end.next_cursor.empty());
}

TEST_F(SearchTest, WhatIsWrongNamesItsField) {
  const auto problem = [](const absl::Status& status) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return std::string(status.message());
  };
  EXPECT_THAT(problem(Ask("actr:x").status()), HasSubstr("query: column 1: there is no field"));
  EXPECT_THAT(problem(Ask("", Order::kNewestFirst, "nonsense").status()),
              HasSubstr("cursor: is not a cursor"));
  const std::string cursor = PageOf(*Ask("actor:a1")).next_cursor;
  EXPECT_THAT(problem(Ask("actor:a2", Order::kNewestFirst, cursor).status()),
              HasSubstr("another query"));
  EXPECT_THAT(problem(Ask("actor:a1", Order::kNewestFirst, cursor, 0, 10).status()),
              HasSubstr("tree_size: is 10; the cursor's is 3000"));
  EXPECT_EQ(Ask("", Order::kNewestFirst, "", 0, kRecords + 1).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(SearchTest, FacetsCountEachRecordOnce) {
  const absl::StatusOr<Facets> facets = CountFacets(
      SourceOf("outcome:denied"), {"outcome", "actor", "target.id", "label.env", "service"}, 2, {});
  ASSERT_TRUE(facets.ok()) << facets.status();
  EXPECT_TRUE(facets->is_exact);
  EXPECT_EQ(facets->matches, 600U);
  ASSERT_EQ(facets->facets.size(), 5U);
  EXPECT_EQ(facets->facets[0].field, "outcome");
  EXPECT_EQ(facets->facets[0].values.size(), 1U);
  EXPECT_EQ(facets->facets[0].values[0].value, "denied");
  std::map<std::string, uint64_t> actors, targets;
  uint64_t without_target = 0;
  uint64_t prod = 0;
  for (uint64_t i = 0; i < kRecords; i += 5) {
    ++actors["a" + std::to_string(i % 7)];
    if (i % 3 == 0) ++prod;
    if (i % 11 != 0) ++without_target;
    if (i % 11 == 0) ++targets["t1"];
    if (i % 11 == 0 && i % 22 != 0) ++targets["t2"];
  }
  const Facet& actor = facets->facets[1];
  EXPECT_EQ(actor.field, "actor.id");
  ASSERT_EQ(actor.values.size(), 2U);
  EXPECT_EQ(actor.values[0].count, actors[actor.values[0].value]);
  EXPECT_EQ(actor.values[0].count + actor.values[1].count + actor.others, 600U);
  const Facet& target = facets->facets[2];
  EXPECT_EQ(target.without, without_target);
  ASSERT_EQ(target.values.size(), 2U);
  EXPECT_EQ(target.values[0].count, targets["t1"]);
  EXPECT_EQ(target.values[1].count, targets["t2"]);
  EXPECT_EQ(facets->facets[3].values[1].count, prod);
  EXPECT_EQ(facets->facets[4].without, 600U);
}

TEST_F(SearchTest, NumbersThatWereNotFinishedSaySo) {
  TallyLimits limits;
  limits.until_ns = 0;
  const absl::StatusOr<Facets> facets = CountFacets(SourceOf(""), {"action"}, 10, limits);
  ASSERT_TRUE(facets.ok());
  EXPECT_FALSE(facets->is_exact);
  const absl::StatusOr<Histogram> histogram = CountHistogram(SourceOf(""), {}, limits);
  ASSERT_TRUE(histogram.ok());
  EXPECT_FALSE(histogram->is_exact);
}

TEST_F(SearchTest, FieldsWithoutValuesHaveNoFacets) {
  for (const char* field : {"time", "index", "text", "reason", "label", "nonsense"}) {
    EXPECT_EQ(CountFacets(SourceOf(""), {field}, 10, {}).status().code(),
              absl::StatusCode::kInvalidArgument)
        << field;
  }
  EXPECT_EQ(CountFacets(SourceOf(""), {}, 10, {}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CountFacets(SourceOf(""), {"action"}, 0, {}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(SearchTest, HistogramCountsEachMatchInItsStretch) {
  HistogramShape shape;
  shape.buckets = 6;
  absl::StatusOr<Histogram> histogram = CountHistogram(SourceOf("action:invoice.read"), shape, {});
  ASSERT_TRUE(histogram.ok()) << histogram.status();
  EXPECT_TRUE(histogram->is_exact);
  ASSERT_EQ(histogram->buckets.size(), 6U);
  uint64_t all = 0;
  uint64_t denied = 0;
  for (const auto& bucket : histogram->buckets) {
    for (const uint64_t count : bucket) all += count;
    denied += bucket[3];
  }
  EXPECT_EQ(all, kRecords / 2);
  EXPECT_EQ(denied, kRecords / 10);

  // The caller's own borders: the second batch and an empty second.
  shape.from_ns = clock.wall_ns - 4'000'000'000;
  shape.to_ns = shape.from_ns + 1'000'000'000;
  shape.buckets = 2;
  histogram = CountHistogram(SourceOf(""), shape, {});
  ASSERT_TRUE(histogram.ok());
  EXPECT_EQ(histogram->bucket_ns, 500'000'000);
  EXPECT_EQ(histogram->buckets[0][1] + histogram->buckets[0][3], 500U);
  EXPECT_EQ(histogram->buckets[1][1], 0U);

  std::swap(shape.from_ns, shape.to_ns);
  EXPECT_EQ(CountHistogram(SourceOf(""), shape, {}).status().code(),
            absl::StatusCode::kInvalidArgument);
  histogram = CountHistogram(SourceOf("time:2100"), {}, {});
  ASSERT_TRUE(histogram.ok());
  EXPECT_TRUE(histogram->is_exact && histogram->buckets.empty());
}

// A log of records that are as large as they can be.
class LargeRecordsTest : public SearchTest {
 protected:
  static constexpr uint64_t kLarge = 64;

  void SetUp() override {
    SearchTest::SetUp();
    for (uint64_t i = 0; i < kLarge; ++i) {
      ledger::TestEvent small = EventOf(kRecords + i);
      v1::Event event;
      ASSERT_TRUE(event.ParseFromString(small.body));
      std::string text;
      while (text.size() < 60'000) text += "b ";
      (*event.mutable_details_struct()->mutable_fields())["k"].set_string_value(text);
      ASSERT_TRUE(
          Append(default_log(), {{event.event_id(), event.SerializeAsString()}}).status.ok());
      ASSERT_TRUE(ledger->MakeDurable().ok());
    }
    ASSERT_TRUE(ledger->Publish().ok());
  }
};

TEST_F(LargeRecordsTest, ATurnEndsAfterSoManyBytesNotRecords) {
  for (const Order order : {Order::kOldestFirst, Order::kNewestFirst}) {
    const std::string query = fmt::format("index>={}", kRecords);
    const ScanSource source = SourceOf(query);
    absl::StatusOr<Scan> scan =
        Scan::Begin(source, order, order == Order::kOldestFirst ? 0 : source.size.value);
    ASSERT_TRUE(scan.ok());
    std::vector<uint64_t> seen;
    uint64_t most = 0;
    while (!scan->done()) {
      const uint64_t before = scan->looked_at();
      ASSERT_TRUE(scan->Step({&clock_, 0},
                             [&](const Hit& hit) {
                               seen.push_back(hit.index.value);
                               return Verdict::kGoOn;
                             })
                      .ok());
      most = std::max(most, scan->looked_at() - before);
    }
    // 256 KiB and the record that goes beyond; newest first, where that did not reach the first
    // one, once more with fewer.
    EXPECT_LE(most, order == Order::kOldestFirst ? 5U : 10U);
    ASSERT_EQ(seen.size(), kLarge);
    std::sort(seen.begin(), seen.end());
    EXPECT_EQ(std::unique(seen.begin(), seen.end()), seen.end());
  }
}

TEST_F(LargeRecordsTest, TermsThatWalkThroughTextsAreMoreWork) {
  absl::StatusOr<Scan> scan =
      Scan::Begin(SourceOf(fmt::format("index>={} NOT (w1 OR w2 OR w3 OR w4 OR w5)", kRecords)),
                  Order::kOldestFirst, 0);
  ASSERT_TRUE(scan.ok());
  ASSERT_TRUE(scan->Step({&clock_, 0}, [](const Hit&) { return Verdict::kGoOn; }).ok());
  EXPECT_EQ(scan->looked_at(), 1U);
}

TEST_F(LargeRecordsTest, APageEndsInTheMiddleOfAWindow) {
  for (const Order order : {Order::kOldestFirst, Order::kNewestFirst}) {
    std::string cursor;
    std::vector<uint64_t> found;
    int pages = 0;
    do {
      PageLimits limits;
      limits.records_max = 1000;
      limits.bytes_max = size_t{100} << 20;
      clock_.step_ns = 1'000'000;
      limits.until_ns = clock_.now_ns + 10'000'000;
      const Page page = PageOf(*Ask(fmt::format("index>={}", kRecords), order, cursor), limits);
      clock_.step_ns = 0;
      for (const PageRecord& record : page.records) found.push_back(record.index.value);
      cursor = page.next_cursor;
      ASSERT_LT(++pages, 1000);
    } while (!cursor.empty());
    EXPECT_GT(pages, 1);
    EXPECT_EQ(found.size(), kLarge);
    EXPECT_TRUE(order == Order::kOldestFirst ? std::is_sorted(found.begin(), found.end())
                                             : std::is_sorted(found.rbegin(), found.rend()));
  }
}

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
    auto chunk = index::Chunk::Open(index::ContentInMemory(builder.Finish()));
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
    HistogramShape shape;
    shape.buckets = 13;
    EXPECT_EQ(CountHistogram(Source(*indexed_, query), shape, {})->buckets,
              CountHistogram(Source(*searches_, query), shape, {})->buckets)
        << query;
    uint64_t count = 0;
    Scan scan = *Scan::Begin(Source(*indexed_, query), Order::kNewestFirst, kAll);
    while (!scan.done()) ASSERT_TRUE(scan.CountStep({}, &count).ok());
    EXPECT_EQ(count, without.matches) << query;
  }
}

TEST_F(SearchTest, AShortPieceOfWorkHasItsTurnWhileLongOnesGoOn) {
  // As many without end as there are threads, and more. They end when the short one has.
  std::atomic<bool> answered = false;
  std::atomic<int> ended = 0;
  std::promise<void> all_ended;
  for (int i = 0; i < 4; ++i) {
    searches_->TakeTurns([&](const Turn&) {
      if (!answered) return true;
      if (++ended == 4) all_ended.set_value();
      return false;
    });
  }
  searches_->TakeTurns([&](const Turn&) {
    answered = true;
    return false;
  });
  all_ended.get_future().wait();
  EXPECT_EQ(ended, 4);
  searches_->Stop();
}

TEST(Admission, HasPlacesForEverybodyAndForEach) {
  Admission admission({.places_max = 3, .places_per_peer_max = 2});
  absl::StatusOr<Admission::Ticket> first = admission.Admit("ann");
  absl::StatusOr<Admission::Ticket> second = admission.Admit("ann");
  ASSERT_TRUE(first.ok() && second.ok());
  absl::Status refused = admission.Admit("ann").status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(engine::ReasonOf(refused), engine::reason::kTooManySearches);
  absl::StatusOr<Admission::Ticket> third = admission.Admit("bob");
  ASSERT_TRUE(third.ok());
  EXPECT_EQ(admission.Admit("eve").status().code(), absl::StatusCode::kResourceExhausted);
  first->reset();
  EXPECT_TRUE(admission.Admit("eve").ok());
  EXPECT_EQ(admission.running(), 2U);
}

TEST(Admission, APeerIsItsIdentityOrItsAddressByWhateverDoor) {
  EXPECT_EQ(PeerName("ann", "ipv4:10.0.0.1:77"), "ann");
  for (const char* address : {"ipv4:10.0.0.1:77", "10.0.0.1:5", "[::ffff:10.0.0.1]:5",
                              "ipv6:%5B::ffff:10.0.0.1%5D:77", "ipv6:[::ffff:a00:1]:77"}) {
    EXPECT_EQ(PeerName("anonymous", address), "10.0.0.1") << address;
  }
  for (const char* address :
       {"[2001:db8::1]:77", "ipv6:%5B2001:db8::2%5D:9", "[2001:db8:0:0:ffff::]:1"}) {
    EXPECT_EQ(PeerName("", address), "2001:db8::/64") << address;
  }
  EXPECT_EQ(PeerName("", "[fe80::1%eth0]:77"), "fe80::/64");
  EXPECT_EQ(PeerName("", "ipv6:%5Bfe80::2%25eth0%5D:77"), "fe80::/64");
  EXPECT_NE(PeerName("", "[2001:db8:0:1::1]:77"), PeerName("", "[2001:db8::1]:77"));
  EXPECT_EQ(PeerName("anonymous", "unix:/run/x:y"), PeerName("", "unix"));
  EXPECT_EQ(PeerName("", "nowhere"), "nowhere");
  EXPECT_EQ(PeerName("", ""), "");
}

}  // namespace
}  // namespace graven::search
