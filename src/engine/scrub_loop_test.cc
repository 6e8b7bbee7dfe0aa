#include "engine/scrub_loop.h"

#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/engine.h"
#include "engine/engine_fixture_test.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace graven::engine {
namespace {

using testing::HasSubstr;

TEST(ScrubRestNs, KeepsTheShareOfTheCoreAndTheRateOfTheDisk) {
  ScrubBudget budget;
  budget.cpu_percent = 5;
  budget.bytes_per_second = 1'000'000;
  EXPECT_EQ(ScrubRestNs(budget, 5'000'000, 0), 95'000'000);
  EXPECT_EQ(ScrubRestNs(budget, 1'000'000, 1'000'000), 999'000'000);
  EXPECT_EQ(ScrubRestNs(budget, 0, 0), 0);
  budget.cpu_percent = 100;
  EXPECT_EQ(ScrubRestNs(budget, 5'000'000, 0), 0);
}

TEST(ScrubLoop, FindsAFileThatWasRemovedAndStopsInTime) {
  LedgerOnSimulatedDisk on_disk;
  metrics::Registry metrics;
  std::mutex mutex;
  std::vector<scrub::Finding> found;
  ScrubBudget budget;
  budget.round_pause_ns = 3'600'000'000'000;  // an hour: the watch goes on all the same
  budget.watch_ns = 1'000'000;
  ScrubLoop loop(*on_disk.ledger, SystemClock(), budget, metrics,
                 [&](const scrub::Finding& finding) {
                   std::lock_guard lock(mutex);
                   found.push_back(finding);
                 });
  loop.Start();
  while (loop.status().rounds == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  ASSERT_TRUE(on_disk.disk.Remove("/data/keys/default").ok());
  while (loop.status().findings_count == 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  loop.Stop();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].file, "/data/keys/default");
  EXPECT_THAT(metrics.Expose("").body,
              testing::AllOf(HasSubstr("graven_scrub_findings_total{kind=\"file\"} 1\n"),
                             HasSubstr("graven_scrub_findings_total{kind=\"record\"} 0\n"),
                             HasSubstr("graven_scrub_rounds_total 1\n")));
  EXPECT_TRUE(on_disk.disk.Stat("/data/scrub").ok()) << "the place is kept";
}

}  // namespace
}  // namespace graven::engine
