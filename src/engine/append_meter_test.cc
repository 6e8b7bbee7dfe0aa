#include "engine/append_meter.h"

#include <string>
#include <vector>

#include "base/hand_clock_test.h"
#include "engine/engine.h"
#include "engine/engine_fixture_test.h"
#include "engine/error_details.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace graven::engine {
namespace {

using testing::HasSubstr;

class AppendMeterTest : public testing::Test {
 protected:
  AppendMeter Meter(int64_t slow_ns) {
    return AppendMeter(registry_, clock_, slow_ns,
                       [this](const SlowAppend& slow) { told_.push_back(slow); });
  }

  // One batch of one request that was accepted `waited_ns` before it is taken.
  void Batch(AppendMeter& meter, int64_t waited_ns, int64_t sync_ns, uint32_t duplicates = 0) {
    const std::vector<sequencer::NewEvent> events(3);
    std::vector<ledger::EventReceipt> receipts(3);
    receipts[2].index = LogIndex(41);
    sequencer::Request request;
    request.log_number = 7;
    request.events = events;
    request.proposed_at_ns = clock_.now_ns;
    clock_.now_ns += waited_ns;
    meter.Taken();
    clock_.now_ns += 1'000'000;
    meter.Applied(1);
    meter.SyncBegins();
    clock_.now_ns += sync_ns;
    meter.SyncEnded();
    ledger::RequestResult result;
    result.receipts = receipts;
    result.duplicate_count = duplicates;
    meter.Answered(0, request, result);
    meter.BatchEnds(3, 300);
  }
  std::string Text() { return registry_.Expose("").body; }

  HandClock clock_;
  metrics::Registry registry_;
  std::vector<SlowAppend> told_;
};

TEST_F(AppendMeterTest, BatchIsCountedWithItsTimes) {
  AppendMeter meter = Meter(0);
  Batch(meter, 2'000'000, 5'000'000, 1);
  const std::string text = Text();
  EXPECT_THAT(text, HasSubstr("graven_append_requests_total{reason=\"\",result=\"ok\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("graven_append_events_total{result=\"appended\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("graven_append_events_total{result=\"duplicate\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("graven_sync_seconds_sum 0.005\n"));
  EXPECT_THAT(text, HasSubstr("graven_accepted_to_durable_seconds_sum 0.008\n"));
  EXPECT_THAT(text, HasSubstr("graven_batch_events_sum 3\n"));
  EXPECT_THAT(text, HasSubstr("graven_batch_bytes_sum 300\n"));
  EXPECT_TRUE(told_.empty());
}

TEST_F(AppendMeterTest, RefusalIsCountedByItsReason) {
  AppendMeter meter = Meter(0);
  meter.CountRefused(WithReason(absl::ResourceExhaustedError("x"), reason::kQueueFull));
  meter.CountRefused(absl::AbortedError("x"));
  EXPECT_THAT(Text(), HasSubstr("{reason=\"QUEUE_FULL\",result=\"refused\"} 1\n"));
  EXPECT_THAT(Text(), HasSubstr("{reason=\"PRECONDITION_FAILED\",result=\"refused\"} 1\n"));
}

TEST_F(AppendMeterTest, SlowAppendSaysItsStagesAndQuickOneIsNotTold) {
  AppendMeter meter = Meter(100'000'000);
  Batch(meter, 1'000'000, 1'000'000);
  EXPECT_TRUE(told_.empty());
  Batch(meter, 20'000'000, 90'000'000);
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_EQ(told_[0].log_number, 7u);
  EXPECT_EQ(told_[0].size, TreeSize(42));
  EXPECT_EQ(SlowAppendText("pay", told_[0], told_[0].durable_ns + 7'000'000),
            "slow append: log pay, 3 events, durable after 111 ms: accepted to sequenced 20 ms, to "
            "applied 1 ms, to durable 90 ms; then published 7 ms");
  EXPECT_THAT(SlowAppendText("pay", told_[0], 0), HasSubstr("published not in a minute"));
  EXPECT_THAT(Text(), HasSubstr("graven_slow_appends_total 1\n"));
}

TEST_F(AppendMeterTest, StormOfSlowAppendsIsCountedButNotAllTold) {
  AppendMeter meter = Meter(1);
  for (int i = 0; i < 100; ++i) Batch(meter, 1000, 1000);  // within 200 ms or so
  EXPECT_THAT(Text(), HasSubstr("graven_slow_appends_total 100\n"));
  EXPECT_LE(told_.size(), 2u * AppendMeter::kSlowToldPerSecond);
  EXPECT_GE(told_.size(), size_t{AppendMeter::kSlowToldPerSecond});
}

}  // namespace
}  // namespace graven::engine
