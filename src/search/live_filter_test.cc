#include "search/live_filter.h"

#include <atomic>
#include <random>
#include <thread>

#include "search/search_fixture_test.h"

namespace graven::search {
namespace {

class LiveFilterTest : public SearchTest {
 protected:
  void SetUp() override {
    SearchTest::SetUp();
    filters_ = std::make_unique<LiveFilters>(*ledger);
    filters_->CountJudged([this](uint64_t records) { judged_ += records; });
  }

  std::shared_ptr<LiveFilter> Share(std::string_view query) {
    return filters_->Share(default_log(), *query::Parse(query));
  }

  static std::vector<uint64_t> Find(LiveFilter& filter, uint64_t first, uint64_t end) {
    std::vector<uint64_t> matches;
    const auto found = filter.Find(first, end, Turn(), &matches);
    EXPECT_TRUE(found.ok() && *found == end);
    return matches;
  }

  static std::vector<uint64_t> Denied(uint64_t first, uint64_t end) {
    std::vector<uint64_t> all;
    for (uint64_t i = first; i < end; ++i) {
      if (i % 5 == 0) all.push_back(i);
    }
    return all;
  }

  std::unique_ptr<LiveFilters> filters_;
  std::atomic<uint64_t> judged_ = 0;
};

TEST_F(LiveFilterTest, EqualQueriesAreJudgedOnce) {
  const auto one = Share("outcome:denied");
  const auto other = Share("  outcome:\"denied\" ");
  EXPECT_EQ(one, other);
  EXPECT_EQ(Find(*one, 0, 1000), Denied(0, 1000));
  EXPECT_EQ(judged_, 1000U);
  EXPECT_EQ(Find(*other, 0, 1000), Denied(0, 1000));
  EXPECT_EQ(judged_, 1000U);
  // Who asks for more has only the rest judged.
  EXPECT_EQ(Find(*other, 500, 1300), Denied(500, 1300));
  EXPECT_EQ(judged_, 1300U);
  EXPECT_NE(Share("outcome:success"), one);
  EXPECT_EQ(filters_->size(), 1U);
}

TEST_F(LiveFilterTest, ATurnThatIsOverEndsAfterOneRecordAndTheNextGoesOn) {
  const auto one = Share("outcome:denied");
  StillClock still;
  const Turn over{&still, still.SteadyNs()};
  std::vector<uint64_t> matches;
  for (uint64_t first = 0; first < 300; ++first) {
    const auto found = one->Find(first, 300, over, &matches);
    ASSERT_TRUE(found.ok());
    ASSERT_EQ(*found, first + 1);
  }
  EXPECT_EQ(matches, Denied(0, 300));
  EXPECT_EQ(judged_, 300U);
  EXPECT_EQ(Find(*one, 0, 300), Denied(0, 300));
  EXPECT_EQ(judged_, 300U);
}

TEST_F(LiveFilterTest, AFilterGoesWithTheLastWhoFollows) {
  auto one = Share("outcome:denied");
  auto other = Share("outcome:denied");
  one.reset();
  EXPECT_EQ(filters_->size(), 1U);
  other.reset();
  EXPECT_EQ(filters_->size(), 0U);
}

TEST_F(LiveFilterTest, AnyPieceInAnyOrderIsWhatAScanFinds) {
  const auto filter = Share("outcome:denied");
  std::mt19937_64 numbers(17);
  for (int i = 0; i < 300; ++i) {
    uint64_t first = numbers() % kRecords;
    uint64_t end = numbers() % (kRecords + 1);
    if (first > end) std::swap(first, end);
    ASSERT_EQ(Find(*filter, first, end), Denied(first, end)) << first << " " << end;
  }
  EXPECT_LE(judged_, kRecords);
}

TEST_F(LiveFilterTest, ManyThreadsJudgeEachRecordOnce) {
  const auto filter = Share("outcome:denied");
  std::vector<std::thread> threads;
  std::atomic<int> right = 0;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      if (Find(*filter, 0, kRecords) == Denied(0, kRecords)) ++right;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 8);
  EXPECT_EQ(judged_, kRecords);
}

TEST_F(LiveFilterTest, AScanThatFollowsTakesItsWord) {
  absl::StatusOr<Search> search = Ask("outcome:denied", Order::kOldestFirst);
  ASSERT_TRUE(search.ok());
  search->source.chunks = nullptr;
  search->source.filter = Share("outcome:denied");
  for (int run = 0; run < 2; ++run) {
    Scan scan = Scan::Within(search->source, 7, kRecords);
    std::vector<uint64_t> found;
    while (!scan.done()) {
      ASSERT_TRUE(scan.Step(Turn(),
                            [&](const Hit& hit) {
                              EXPECT_EQ(hit.view.outcome, v1::OUTCOME_DENIED);
                              found.push_back(hit.index.value);
                              return found.size() % 100 == 0 ? Verdict::kStop : Verdict::kGoOn;
                            })
                      .ok());
    }
    EXPECT_EQ(found, Denied(7, kRecords));
    EXPECT_EQ(judged_, kRecords - 7);
  }
}

}  // namespace
}  // namespace graven::search
