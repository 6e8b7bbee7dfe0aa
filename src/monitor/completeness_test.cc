#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "io/simulated_file_system.h"
#include "monitor/log_monitor.h"
#include "monitor/planted_log_test.h"
#include "record/wire.h"

namespace graven::monitor {
namespace {

using record::ProducerRecordKind;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr int64_t kSecondNs = 1'000'000'000;

class CompletenessTest : public testing::Test {
 protected:
  CompletenessTest() {
    clock_.now_ns = 2 * kSecondNs;  // the planted log begins at second 1
    Start();
  }

  // As a process that was ended and started again.
  void Start() {
    monitor_.reset();
    memory_.reset();
    auto memory = Memory::Open(fs_, "memory", log_.key.name());
    ASSERT_TRUE(memory.ok()) << memory.status();
    memory_ = *std::move(memory);
    MonitorOptions options(log_.key.verifier());
    options.on_producer_finding = [this](const verify::ProducerFinding& finding) {
      missed_.push_back(std::string(ProducerFindingText(finding.kind)) + " " +
                        std::to_string(finding.first_sequence) + "-" +
                        std::to_string(finding.last_sequence));
    };
    monitor_ = std::make_unique<LogMonitor>(
        std::move(options), *memory_, log_, clock_,
        [this](const Finding& finding) { findings_.push_back(finding.message); });
  }

  void Append(uint64_t sequence, ProducerRecordKind kind = ProducerRecordKind::kEvent) {
    std::string producer, body;
    record::AppendBytesField(1, "till-7", &producer);
    record::AppendVarintField(2, 1, &producer);
    record::AppendVarintField(3, sequence, &producer);
    record::AppendVarintField(4, static_cast<uint64_t>(kind), &producer);
    record::AppendBytesField(15, producer, &body);
    log_.history.Add(body);
  }

  void Look() { ASSERT_EQ(monitor_->Round(), absl::OkStatus()); }

  io::SimulatedFileSystem fs_{1};
  HandClock clock_;
  PlantedLog log_{0};
  std::unique_ptr<Memory> memory_;
  std::unique_ptr<LogMonitor> monitor_;
  std::vector<std::string> missed_;
  std::vector<std::string> findings_;
};

TEST_F(CompletenessTest, GapIsToldOnceWhenNoNumberComesLateAndIsNoFindingOfTheLog) {
  Append(1);
  Append(4);
  Look();
  EXPECT_THAT(missed_, IsEmpty());  // 2 and 3 may be late
  Append(2);
  Look();
  clock_.now_ns += 601 * kSecondNs;
  Look();
  EXPECT_THAT(missed_, ElementsAre("gap 3-3"));
  Start();
  Look();
  EXPECT_THAT(missed_, ElementsAre("gap 3-3"));
  EXPECT_EQ(monitor_->producers().total(), 1u);
  EXPECT_THAT(findings_, IsEmpty());
}

TEST_F(CompletenessTest, SequencesAreFollowedOverARestart) {
  Append(1);
  Append(2);
  Look();
  Start();
  Append(3);
  Append(2);
  Look();
  EXPECT_THAT(missed_, ElementsAre("repeat 2-2"));
}

TEST_F(CompletenessTest, SilenceBeyondTheHeartbeatDeadlineIsAMissingTailOnce) {
  Append(1, ProducerRecordKind::kOpen);
  Append(2, ProducerRecordKind::kHeartbeat);
  Look();
  clock_.now_ns += 599 * kSecondNs - kSecondNs;
  Look();
  EXPECT_THAT(missed_, IsEmpty());
  clock_.now_ns += 2 * kSecondNs;
  Look();
  Look();
  EXPECT_THAT(missed_, ElementsAre("missing_tail 2-2"));
  Start();
  Look();
  EXPECT_THAT(missed_, ElementsAre("missing_tail 2-2"));
}

TEST_F(CompletenessTest, WhatTheLogHasNotShownYetIsNotMissed) {
  Append(1, ProducerRecordKind::kOpen);
  Look();
  Append(2, ProducerRecordKind::kClose);
  log_.kept_back_from = 1;  // signed, and not shown
  clock_.now_ns += 700 * kSecondNs;
  Look();
  EXPECT_THAT(missed_, IsEmpty());
  log_.kept_back_from = ~uint64_t{0};
  Look();
  EXPECT_THAT(missed_, IsEmpty());
  EXPECT_EQ(monitor_->producers().events, 2u);
}

TEST_F(CompletenessTest, RecordsThatAreNotTheSignedOnesAreNotFollowed) {
  Append(1);
  Look();
  Append(2);
  const std::string good = log_.history.records.back();
  log_.tamper = [](uint64_t index, std::string& record) {
    if (index == 1) record.back() ^= 1;
  };
  Look();
  EXPECT_EQ(findings_.size(), 1u);
  EXPECT_EQ(monitor_->producers().events, 1u);
}

TEST_F(CompletenessTest, MemoryFromBeforeSequencesWereFollowedBeginsAmidThem) {
  Append(1);
  Append(2);
  Look();
  Knowledge knowledge = memory_->knowledge();
  knowledge.producers.clear();
  ASSERT_EQ(memory_->Save(knowledge), absl::OkStatus());
  Start();
  Append(3);
  Append(5);
  Look();
  ASSERT_EQ(monitor_->SettleProducers(), absl::OkStatus());
  EXPECT_THAT(missed_, ElementsAre("gap 4-4"));
}

}  // namespace
}  // namespace graven::monitor
