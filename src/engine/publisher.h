#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "engine/publication_hub.h"
#include "ledger/ledger.h"
#include "metrics/registry.h"

namespace graven::engine {

// How often to publish: after `idle_ns` when nothing was published lately, else every
// `interval_ns`, stretched so that signing takes at most a tenth of one core.
struct PublisherPace {
  int64_t idle_ns = 2'000'000;
  int64_t interval_ns = 10'000'000;
  int64_t signature_ns = 23'000;
};

// Who else is called on the publisher's thread. Must not block.
struct PublisherHooks {
  // After each publication: of which logs.
  std::function<void(const std::vector<ledger::LogRef>& logs)> published;
  std::function<void()> tick;  // every 50 ms at least
};

// The publisher's own thread: guards and signs what became durable, then wakes who waits for it.
class Publisher {
 public:
  // `failed` is told of an error of Publish, on the publisher's thread; the ledger has stopped
  // then.
  Publisher(ledger::Ledger& ledger, PublicationHub& hub, Clock& clock, PublisherPace pace,
            std::function<void(const absl::Status&)> failed, metrics::Registry& metrics,
            PublisherHooks hooks = {});
  ~Publisher();

  void Start();

  // Something became durable. Any thread; cheap when called often.
  void Notify();

  // Publishes what is durable once more and ends the thread.
  void Stop();

 private:
  void Run();
  void WaitUntilDue(std::unique_lock<std::mutex>& lock);
  void PublishOnce();

  ledger::Ledger& ledger_;
  PublicationHub& hub_;
  Clock& clock_;
  const PublisherPace pace_;
  const std::function<void(const absl::Status&)> failed_;
  const PublisherHooks hooks_;

  // Recovery may have left records that are durable and not published.
  std::atomic<bool> dirty_ = true;
  std::atomic<int64_t> dirty_since_ns_ = 0;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;  // guarded by mutex_
  // The publisher thread's own.
  int64_t next_allowed_ns_ = 0;
  bool has_failed_ = false;
  metrics::Histogram durable_to_published_;
  std::thread thread_;
};

}  // namespace graven::engine
