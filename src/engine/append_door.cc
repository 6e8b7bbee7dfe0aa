#include "engine/append_door.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "base/status_macros.h"
#include "engine/append_loop.h"
#include "engine/error_details.h"

namespace graven::engine {
namespace {

// Publication takes some milliseconds; where it does not come, those who wait are told at the stop.
constexpr std::chrono::seconds kStopPatience{2};
// Proofs are added until they fill so much; the others can be asked for.
constexpr size_t kProofBytesMax = kReplyBytesMax / 2;

}  // namespace

// One order on its way, from Append to its answer; deletes itself.
class AppendDoor::Call final : public AppendOwner {
 public:
  Call(AppendDoor& door, AppendOrder order, AppendDoor::Done done)
      : door_(door), order_(std::move(order)), done_(std::move(done)) {}

  // With the door's intake. `bytes`: what the order counts against the queue.
  absl::Status Prepare(AppendIntake& intake) {
    AppendMessage message;
    message.whole = true;
    size_t bytes = 0;
    for (const std::string& event : order_.events) {
      message.events.push_back(event);
      bytes += event.size();
    }
    if (order_.expected_last_hash) message.expected_last_hash = order_.expected_last_hash->view();
    RETURN_IF_ERROR(intake.Fill(message, order_.log, bytes, {order_.written_by, order_.traceparent},
                                &submission_));
    submission_.request.owner = static_cast<AppendOwner*>(this);
    return absl::OkStatus();
  }

  sequencer::Request* request() { return &submission_.request; }

  // On the writer's thread: the rest is for a worker.
  void Done(const ledger::RequestResult& result) override {
    if (!result.status.ok()) {
      refusal_ = result.status;
      door_.workers_.Submit([this] {
        Finish(ExplainAppendError(door_.ledger_, submission_.log, std::move(refusal_)));
      });
      return;
    }
    answer_.receipts.assign(result.receipts.begin(), result.receipts.end());
    for (const sequencer::NewEvent& event : submission_.events) {
      answer_.event_ids.emplace_back(event.event_id);
    }
    if (order_.wait_level == kLevelDurable) {
      door_.workers_.Submit([this] { Finish(Answered(kLevelDurable)); });
      return;
    }
    LogIndex last;
    for (const ledger::EventReceipt& one : answer_.receipts) last = std::max(last, one.index);
    PublicationHub& hub = order_.wait_level == kLevelCosigned ? door_.cosigned_hub_ : door_.hub_;
    // What was reached is looked up: who waited in vain for the witnesses has a published record.
    hub.Await(submission_.log, SizeThrough(last), door_.clock_.SteadyNs() + order_.wait_ns,
              [this, last](PublicationOutcome) {
                door_.workers_.Submit([this, last] { Finish(Answered(LevelOf(last))); });
              });
  }

  void Finish(absl::StatusOr<AppendAnswer> answer) {
    AppendDoor& door = door_;
    if (!answer.ok()) door.meter_.CountRefused(answer.status());
    done_(std::move(answer));
    delete this;
    door.Leave();
  }

 private:
  uint64_t LevelOf(LogIndex last) const {
    const TreeSize size = SizeThrough(last);
    if (order_.wait_level == kLevelCosigned && door_.cosigned_hub_.Has(submission_.log, size)) {
      return kLevelCosigned;
    }
    return door_.hub_.Has(submission_.log, size) ? kLevelPublished : kLevelDurable;
  }

  AppendAnswer Answered(uint64_t level) {
    answer_.log = submission_.log.name();
    answer_.level = level;
    const auto checkpoint = level == kLevelCosigned ? ledger::CheckpointLevel::kCosigned
                                                    : ledger::CheckpointLevel::kPublished;
    size_t bytes = 0;
    for (const ledger::EventReceipt& one : answer_.receipts) {
      if (level == kLevelDurable || bytes > kProofBytesMax) break;
      absl::StatusOr<std::string> proof =
          door_.ledger_.Receipt(submission_.log, one.index, checkpoint);
      if (!proof.ok()) break;
      bytes += proof->size();
      answer_.tlog_proofs.push_back(*std::move(proof));
    }
    return std::move(answer_);
  }

  AppendDoor& door_;
  const AppendOrder order_;
  AppendDoor::Done done_;
  Submission submission_;
  absl::Status refusal_;
  AppendAnswer answer_;
};

AppendDoor::AppendDoor(ledger::Ledger& ledger, sequencer::Sequencer& sequencer, PublicationHub& hub,
                       PublicationHub& cosigned_hub, AppendMeter& meter,
                       const record::RuleContext& rules, Clock& clock, Random& random,
                       std::function<void()> wake_writer)
    : ledger_(ledger),
      sequencer_(sequencer),
      hub_(hub),
      cosigned_hub_(cosigned_hub),
      meter_(meter),
      clock_(clock),
      wake_writer_(std::move(wake_writer)),
      intake_(ledger, rules, clock, random, meter) {}

AppendDoor::~AppendDoor() { Stop(); }

bool AppendDoor::Enter() {
  std::lock_guard lock(mutex_);
  if (stopping_) return false;
  ++in_flight_;
  return true;
}

void AppendDoor::Leave() {
  // Notified under the lock: whoever waits may end the door once the count is 0.
  std::lock_guard lock(mutex_);
  --in_flight_;
  left_.notify_all();
}

absl::Status AppendDoor::Submit(Call* call) {
  {
    std::lock_guard lock(intake_mutex_);
    RETURN_IF_ERROR(call->Prepare(intake_));
  }
  // From here on the call may be answered, and gone, at any moment.
  RETURN_IF_ERROR(ExplainQueueError(sequencer_.Submit(call->request())));
  wake_writer_();
  return absl::OkStatus();
}

void AppendDoor::Append(AppendOrder order, Done done) {
  if (order.events.empty() || order.events.size() > kEventsPerRequestMax) {
    return done(InvalidField("events", fmt::format("there are {}; 1 to {} at once",
                                                   order.events.size(), kEventsPerRequestMax)));
  }
  if (order.wait_level == kLevelCosigned && !ledger_.wants_witnesses()) {
    return done(InvalidField("wait", "is cosigned, and this server has no witnesses"));
  }
  if (!Enter()) return done(StoppingError());
  auto* call = new Call(*this, std::move(order), std::move(done));
  if (absl::Status submitted = Submit(call); !submitted.ok()) call->Finish(std::move(submitted));
}

void AppendDoor::Stop() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  const auto nobody = [this] { return in_flight_ == 0; };
  if (!left_.wait_for(lock, kStopPatience, nobody)) {
    lock.unlock();
    hub_.Close();
    cosigned_hub_.Close();
    lock.lock();
    left_.wait(lock, nobody);
  }
  lock.unlock();
  workers_.Stop();
}

}  // namespace graven::engine
