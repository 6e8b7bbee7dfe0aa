#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "ledger/ledger.h"
#include "metrics/registry.h"
#include "scrub/scrubber.h"

namespace graven::engine {

// What scrubbing may cost.
struct ScrubBudget {
  uint32_t cpu_percent = 5;                 // of one core; 1 to 100
  uint64_t bytes_per_second = 20'000'000;   // read from the disk
  int64_t round_pause_ns = 60'000'000'000;  // between the end of a round and the next one
  int64_t watch_ns = 5'000'000'000;         // how often every file is looked at
};

// How long to rest after a piece of work, so that the budget is kept.
int64_t ScrubRestNs(const ScrubBudget& budget, int64_t cpu_ns, uint64_t bytes);

// The scrubber's own thread, always on.
class ScrubLoop {
 public:
  using OnFinding = std::function<void(const scrub::Finding&)>;
  // `on_finding` is called on the thread; it may be empty.
  ScrubLoop(ledger::Ledger& ledger, Clock& clock, const ScrubBudget& budget,
            metrics::Registry& metrics, OnFinding on_finding);
  ~ScrubLoop();

  void Start();
  // Ends the thread within the read of one block; the place is kept for the next start.
  void Stop();

  // Any thread.
  scrub::State status() const { return scrubber_->status(); }
  // Nothing was found since the start.
  bool sound() const { return sound_; }

 private:
  void Run();
  // Sleeps as long; false: it is to stop.
  bool Rest(int64_t ns);
  absl::Status Pace(uint64_t bytes);
  void WatchIfDue();
  void KeepPlaceIfDue(bool now);
  void Show();

  ledger::Ledger& ledger_;
  Clock& clock_;
  const ScrubBudget budget_;
  std::atomic<bool> sound_ = true;
  std::unique_ptr<scrub::Scrubber> scrubber_;
  metrics::Registry& metrics_;
  // The thread's own.
  int64_t cpu_seen_ns_ = 0;
  uint64_t bytes_since_rest_ = 0;
  int64_t next_watch_ns_ = 0;
  int64_t next_keep_ns_ = 0;

  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace graven::engine
