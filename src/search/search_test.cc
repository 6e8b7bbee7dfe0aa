#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include "engine/error_details.h"
#include "fmt/format.h"
#include "search/search_fixture_test.h"

namespace graven::search {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

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

TEST_F(SearchTest, WhatIsDurableIsWaitedForWithoutAThread) {
  ASSERT_TRUE(Append(default_log(), {EventOf(kRecords)}).status.ok());
  ASSERT_TRUE(ledger->MakeDurable().ok());
  int published = 0;
  AwaitTree(*searches_, Question(), [&] { ++published; });
  int given_up = 0;
  Question named;
  named.tree_size = kRecords + 1;
  EXPECT_EQ(TreeOf(*searches_, named), TreeSize(kRecords + 1));
  AwaitTree(*searches_, named, [&] { ++given_up; });
  EXPECT_EQ(published + given_up, 0);
  // What goes on behind a cursor has its tree.
  Question behind;
  behind.cursor = "x";
  AwaitTree(*searches_, behind, [&] { published += 100; });
  EXPECT_EQ(std::exchange(published, 0), 100);

  // After its time it is answered without, or not at all.
  clock.steady_ns += kTreeWaitNs;
  hub_->Expire();
  EXPECT_EQ(given_up, 1);
  EXPECT_EQ(published, 1);
  const absl::Status not_yet = Ask("", Order::kNewestFirst, "", 0, kRecords + 1).status();
  EXPECT_EQ(not_yet.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(engine::ReasonOf(not_yet), engine::reason::kNotPublishedYet);
  EXPECT_EQ(Ask("")->start.size, TreeSize(kRecords));

  AwaitTree(*searches_, named, [&] { ++published; });
  EXPECT_EQ(published, 1);
  ASSERT_TRUE(ledger->Publish().ok());
  hub_->Advance(default_log(), TreeSize(kRecords + 1));
  EXPECT_EQ(published, 2);
  EXPECT_EQ(TreeOf(*searches_, named), TreeSize(0));
  EXPECT_EQ(Ask("", Order::kNewestFirst, "", 0, kRecords + 1)->start.size, TreeSize(kRecords + 1));
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

}  // namespace
}  // namespace graven::search
