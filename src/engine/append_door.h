#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/append_intake.h"
#include "engine/append_message.h"
#include "engine/append_meter.h"
#include "engine/authenticator.h"
#include "engine/publication_hub.h"
#include "engine/worker_pool.h"
#include "ledger/ledger.h"
#include "sequencer/sequencer.h"

namespace graven::engine {

// What a caller wants appended: all of it or nothing.
struct AppendOrder {
  std::string log;                  // "default" when empty
  std::vector<std::string> events;  // the bytes of each, 1 to kEventsPerRequestMax
  std::optional<Hash> expected_last_hash;
  // kLevelDurable, kLevelPublished or kLevelCosigned.
  uint64_t wait_level = kLevelDurable;
  int64_t wait_ns = kWaitNsDefault;
  std::string written_by = std::string(kAnonymous);
  std::string traceparent;  // "" or one that record::IsTraceparent accepts
};

struct AppendAnswer {
  std::string log;
  std::vector<ledger::EventReceipt> receipts;  // one for each event
  std::vector<std::string> event_ids;          // the same
  std::vector<std::string> tlog_proofs;  // of the first ones, when more than durable was waited for
  // Reached within the time, at most what was waited for.
  uint64_t level = kLevelDurable;
};

// The way in for a door that is not on the writer's thread: it takes the order through the same
// rules and the same sequencer as every other, wakes the writer, and answers on a thread of its
// own.
//
// Invariant: every order is answered exactly once, as long as the writer makes rounds until Stop
// has returned.
class AppendDoor {
 public:
  using Done = std::function<void(absl::StatusOr<AppendAnswer>)>;

  // `wake_writer` is called on any thread after something was submitted: the writer must make a
  // round then. All must outlive the door.
  AppendDoor(ledger::Ledger& ledger, sequencer::Sequencer& sequencer, PublicationHub& hub,
             PublicationHub& cosigned_hub, AppendMeter& meter, const record::RuleContext& rules,
             Clock& clock, Random& random, std::function<void()> wake_writer);
  ~AppendDoor();
  AppendDoor(const AppendDoor&) = delete;
  AppendDoor& operator=(const AppendDoor&) = delete;

  // Any thread. On OK the events are durable; `done` is told so on a thread of the door, or of a
  // refusal at once on this one. kInvalidArgument, kNotFound, kResourceExhausted (with a time to
  // wait), kAlreadyExists, kAborted, kFailedPrecondition, kUnavailable: as AppendLoop and
  // ExplainAppendError have them; nothing is stored but where the outcome is said to be unknown.
  void Append(AppendOrder order, Done done);

  // Refuses new orders, and returns when all others are answered.
  void Stop();

 private:
  class Call;

  bool Enter();
  void Leave();
  absl::Status Submit(Call* call);

  ledger::Ledger& ledger_;
  sequencer::Sequencer& sequencer_;
  PublicationHub& hub_;
  PublicationHub& cosigned_hub_;
  AppendMeter& meter_;
  Clock& clock_;
  const std::function<void()> wake_writer_;

  std::mutex intake_mutex_;
  AppendIntake intake_;  // guarded by intake_mutex_

  std::mutex mutex_;
  std::condition_variable left_;
  size_t in_flight_ = 0;   // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
  WorkerPool workers_{2};
};

}  // namespace graven::engine
