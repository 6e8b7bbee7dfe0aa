#include "engine/engine.h"

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/append_intake.h"
#include "engine/engine_fixture_test.h"

// The server's loop with all its threads on a transport that is a few threads and a condition
// variable, so that the thread sanitizer sees everything and gRPC nothing.
namespace graven::engine {
namespace {

// One request of a client, and what became of it.
class Sent final : public AppendOwner {
 public:
  Sent(ledger::Ledger& ledger, const std::string& id) {
    message_ = MakeEvent(id).SerializeAsString();
    metrics::Registry registry;
    AppendMeter meter(registry, SystemClock(), 0, nullptr);
    AppendIntake intake(ledger, {}, SystemClock(), SystemRandom(), meter);
    AppendMessage message;
    message.events = {message_};
    EXPECT_TRUE(intake.Fill(message, "", message_.size(), {"test", ""}, &submission_).ok());
    submission_.request.owner = static_cast<AppendOwner*>(this);
  }

  void Done(const ledger::RequestResult& result) override {
    std::lock_guard lock(mutex_);
    ++answers_;
    status_ = result.status;
    if (result.status.ok()) index_ = result.receipts.front().index;
    answered_.notify_one();
  }
  absl::Status Wait() {
    std::unique_lock lock(mutex_);
    answered_.wait(lock, [&] { return answers_ > 0; });
    return status_;
  }
  int answers() {
    std::lock_guard lock(mutex_);
    return answers_;
  }
  absl::StatusCode code() { return Wait().code(); }
  LogIndex index() const { return index_; }
  sequencer::Request* request() { return &submission_.request; }

