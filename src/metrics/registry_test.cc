#include "metrics/registry.h"

#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace graven::metrics {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string Text(Registry& registry) { return registry.Expose("").body; }

TEST(Registry, CountersAndGaugesAreShownWithTheirLabels) {
  Registry registry;
  registry.MakeCounter(kAppendRequests, {"refused", "QUEUE_FULL"}).Add();
  registry.MakeCounter(kAppendRequests, {"refused", "QUEUE_FULL"}).Add(2);
  registry.MakeGauge(kLogs).Set(7);
  const std::string text = Text(registry);
  EXPECT_THAT(
      text, HasSubstr("graven_append_requests_total{reason=\"QUEUE_FULL\",result=\"refused\"} 3"));
  EXPECT_THAT(text, HasSubstr("\ngraven_logs 7\n"));
}

TEST(Registry, CountKeptElsewhereNeverFalls) {
  Registry registry;
  Counter counter = registry.MakeCounter(kCheckpointsSigned);
  counter.RaiseTo(9);
  counter.RaiseTo(4);
  EXPECT_THAT(Text(registry), HasSubstr("graven_checkpoints_signed_total 9\n"));
}

TEST(Registry, EveryInstrumentIsNamedBeforeItHasASeries) {
  Registry registry;
  const std::string text = Text(registry);
  for (const Instrument* row : AllInstruments()) {
    EXPECT_THAT(text, HasSubstr("# TYPE " + std::string(row->name) + " "));
  }
}

TEST(Registry, SamplesFallIntoTheBucketThatTheyDoNotExceed) {
  Registry registry;
  Histogram histogram = registry.MakeHistogram(kBatchEvents);
  Tally tally;
  for (const int64_t value : {-5, 0, 1, 2, 3, 4, 5}) tally.Add(value);
  tally.Add(65'536);
  tally.Add(65'537);
  EXPECT_FALSE(tally.empty());
  histogram.Merge(&tally);
  EXPECT_TRUE(tally.empty());
  histogram.Merge(&tally);  // nothing
  const std::string text = Text(registry);
  EXPECT_THAT(text, HasSubstr("graven_batch_events_bucket{le=\"1\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("graven_batch_events_bucket{le=\"2\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("graven_batch_events_bucket{le=\"4\"} 6\n"));
  EXPECT_THAT(text, HasSubstr("graven_batch_events_bucket{le=\"8\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("graven_batch_events_bucket{le=\"65536\"} 8\n"));
  EXPECT_THAT(text, HasSubstr("graven_batch_events_bucket{le=\"+Inf\"} 9\n"));
  EXPECT_THAT(text, HasSubstr("graven_batch_events_sum 131088\n"));
}

TEST(Registry, NanosecondsAreShownAsSeconds) {
  Registry registry;
  Tally tally;
  tally.Add(40'000);  // above 2^15 ns
  Histogram histogram = registry.MakeHistogram(kSync);
  histogram.Merge(&tally);
  histogram.Observe(40'000);
  const std::string text = Text(registry);
  EXPECT_THAT(text, HasSubstr("graven_sync_seconds_bucket{le=\"3.2768e-05\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("graven_sync_seconds_bucket{le=\"6.5536e-05\"} 2\n"));
}

TEST(Registry, ChosenNamesCannotFillTheMemory) {
  Registry registry;
  for (size_t i = 0; i < kSeriesMax + 5; ++i) {
    registry.MakeGauge(kLogDurableRecords, {"log-" + std::to_string(i)}).Set(1);
  }
  const std::string text = Text(registry);
  EXPECT_THAT(text, HasSubstr("\"log-1999\""));
  EXPECT_THAT(text, Not(HasSubstr("\"log-2000\"")));
  EXPECT_THAT(text, HasSubstr("graven_metric_series_dropped 5\n"));
}

TEST(Registry, RefreshersRunBeforeEachExpositionUntilTheyAreStopped) {
  Registry registry;
  int calls = 0;
  const uint64_t ticket =
      registry.Refresh([&] { registry.MakeGauge(kTailers).Set(static_cast<double>(++calls)); });
  EXPECT_THAT(Text(registry), HasSubstr("graven_tailers 1\n"));
  EXPECT_THAT(Text(registry), HasSubstr("graven_tailers 2\n"));
  registry.StopRefreshing(ticket);
  EXPECT_THAT(Text(registry), HasSubstr("graven_tailers 2\n"));
  EXPECT_EQ(calls, 2);
}

TEST(Registry, ThreadsMayCountAndExposeAtOnce) {
  Registry registry;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 500; ++j) {
        registry.MakeCounter(kAppendRequests, {"refused", "r" + std::to_string(j % 7)}).Add();
        if (j % 100 == 0) (void)registry.Expose("application/openmetrics-text");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(Text(registry), HasSubstr("reason=\"r6\",result=\"refused\"} 284\n"));
}

}  // namespace
}  // namespace graven::metrics
