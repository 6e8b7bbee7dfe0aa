#include "upkeep/producer_follower.h"

#include <string>

#include "ledger/ledger_fixture_test.h"

namespace graven::upkeep {
namespace {

using ledger::TestEvent;
using record::ProducerRecordKind;
using testing::HasSubstr;

class ProducerFollowerTest : public ledger::LedgerTest {
 protected:
  ProducerFollowerTest() { Open(); }

  void Begin() {
    follower_ = std::make_unique<ProducerFollower>(
        *ledger, [this] { return numbered_; }, clock, metrics_, log_);
  }
  void Write(uint64_t sequence, ProducerRecordKind kind = ProducerRecordKind::kEvent) {
    TestEvent event = ledger::Event("e-" + std::to_string(written_++));
    std::string producer;
    record::AppendBytesField(1, "till-7", &producer);
    record::AppendVarintField(2, 1, &producer);
    record::AppendVarintField(3, sequence, &producer);
    record::AppendVarintField(4, static_cast<uint64_t>(kind), &producer);
    record::AppendBytesField(15, producer, &event.body);
    ASSERT_TRUE(Append({event}).status.ok());
    Publish();
    ++numbered_;
  }
  void ExpectCount(const std::string& kind, int count) {
    EXPECT_THAT(metrics_.Expose("").body, HasSubstr("graven_producer_findings_total{kind=\"" +
                                                    kind + "\"} " + std::to_string(count) + "\n"));
  }

  metrics::Registry metrics_;
  OperationalLog log_{"error", "text"};
  uint64_t numbered_ = 0;
  uint64_t written_ = 0;
  std::unique_ptr<ProducerFollower> follower_;
};

TEST_F(ProducerFollowerTest, GapIsCountedOnceNobodyIsLateAnyMore) {
  Begin();
  ExpectCount("gap", 0);
  Write(1);
  Write(4);
  follower_->Look();
  ExpectCount("gap", 0);
  Write(2);
  clock.wall_ns += 601 * kSecondNs;
  follower_->Look();
  ExpectCount("gap", 1);
  follower_->Look();
  ExpectCount("gap", 1);
  ExpectCount("repeat", 0);
}

TEST_F(ProducerFollowerTest, SilenceIsAMissingTail) {
  Begin();
  Write(1, ProducerRecordKind::kOpen);
  follower_->Look();
  clock.wall_ns += 599 * kSecondNs;
  follower_->Look();
  ExpectCount("missing_tail", 0);
  clock.wall_ns += 2 * kSecondNs;
  follower_->Look();
  ExpectCount("missing_tail", 1);
}

TEST_F(ProducerFollowerTest, WhatWasThereBeforeIsNotJudged) {
  Write(1);
  Write(9);
  Begin();
  Write(10);
  clock.wall_ns += 700 * kSecondNs;
  follower_->Look();
  ExpectCount("gap", 0);
}

TEST_F(ProducerFollowerTest, NothingIsReadWhereNobodyNumbersEvents) {
  Begin();
  Write(1);
  Write(1);
  numbered_ = 0;  // as if they carried none
  follower_->Look();
  ExpectCount("repeat", 0);
}

TEST_F(ProducerFollowerTest, LogThatIsMadeLaterIsFollowedToo) {
  Begin();
  const auto later = ledger->CreateLog("later", "", 0);
  ASSERT_TRUE(later.ok()) << later.status();
  Write(1);
  Write(1);
  follower_->Look();
  ExpectCount("repeat", 1);
}

}  // namespace
}  // namespace graven::upkeep