 private:
  std::string message_;
  Submission submission_;
  std::mutex mutex_;
  std::condition_variable answered_;
  int answers_ = 0;
  absl::Status status_;
  LogIndex index_;
};

class EngineTest : public testing::Test {
 protected:
  LedgerOnSimulatedDisk on_disk_;
  LedgerWithRoom ledger_{*on_disk_.ledger};
};

TEST_F(EngineTest, ClientsPublisherSealerAndReadersAtOnce) {
  Engine engine(ledger_, SystemClock(), {}, [](const absl::Status& status) { FAIL() << status; });
  engine.Start();
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    while (!stop) {
      if (engine.loop().Round() == 0) std::this_thread::yield();
    }
    engine.loop().Drain();
  });
  constexpr int kClients = 4, kEach = 200;
  const ledger::LogRef log = ledger_.FindLog("");
  std::vector<std::thread> clients;
  for (int c = 0; c < kClients; ++c) {
    clients.emplace_back([&, c] {
      for (int i = 0; i < kEach; ++i) {
        Sent sent(ledger_, fmt::format("{}/{}", c, i));
        ASSERT_TRUE(engine.sequencer().Submit(sent.request()).ok());
        ASSERT_TRUE(sent.Wait().ok());
        if (i % 20 != 0) continue;
        // What is durable is published soon, and then there to be read.
        EXPECT_EQ(engine.hub().WaitFor(log, SizeThrough(sent.index()), 60'000'000'000),
                  PublicationOutcome::kReached);
        bool found = false;
        EXPECT_TRUE(ledger_
                        .ReadRecords(log, sent.index(), 1,
                                     [&](LogIndex, std::string_view, const Hash&) {
                                       found = true;
                                       return true;
                                     })
                        .ok());
        EXPECT_TRUE(found);
      }
    });
  }
  for (std::thread& client : clients) client.join();
  stop = true;
  writer.join();
  engine.Stop();
  EXPECT_EQ(ledger_.DurableSize(log).value, uint64_t{kClients * kEach});
  EXPECT_EQ(ledger_.GetPublished(log)->size.value, uint64_t{kClients * kEach});
}

TEST_F(EngineTest, EveryWaiterIsAnsweredAtTheStop) {
  Engine engine(ledger_, SystemClock(), {}, nullptr);
  engine.Start();
  std::atomic<bool> stop = false;
  std::atomic<int> accepted = 0, refused = 0, answered = 0;
  std::thread writer([&] {
    while (!stop) engine.loop().Round();
    engine.loop().Drain();
  });
  std::vector<std::thread> clients;
  for (int c = 0; c < 3; ++c) {
    clients.emplace_back([&, c] {
      for (int i = 0;; ++i) {
        Sent sent(ledger_, fmt::format("{}/{}", c, i));
        const absl::Status queued = engine.sequencer().Submit(sent.request());
        if (!queued.ok()) {
          EXPECT_EQ(queued.code(), absl::StatusCode::kUnavailable);
          ++refused;
          return;
        }
        ++accepted;
        EXPECT_TRUE(sent.Wait().ok());
        ++answered;
      }
    });
  }
  while (accepted < 200) std::this_thread::yield();
  stop = true;
  writer.join();
  for (std::thread& client : clients) client.join();
  engine.Stop();
  EXPECT_EQ(refused, 3);
  EXPECT_EQ(answered, accepted);
}

TEST_F(EngineTest, FailedSyncAnswersTheWholeBatchUnavailableAndThenFailedPrecondition) {
  Engine engine(ledger_, SystemClock(), {}, nullptr);
  Sent duplicate_of_nothing(ledger_, "a"), second(ledger_, "a"), after(ledger_, "b");
  io::Fault fault;
  fault.operation = io::Operation::kSync;
  fault.path_part = "journal";
  on_disk_.disk.AddFault(fault);
  for (Sent* sent : {&duplicate_of_nothing, &second}) {
    ASSERT_TRUE(engine.sequencer().Submit(sent->request()).ok());
  }
  EXPECT_EQ(engine.loop().Round(), 2u);
  EXPECT_EQ(on_disk_.disk.Counts().errors, 1u);
  EXPECT_EQ(duplicate_of_nothing.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(second.code(), absl::StatusCode::kUnavailable);
  ASSERT_TRUE(engine.sequencer().Submit(after.request()).ok());
  engine.loop().Round();
  EXPECT_EQ(after.code(), absl::StatusCode::kFailedPrecondition);
}

// A stream's requests keep their order only if nothing behind one that was put off gets in before
// it.
TEST_F(EngineTest, WantOfRoomPutsOffEverythingBehindUntilTheQueueIsEmpty) {
  EngineOptions options;
  options.batch_bytes_max = 1;  // a batch each
  Engine engine(ledger_, SystemClock(), options, nullptr);
  Sent first(ledger_, "a"), second(ledger_, "b"), third(ledger_, "c"), again(ledger_, "b");
  for (Sent* sent : {&first, &second, &third}) {
    ASSERT_TRUE(engine.sequencer().Submit(sent->request()).ok());
  }
  EXPECT_EQ(engine.loop().Round(), 1u);
  ledger_.room_bytes = 0;
  EXPECT_EQ(engine.loop().Round(), 1u);
  EXPECT_GE(ledger_.refusals, 1u);
  ledger_.room_bytes = SIZE_MAX;  // too late for this queue
  EXPECT_EQ(engine.loop().Round(), 1u);
  EXPECT_EQ(engine.loop().Round(), 0u);
  EXPECT_TRUE(first.Wait().ok());
  EXPECT_EQ(second.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(third.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(engine.loop().put_off());
  ASSERT_TRUE(engine.sequencer().Submit(again.request()).ok());
  EXPECT_EQ(engine.loop().Round(), 1u);
  EXPECT_TRUE(again.Wait().ok());
  EXPECT_FALSE(engine.loop().put_off());
}

TEST_F(EngineTest, BatchThatDoesNotFitGoesInAsFarAsItFits) {
  Engine engine(ledger_, SystemClock(), {}, nullptr);
  Sent first(ledger_, "a"), second(ledger_, "b");
  ledger_.room_bytes = first.request()->bytes + 1;
  for (Sent* sent : {&first, &second}) {
    ASSERT_TRUE(engine.sequencer().Submit(sent->request()).ok());
  }
  EXPECT_EQ(engine.loop().Round(), 2u);
  EXPECT_TRUE(first.Wait().ok());
  EXPECT_EQ(second.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(first.answers(), 1);
  EXPECT_EQ(second.answers(), 1);
}

// Recovery may leave records that are durable and not published; nobody would wake the publisher
// for them.
TEST_F(EngineTest, StartPublishesWhatIsDurable) {
  Sent sent(ledger_, "a");
  {
    Engine before(ledger_, SystemClock(), {}, nullptr);
    ASSERT_TRUE(before.sequencer().Submit(sent.request()).ok());
    EXPECT_EQ(before.loop().Round(), 1u);
  }
  const ledger::LogRef log = ledger_.FindLog("");
  ASSERT_EQ(ledger_.GetPublished(log)->size.value, 0u);
  Engine engine(ledger_, SystemClock(), {}, nullptr);
  engine.Start();
  EXPECT_EQ(engine.hub().WaitFor(log, TreeSize(1), 60'000'000'000), PublicationOutcome::kReached);
  engine.Stop();
}

TEST_F(EngineTest, WaitersForWhatAFailedPublicationDidPublishAreCalled) {
  Engine engine(ledger_, SystemClock(), {}, nullptr);
  ledger_.publish_fails_late = true;
  engine.Start();
  const ledger::LogRef log = ledger_.FindLog("");
  Sent sent(ledger_, "a");
  ASSERT_TRUE(engine.sequencer().Submit(sent.request()).ok());
  EXPECT_EQ(engine.loop().Round(), 1u);
  EXPECT_EQ(engine.hub().WaitFor(log, TreeSize(1), 60'000'000'000), PublicationOutcome::kReached);
  EXPECT_GE(ledger_.failed_publishes, 1u);
  engine.Stop();
}

TEST_F(EngineTest, BurstIsToldOfWhenItBeginsAndWhenItIsOver) {
  std::atomic<int> begun = 0, over = 0;
  Housekeeper housekeeper(ledger_, nullptr, [&](bool passes) { ++(passes ? begun : over); });
  housekeeper.Start();
  while (begun == 0) {
    housekeeper.Notify(size_t{64} << 20, false);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  while (over == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  housekeeper.Stop();
  EXPECT_EQ(begun, over);
}

TEST_F(EngineTest, HubCallsOnceAtTheSizeTheDeadlineOrTheEnd) {
  PublicationHub hub(ledger_, SystemClock());
  const ledger::LogRef log = ledger_.FindLog("");
  std::vector<PublicationOutcome> outcomes;
  const auto note = [&](PublicationOutcome outcome) { outcomes.push_back(outcome); };
  EXPECT_EQ(hub.Await(log, TreeSize(0), PublicationHub::kNoDeadline, note), 0u);
  EXPECT_EQ(outcomes, std::vector{PublicationOutcome::kReached});
  outcomes.clear();

  hub.Await(log, TreeSize(1), PublicationHub::kNoDeadline, note);
  hub.Await(log, TreeSize(5), 1, note);  // a deadline long past
  const uint64_t cancelled = hub.Await(log, TreeSize(1), PublicationHub::kNoDeadline, note);
  EXPECT_TRUE(hub.Cancel(cancelled));
  EXPECT_FALSE(hub.Cancel(cancelled));
  EXPECT_EQ(hub.NextDeadlineNs(), 1);
  hub.Advance(log, TreeSize(1));
  EXPECT_EQ(outcomes, std::vector{PublicationOutcome::kReached});
  hub.Expire();
  hub.Await(log, TreeSize(9), PublicationHub::kNoDeadline, note);
  hub.Close();
  hub.Await(log, TreeSize(9), PublicationHub::kNoDeadline, note);
  EXPECT_EQ(outcomes, (std::vector{PublicationOutcome::kReached, PublicationOutcome::kTimedOut,
                                   PublicationOutcome::kStopping, PublicationOutcome::kStopping}));
  EXPECT_EQ(hub.waiters(), 0u);
  EXPECT_EQ(hub.WaitFor(log, TreeSize(9), 1), PublicationOutcome::kStopping);
}

TEST_F(EngineTest, HubWaitEndsAtItsTime) {
  PublicationHub hub(ledger_, SystemClock());
  EXPECT_EQ(hub.WaitFor(ledger_.FindLog(""), TreeSize(1), 1'000'000),
            PublicationOutcome::kTimedOut);
  EXPECT_EQ(hub.waiters(), 0u);
}

}  // namespace
}  // namespace graven::engine
