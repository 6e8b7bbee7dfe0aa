#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <string>
#include <vector>

#include "search/search_fixture_test.h"

namespace graven::search {
namespace {

using ::testing::HasSubstr;

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

TEST_F(SearchTest, ValuesTakeSoMuchMemoryAndNoMore) {
  ByteBudget budget(10'000);
  TallyLimits limits;
  limits.values = &budget;
  // 3,000 different values, for which there is no room.
  absl::StatusOr<Facets> facets = CountFacets(SourceOf(""), {"event_id", "actor"}, 1000, limits);
  ASSERT_TRUE(facets.ok()) << facets.status();
  EXPECT_FALSE(facets->is_exact);
  EXPECT_EQ(facets->matches, kRecords);
  EXPECT_LT(facets->facets[0].values.size(), 10'000U / 64);
  EXPECT_GT(facets->facets[0].values.size(), 50U);
  EXPECT_EQ(budget.taken(), 0U);
  EXPECT_TRUE(CountFacets(SourceOf(""), {"actor"}, 10, limits)->is_exact);
  limits.value_bytes_max = 640;
  EXPECT_FALSE(CountFacets(SourceOf(""), {"event_id"}, 10, limits)->is_exact);
}

TEST_F(SearchTest, AFieldThatIsThereTwiceIsRefused) {
  const absl::Status twice =
      CountFacets(SourceOf(""), {"actor", "action", "actor.id"}, 10, {}).status();
  EXPECT_EQ(twice.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(twice.message()), HasSubstr("actor.id is there twice"));
  EXPECT_TRUE(CountFacets(SourceOf(""), {"label.env", "label.env2"}, 10, {}).ok());
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

TEST_F(SearchTest, FacetsTellOnlyOfTheValuesThatAreAskedFor) {
  const std::vector<std::string> fields = {"event_id", "target.id", "label.env", "outcome"};
  const Facets all = *CountFacets(SourceOf("actor:a1"), fields, 1000, {});
  // The value as of all, what is left out, and the rest of the records.
  Facets some = *CountFacets(SourceOf("actor:a1"), fields, 10, {}, {"t", ""});
  EXPECT_TRUE(some.is_exact);
  EXPECT_EQ(some.matches, all.matches);
  EXPECT_TRUE(some.facets[0].values.empty());
  EXPECT_EQ(some.facets[0].without, all.matches);
  EXPECT_EQ(some.facets[1].values.size(), 2U);
  EXPECT_EQ(some.facets[1].values[0].count, all.facets[1].values[0].count);
  EXPECT_EQ(some.facets[1].without, all.facets[1].without);
  ASSERT_EQ(some.facets[2].values.size(), 1U);
  EXPECT_EQ(some.facets[2].values[0].value, "test");
  EXPECT_EQ(some.facets[2].values[0].count + some.facets[2].without, all.matches);
  EXPECT_TRUE(some.facets[3].values.empty());

  some = *CountFacets(SourceOf("actor:a1"), fields, 2, {}, {"", "E1"});
  EXPECT_EQ(some.facets[0].values.size(), 2U);
  uint64_t begin_so = 0;
  for (uint64_t i = 1; i < kRecords; i += 7) begin_so += std::to_string(i)[0] == '1' ? 1 : 0;
  EXPECT_EQ(some.facets[0].others, begin_so - 2);
  EXPECT_EQ(some.facets[0].without, all.matches - begin_so);
  // Values that are not asked for take no room.
  TallyLimits limits;
  limits.value_bytes_max = 640;
  EXPECT_TRUE(CountFacets(SourceOf(""), {"event_id"}, 10, limits, {"e299", "8"})->is_exact);
  EXPECT_FALSE(CountFacets(SourceOf(""), {"event_id"}, 10, limits)->is_exact);
}

TEST_F(SearchTest, WhatValuesMustHaveInThemIsShortAndText) {
  const auto refusal = [&](std::string prefix, std::string contains) {
    const absl::Status status =
        CountFacets(SourceOf(""), {"action"}, 10, {}, {std::move(prefix), std::move(contains)})
            .status();
    return status.ok() ? "" : std::string(status.message());
  };
  EXPECT_EQ(refusal(std::string(100, 'a'), std::string(100, 'a')), "");
  EXPECT_THAT(refusal(std::string(101, 'a'), ""), HasSubstr("prefix: has 101 bytes; at most 100"));
  EXPECT_THAT(refusal("", std::string(101, 'a')), HasSubstr("contains: has 101 bytes"));
  EXPECT_THAT(refusal("", "\xc3"), HasSubstr("contains: is not UTF-8"));
}

// The records are of six instants, a second apart: borders at them, just behind them, outside.
TEST_F(SearchTest, AHistogramHasTheBordersThatTheCallerGives) {
  constexpr int64_t kSecond = 1'000'000'000;
  const int64_t last_ns = *ReceivedAt(*ledger, default_log(), kRecords - 1);
  std::vector<int64_t> times;
  for (uint64_t i = 0; i < kRecords; ++i) times.push_back(*ReceivedAt(*ledger, default_log(), i));
  const std::vector<std::vector<int64_t>> all_borders = {
      {times[0], last_ns + 1},
      {times[0], last_ns},
      {times[0] + 1, last_ns + 1},
      {0, times[0], times[500], times[500] + 1, times[1000], times[1000] + kSecond / 2, last_ns},
      {0, 1},
      {last_ns + 1, INT64_MAX},
      {INT64_MIN, INT64_MAX},
      {INT64_MIN, times[700], times[701] + 1, INT64_MAX},
  };
  for (const char* const query : {"", "action:invoice.read", "actor:nobody", "index:400..700"}) {
    for (const std::vector<int64_t>& borders : all_borders) {
      HistogramShape shape;
      shape.borders_ns = borders;
      const absl::StatusOr<Histogram> histogram = CountHistogram(SourceOf(query), shape, {});
      ASSERT_TRUE(histogram.ok()) << histogram.status();
      EXPECT_TRUE(histogram->is_exact);
      EXPECT_EQ(histogram->borders_ns, borders);
      EXPECT_EQ(histogram->from_ns, borders.front());
      EXPECT_EQ(histogram->to_ns, borders.back());
      EXPECT_EQ(histogram->bucket_ns, 0);
      std::vector<std::array<uint64_t, kOutcomeColumns>> expected(borders.size() - 1);
      for (uint64_t i = 0; i < kRecords; ++i) {
        const std::string_view text = query;
        if (text == "actor:nobody" || (text.starts_with("action") && i % 2 == 1)) continue;
        if (text.starts_with("index") && (i < 400 || i >= 700)) continue;
        for (size_t bucket = 0; bucket + 1 < borders.size(); ++bucket) {
          if (times[i] < borders[bucket] || times[i] >= borders[bucket + 1]) continue;
          ++expected[bucket][i % 5 == 0 ? 3 : 1];
        }
      }
      EXPECT_EQ(histogram->buckets, expected) << query;
    }
  }
}

TEST_F(SearchTest, BordersThatAreFewManyOrDoNotAscendAreRefused) {
  const auto refusal = [&](std::vector<int64_t> borders) {
    HistogramShape shape;
    shape.borders_ns = std::move(borders);
    const absl::Status status = CountHistogram(SourceOf(""), shape, {}).status();
    return status.ok() ? "" : std::string(status.message());
  };
  std::vector<int64_t> many;
  for (int64_t i = 0; i < 1001; ++i) many.push_back(i);
  EXPECT_EQ(refusal(many), "");
  many.push_back(1001);
  EXPECT_THAT(refusal(many), HasSubstr("at: has 1002 times; from 2 to 1001"));
  EXPECT_THAT(refusal({}), HasSubstr("at: has 0 times"));
  EXPECT_THAT(refusal({5}), HasSubstr("at: has 1 times"));
  EXPECT_THAT(refusal({5, 6, 6}), HasSubstr("at[2]: is not behind the one before it"));
  EXPECT_THAT(refusal({5, 4}), HasSubstr("at[1]: is not behind"));
}

TEST_F(LargeRecordsTest, FacetsOfLargeValuesFitIntoAMessage) {
  std::vector<ledger::TestEvent> events;
  for (int i = 0; i < 40; ++i) {
    v1::Event event;
    ASSERT_TRUE(event.ParseFromString(EventOf(10'000 + i).body));
    event.mutable_labels(0)->set_value(std::to_string(i % 10) + std::string(60'000, 'x'));
    const ledger::Outcome outcome =
        Append(default_log(), {{event.event_id(), event.SerializeAsString()}});
    ASSERT_TRUE(outcome.status.ok()) << outcome.status;
    ASSERT_TRUE(ledger->MakeDurable().ok());
  }
  ASSERT_TRUE(ledger->Publish().ok());
  const std::vector<std::string> fields = {"label.env", "actor",  "action",  "outcome",
                                           "service",   "target", "event_id"};
  const absl::StatusOr<Facets> facets = CountFacets(SourceOf(""), fields, 1000, {});
  ASSERT_TRUE(facets.ok()) << facets.status();
  EXPECT_TRUE(facets->is_exact);
  // "prod", "test", and of the large ones those for which there is room.
  const Facet& env = facets->facets[0];
  EXPECT_EQ(env.values.size(), 4U);
  EXPECT_EQ(env.others, 8U * 4);
}

}  // namespace
}  // namespace graven::search
