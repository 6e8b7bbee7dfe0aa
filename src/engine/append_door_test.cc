#include "engine/append_door.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <future>
#include <memory>
#include <thread>

#include "engine/engine.h"
#include "engine/engine_fixture_test.h"

namespace graven::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// A door before a real engine; its writer makes rounds when it is woken, and only then.
class DoorTest : public ::testing::Test {
 protected:
  DoorTest() : engine_(*world_.ledger, SystemClock(), {}, [](const absl::Status&) {}) {
    engine_.Start();
    writer_ = std::thread([this] { Write(); });
  }
  ~DoorTest() override {
    door_->Stop();
    {
      std::lock_guard lock(mutex_);
      ended_ = true;
    }
    wake_.notify_all();
    writer_.join();
    engine_.loop().Drain();
    engine_.Stop();
    EXPECT_TRUE(world_.ledger->Close().ok());
  }

  void Write() {
    std::unique_lock lock(mutex_);
    while (!ended_) {
      wake_.wait(lock, [this] { return (woken_ && !held_) || ended_; });
      woken_ = false;
      lock.unlock();
      while (engine_.loop().Round() > 0) {
      }
      lock.lock();
    }
  }

  void Hold(bool held) {
    std::lock_guard lock(mutex_);
    held_ = held;
    wake_.notify_all();
  }

  static AppendOrder Order(std::vector<std::string> ids, std::string action = "a.b") {
    AppendOrder order;
    for (std::string& id : ids) {
      order.events.push_back(MakeEvent(std::move(id), action).SerializeAsString());
    }
    return order;
  }

  std::future<absl::StatusOr<AppendAnswer>> Start(AppendOrder order) {
    auto promise = std::make_shared<std::promise<absl::StatusOr<AppendAnswer>>>();
    door_->Append(std::move(order), [promise](absl::StatusOr<AppendAnswer> answer) {
      promise->set_value(std::move(answer));
    });
    return promise->get_future();
  }
  absl::StatusOr<AppendAnswer> Append(AppendOrder order) { return Start(std::move(order)).get(); }

  LedgerOnSimulatedDisk world_;
  Engine engine_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool woken_ = false, held_ = false, ended_ = false;  // guarded by mutex_
  std::thread writer_;
  std::unique_ptr<AppendDoor> door_ = std::make_unique<AppendDoor>(
      *world_.ledger, engine_.sequencer(), engine_.hub(), engine_.cosigned_hub(), engine_.meter(),
      record::RuleContext{}, SystemClock(), SystemRandom(), [this] {
        std::lock_guard lock(mutex_);
        woken_ = true;
        wake_.notify_all();
      });
};

TEST_F(DoorTest, AnswersWithTheReceiptsOfDurableRecords) {
  const auto answer = Append(Order({"e-0", "e-1"}));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->log, "default");
  ASSERT_EQ(answer->receipts.size(), 2U);
  EXPECT_EQ(answer->receipts[1].index, LogIndex(1));
  EXPECT_EQ(answer->event_ids, (std::vector<std::string>{"e-0", "e-1"}));
  EXPECT_EQ(answer->level, kLevelDurable);
  EXPECT_GE(world_.ledger->DurableSize(world_.ledger->FindLog("")).value, 2U);
}

TEST_F(DoorTest, TheSameAgainIsTheOldReceiptMarked) {
  const auto first = Append(Order({"e-0"}));
  const auto again = Append(Order({"e-0"}));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->receipts[0].duplicate);
  EXPECT_EQ(again->receipts[0].record_hash, first->receipts[0].record_hash);
  EXPECT_EQ(Append(Order({"e-0"}, "other")).status().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(DoorTest, AnEventWithoutAnIdIsToldTheOneThatItGot) {
  const auto answer = Append(Order({""}));
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->event_ids[0].size(), 36U);
}

TEST_F(DoorTest, WaitsForPublicationAndBringsTheProof) {
  AppendOrder order = Order({"e-0", "e-1"});
  order.wait_level = kLevelPublished;
  order.wait_ns = kWaitNsMax;
  const auto answer = Append(std::move(order));
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->level, kLevelPublished);
  ASSERT_EQ(answer->tlog_proofs.size(), 2U);
  EXPECT_THAT(answer->tlog_proofs[1], StartsWith("c2sp.org/tlog-proof@v1\nextra "));
  EXPECT_THAT(answer->tlog_proofs[1], HasSubstr("\nindex 1\n"));
}

TEST_F(DoorTest, RefusesWhatTheRulesRefuseAndNamesTheEvent) {
  AppendOrder order = Order({"e-0", "e-1"});
  order.events[1] = "";
  const auto answer = Append(std::move(order));
  EXPECT_EQ(answer.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(answer.status().message()), HasSubstr("events[1].actor"));
  EXPECT_EQ(Append(Order({})).status().code(), absl::StatusCode::kInvalidArgument);
  order = Order({"e-2"});
  order.log = "nope";
  EXPECT_EQ(Append(std::move(order)).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(world_.ledger->DurableSize(world_.ledger->FindLog("")).value, 0U);
}

TEST_F(DoorTest, APreconditionThatDoesNotHoldIsAborted) {
  AppendOrder order = Order({"e-0"});
  order.expected_last_hash = Hash{};
  EXPECT_EQ(Append(std::move(order)).status().code(), absl::StatusCode::kAborted);
}

TEST_F(DoorTest, AStopAnswersWhoWaitsAndRefusesTheNext) {
  Hold(true);
  auto waiting = Start(Order({"e-0"}));
  auto stop = std::async(std::launch::async, [this] { door_->Stop(); });
  Hold(false);
  EXPECT_TRUE(waiting.get().ok());
  stop.get();
  EXPECT_EQ(Append(Order({"e-1"})).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(DoorTest, AFullQueueRefusesWithATimeToWait) {
  sequencer::LocalSequencer small(1);
  AppendDoor door(*world_.ledger, small, engine_.hub(), engine_.cosigned_hub(), engine_.meter(), {},
                  SystemClock(), SystemRandom(), [] {});
  // The first always fits; nobody takes it before the second has come.
  std::promise<absl::StatusOr<AppendAnswer>> first, second;
  door.Append(Order({"e-0"}), [&](auto answer) { first.set_value(std::move(answer)); });
  door.Append(Order({"e-1"}), [&](auto answer) { second.set_value(std::move(answer)); });
  const absl::Status refused = second.get_future().get().status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(refused.GetPayload("type.googleapis.com/google.rpc.RetryInfo").has_value());
  AppendLoop loop(*world_.ledger, small, engine_.meter(), 1 << 20, [](const RoundOutcome&) {});
  // The engine's own writer is not woken meanwhile.
  EXPECT_EQ(loop.Round(), 1U);
  EXPECT_TRUE(first.get_future().get().ok());
}

}  // namespace
}  // namespace graven::engine
