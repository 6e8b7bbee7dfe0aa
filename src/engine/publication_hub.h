#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "ledger/ledger.h"

namespace graven::engine {

enum class PublicationOutcome { kReached, kTimedOut, kStopping };

// Where one waits until a log's published size, or another level's, has reached a size: writers
// that want evidence, readers of what is durable but not published yet, tailers. Thread-safe.
//
// Invariant: every waiter is called exactly once, unless it was cancelled in time.
class PublicationHub {
 public:
  using Callback = std::function<void(PublicationOutcome)>;
  static constexpr int64_t kNoDeadline = INT64_MAX;

  PublicationHub(ledger::Ledger& ledger, Clock& clock,
                 ledger::CheckpointLevel level = ledger::CheckpointLevel::kPublished)
      : ledger_(ledger), clock_(clock), level_(level) {}

  // Whether `log` has a checkpoint of the hub's level that covers so many records.
  bool Has(ledger::LogRef log, TreeSize size) const {
    const auto checkpoint = ledger_.GetCheckpoint(log, level_);
    return checkpoint != nullptr && checkpoint->size >= size;
  }

  // Calls `callback` once `log` has published `size` records: at once, on this thread, if it has;
  // else on the publisher's thread. `deadline_steady_ns` is by Clock::SteadyNs. Returns a ticket
  // for Cancel, 0 when the callback has been called.
  uint64_t Await(ledger::LogRef log, TreeSize size, int64_t deadline_steady_ns, Callback callback);

  // True: the callback will not be called. False: it was, or is just being called.
  bool Cancel(uint64_t ticket);

  // Blocks until then, for at most `timeout_ns`.
  PublicationOutcome WaitFor(ledger::LogRef log, TreeSize size, int64_t timeout_ns);

  // For whoever made it so: `log` has come to `size`.
  void Advance(ledger::LogRef log, TreeSize size);
  // For the publisher: calls those whose deadline has passed.
  void Expire();
  // The earliest deadline, or kNoDeadline.
  int64_t NextDeadlineNs() const;

  // Calls everybody with kStopping, and whoever comes later.
  void Close();

  size_t waiters() const;

 private:
  using Key = std::pair<uint32_t, uint64_t>;  // log number, size
  struct Waiter {
    std::multimap<Key, uint64_t>::iterator by_size;
    int64_t deadline_ns = kNoDeadline;
    Callback callback;
  };
  // Takes the waiter out; the callback is to be called without the lock.
  Callback Remove(uint64_t ticket);

  ledger::Ledger& ledger_;
  Clock& clock_;
  const ledger::CheckpointLevel level_;
  mutable std::mutex mutex_;  // guards what follows; no callback is called under it
  uint64_t last_ticket_ = 0;
  std::map<uint64_t, Waiter> waiters_;
  std::multimap<Key, uint64_t> by_size_;
  std::set<std::pair<int64_t, uint64_t>> by_deadline_;
  bool closed_ = false;
};

}  // namespace graven::engine
