#include "engine/append_loop.h"

#include <span>
#include <utility>

#include "base/check.h"

namespace graven::engine {

AppendLoop::AppendLoop(ledger::Ledger& ledger, sequencer::Sequencer& sequencer, AppendMeter& meter,
                       size_t batch_bytes_max, std::function<void(const RoundOutcome&)> after_round)
    : ledger_(ledger),
      sequencer_(sequencer),
      meter_(meter),
      batch_bytes_max_(batch_bytes_max),
      after_round_(std::move(after_round)) {}

void AppendLoop::Absorb() {
  if (batch_bytes_ >= batch_bytes_max_) return;
  taken_.clear();
  sequencer_.Take(batch_bytes_max_ - batch_bytes_, &taken_);
  if (taken_.empty()) return;
  meter_.Taken();
  for (const sequencer::Request* request : taken_) batch_bytes_ += request->bytes;
  const size_t fitting = FittingPrefix();
  applied_.clear();
  if (fitting > 0) {
    ledger_.Apply(std::span(taken_).first(fitting), &applied_);
    GRAVEN_CHECK(applied_.size() == fitting);
    for (size_t i = 0; i < fitting; ++i) {
      if (absl::IsResourceExhausted(applied_[i].status)) no_room_ = applied_[i].status;
    }
  }
  // What is behind the first one that found no room is put off too, so that the order stays.
  applied_.resize(taken_.size(), ledger::RequestResult{.status = no_room_});
  batch_.insert(batch_.end(), taken_.begin(), taken_.end());
  results_.insert(results_.end(), applied_.begin(), applied_.end());
  meter_.Applied(batch_.size());
}

size_t AppendLoop::Round() {
  Absorb();
  if (batch_.empty()) {
    no_room_ = absl::OkStatus();
    return 0;
  }
  // On an error nothing is known about what the disk holds. The ledger takes no more events: from
  // then on Apply refuses, and there is nothing that could become durable.
  absl::Status synced;
  meter_.SyncBegins();
  if (!failed_) synced = ledger_.MakeDurable();
  meter_.SyncEnded();
  failed_ = failed_ || !synced.ok();
  const RoundOutcome outcome = Answer(synced);
  const size_t answered = batch_.size();
  batch_.clear();
  results_.clear();
  batch_bytes_ = 0;
  if (after_round_) after_round_(outcome);
  return answered;
}

// How many requests of those taken, from the front, the journal has room for.
size_t AppendLoop::FittingPrefix() {
  if (!no_room_.ok()) return 0;
  size_t bytes = 0;
  for (const sequencer::Request* request : taken_) bytes += request->bytes;
  // Only want of room is decided here; whatever else stands in the way is said per request by
  // Apply.
  if (!absl::IsResourceExhausted(ledger_.CheckRoom(bytes))) return taken_.size();

  size_t fitting = 0;
  bytes = 0;
  for (const sequencer::Request* request : taken_) {
    bytes += request->bytes;
    if (absl::Status room = ledger_.CheckRoom(bytes); !room.ok()) {
      no_room_ = std::move(room);
      return fitting;
    }
    ++fitting;
  }
  return fitting;  // room was made meanwhile
}

RoundOutcome AppendLoop::Answer(const absl::Status& synced) {
  RoundOutcome outcome;
  for (size_t i = 0; i < batch_.size(); ++i) {
    auto* owner = static_cast<AppendOwner*>(batch_[i]->owner);
    if (absl::IsResourceExhausted(results_[i].status)) {
      outcome.no_room = true;  // nothing of it was applied
      owner->Done(results_[i]);
    } else if (!synced.ok()) {
      // Also for those that Apply refused: they may have been refused for what is not durable.
      owner->Done({.status = absl::UnavailableError(
                       "a write or sync failed; whether the events are stored is unknown")});
    } else {
      if (results_[i].status.ok()) {
        outcome.events += batch_[i]->events.size();
        outcome.bytes += batch_[i]->bytes;
        meter_.Answered(i, *batch_[i], results_[i]);
      }
      owner->Done(results_[i]);  // the request belongs to its owner again
    }
  }
  put_off_ = outcome.no_room;
  meter_.BatchEnds(outcome.events, outcome.bytes);
  return outcome;
}

void AppendLoop::Drain() {
  sequencer_.Close();
  while (Round() > 0) {
  }
}

}  // namespace graven::engine
