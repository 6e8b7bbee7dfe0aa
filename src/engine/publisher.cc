#include "engine/publisher.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/thread_name.h"

namespace graven::engine {
namespace {

// Deadlines of waiters that were registered while the thread slept are seen this late at most.
constexpr int64_t kDeadlineCheckNs = 50'000'000;

}  // namespace

Publisher::Publisher(ledger::Ledger& ledger, PublicationHub& hub, Clock& clock, PublisherPace pace,
                     std::function<void(const absl::Status&)> failed, metrics::Registry& metrics,
                     PublisherHooks hooks)
    : ledger_(ledger),
      hub_(hub),
      clock_(clock),
      pace_(pace),
      failed_(std::move(failed)),
      hooks_(std::move(hooks)),
      dirty_since_ns_(clock.SteadyNs()),
      durable_to_published_(metrics.MakeHistogram(metrics::kDurableToPublished)) {}

Publisher::~Publisher() { Stop(); }

void Publisher::Start() {
  thread_ = std::thread([this] { Run(); });
  NameThread(thread_, "graven-publish");
}

void Publisher::Notify() {
  if (dirty_.load(std::memory_order_relaxed)) return;
  // Before the mark: the publisher must not see the mark and an old time.
  dirty_since_ns_.store(clock_.SteadyNs(), std::memory_order_relaxed);
  if (dirty_.exchange(true)) return;
  // The lock closes the gap between the sleeper's look at dirty_ and its sleep.
  { std::lock_guard lock(mutex_); }
  wake_.notify_one();
}

void Publisher::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

// Sleeps until there is something to publish and it may be published.
void Publisher::WaitUntilDue(std::unique_lock<std::mutex>& lock) {
  wake_.wait_for(lock, std::chrono::nanoseconds(kDeadlineCheckNs),
                 [&] { return stopping_ || dirty_.load(); });
  if (stopping_ || !dirty_.load()) return;
  const int64_t now_ns = clock_.SteadyNs();
  const int64_t due_ns = std::max(now_ns + pace_.idle_ns, next_allowed_ns_);
  wake_.wait_for(lock, std::chrono::nanoseconds(due_ns - now_ns), [&] { return stopping_; });
}

void Publisher::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    WaitUntilDue(lock);
    lock.unlock();
    if (dirty_.exchange(false)) PublishOnce();
    hub_.Expire();
    if (hooks_.tick) hooks_.tick();
    lock.lock();
  }
  lock.unlock();
  PublishOnce();
}

void Publisher::PublishOnce() {
  if (has_failed_ || ledger_.unpublished_logs() == 0) return;
  const int64_t started_ns = clock_.SteadyNs();
  const int64_t durable_since_ns = dirty_since_ns_.load(std::memory_order_relaxed);
  absl::StatusOr<std::vector<ledger::LogRef>> published = ledger_.Publish();
  if (!published.ok()) {
    // It may have failed midway: of some logs more is published than anybody was told. Waiters for
    // what is not run into their deadlines.
    for (ledger::LogRef log : ledger_.Logs()) hub_.Advance(log, ledger_.GetPublished(log)->size);
    has_failed_ = true;
    if (failed_) failed_(published.status());
    return;
  }
  durable_to_published_.Observe(clock_.SteadyNs() - durable_since_ns);
  const auto signatures = static_cast<int64_t>(published->size());
  next_allowed_ns_ = started_ns + std::max(pace_.interval_ns, signatures * pace_.signature_ns * 10);
  for (ledger::LogRef log : *published) hub_.Advance(log, ledger_.GetPublished(log)->size);
  if (hooks_.published) hooks_.published(*published);
}

}  // namespace graven::engine
