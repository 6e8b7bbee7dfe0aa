#include "engine/publication_hub.h"

#include <memory>

namespace graven::engine {

uint64_t PublicationHub::Await(ledger::LogRef log, TreeSize size, int64_t deadline_steady_ns,
                               Callback callback) {
  std::unique_lock lock(mutex_);
  // Looked up under the lock that Advance takes after publishing, so that no publication falls
  // between the look and the registration.
  const bool reached = Has(log, size);
  if (reached || closed_) {
    lock.unlock();
    callback(reached ? PublicationOutcome::kReached : PublicationOutcome::kStopping);
    return 0;
  }
  const uint64_t ticket = ++last_ticket_;
  Waiter waiter;
  waiter.by_size = by_size_.emplace(Key(log.number(), size.value), ticket);
  waiter.deadline_ns = deadline_steady_ns;
  waiter.callback = std::move(callback);
  waiters_.emplace(ticket, std::move(waiter));
  if (deadline_steady_ns != kNoDeadline) by_deadline_.emplace(deadline_steady_ns, ticket);
  return ticket;
}

PublicationHub::Callback PublicationHub::Remove(uint64_t ticket) {
  auto found = waiters_.find(ticket);
  by_size_.erase(found->second.by_size);
  if (found->second.deadline_ns != kNoDeadline) {
    by_deadline_.erase({found->second.deadline_ns, ticket});
  }
  Callback callback = std::move(found->second.callback);
  waiters_.erase(found);
  return callback;
}

bool PublicationHub::Cancel(uint64_t ticket) {
  Callback dropped;
  std::lock_guard lock(mutex_);
  if (!waiters_.contains(ticket)) return false;
  dropped = Remove(ticket);
  return true;
}

PublicationOutcome PublicationHub::WaitFor(ledger::LogRef log, TreeSize size, int64_t timeout_ns) {
  struct Signal {
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
    PublicationOutcome outcome = PublicationOutcome::kTimedOut;
  };
  auto signal = std::make_shared<Signal>();
  // No deadline of its own in the hub: this thread counts the time.
  const uint64_t ticket = Await(log, size, kNoDeadline, [signal](PublicationOutcome outcome) {
    std::lock_guard lock(signal->mutex);
    signal->done = true;
    signal->outcome = outcome;
    signal->changed.notify_one();
  });
  {
    std::unique_lock lock(signal->mutex);
    signal->changed.wait_for(lock, std::chrono::nanoseconds(timeout_ns),
                             [&] { return signal->done; });
    if (signal->done) return signal->outcome;
  }
  Cancel(ticket);
  return PublicationOutcome::kTimedOut;
}

void PublicationHub::Advance(ledger::LogRef log, TreeSize size) {
  std::vector<Callback> ready;
  {
    std::lock_guard lock(mutex_);
    for (auto it = by_size_.lower_bound(Key(log.number(), 0));
         it != by_size_.end() && it->first <= Key(log.number(), size.value);) {
      const uint64_t ticket = it->second;
      ++it;
      ready.push_back(Remove(ticket));
    }
  }
  for (Callback& callback : ready) callback(PublicationOutcome::kReached);
}

void PublicationHub::Expire() {
  const int64_t now_ns = clock_.SteadyNs();
  std::vector<Callback> late;
  {
    std::lock_guard lock(mutex_);
    while (!by_deadline_.empty() && by_deadline_.begin()->first <= now_ns) {
      late.push_back(Remove(by_deadline_.begin()->second));
    }
  }
  for (Callback& callback : late) callback(PublicationOutcome::kTimedOut);
}

int64_t PublicationHub::NextDeadlineNs() const {
  std::lock_guard lock(mutex_);
  return by_deadline_.empty() ? kNoDeadline : by_deadline_.begin()->first;
}

void PublicationHub::Close() {
  std::vector<Callback> left;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    while (!waiters_.empty()) left.push_back(Remove(waiters_.begin()->first));
  }
  for (Callback& callback : left) callback(PublicationOutcome::kStopping);
}

size_t PublicationHub::waiters() const {
  std::lock_guard lock(mutex_);
  return waiters_.size();
}

}  // namespace graven::engine
