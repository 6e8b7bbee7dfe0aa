#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "ledger/ledger.h"
#include "metrics/registry.h"
#include "sequencer/request.h"

namespace graven::engine {

// One append that took its time, and where. Wall-clock times in nanoseconds since 1970.
struct SlowAppend {
  uint32_t log_number = 0;
  TreeSize size;  // of the log with its last event
  size_t events = 0;
  int64_t accepted_ns = 0;   // it was checked and queued
  int64_t sequenced_ns = 0;  // taken from the queue
  int64_t applied_ns = 0;    // had its index
  int64_t durable_ns = 0;    // survived power loss
};

// "slow append: log payments, 3 events, 812 ms: queue 1, apply 2, sync 790, publish 19". What
// `published_ns` says beyond durable; 0: it was not published in time.
std::string SlowAppendText(std::string_view log, const SlowAppend& slow, int64_t published_ns);

// Measures the way of appends from acceptance to the disk.
//
// Threads: the writer, but for CountRefused. Costs the writer some clock reads and a merge of
// samples for each batch, and a few nanoseconds for each request.
class AppendMeter {
 public:
  // Appends that take longer than `slow_ns` are told to `on_slow`, at most kSlowToldPerSecond a
  // second; 0: none are. It is called on the writer's thread.
  AppendMeter(metrics::Registry& registry, Clock& clock, int64_t slow_ns,
              std::function<void(const SlowAppend&)> on_slow);

  static constexpr int kSlowToldPerSecond = 10;

  // --- the writer, in this order for each batch ---
  // Requests have been taken from the queue and applied; the batch ends at `requests` now.
  void Taken();
  void Applied(size_t requests);
  // Around MakeDurable.
  void SyncBegins() { sync_began_ns_ = clock_.SteadyNs(); }
  void SyncEnded();
  // Request number `position` of the batch is answered.
  void Answered(size_t position, const sequencer::Request& request,
                const ledger::RequestResult& result);
  void BatchEnds(size_t events, size_t bytes);

  // --- any thread ---
  // A request was refused, before it was queued or by the ledger.
  void CountRefused(const absl::Status& status);
  // An event that names its producer was accepted; how many were, since the start.
  void CountNumbered() { numbered_events_.fetch_add(1, std::memory_order_relaxed); }
  uint64_t numbered_events() const { return numbered_events_.load(std::memory_order_relaxed); }

 private:
  struct Absorbed {
    size_t end;  // position in the batch
    int64_t taken_ns;
    int64_t applied_ns;
  };
  void TellIfSlow(size_t position, const sequencer::Request& request,
                  const ledger::RequestResult& result);

  metrics::Registry& registry_;
  Clock& clock_;
  const int64_t slow_ns_;
  const std::function<void(const SlowAppend&)> on_slow_;
  std::atomic<uint64_t> numbered_events_ = 0;

  metrics::Counter requests_ok_, events_appended_, events_duplicate_, slow_appends_;
  metrics::Histogram accepted_to_durable_, batch_events_, batch_bytes_, sync_;
  // The batch under way.
  metrics::Tally latencies_;
  uint64_t accepted_ = 0;
  uint64_t duplicates_ = 0;
  int64_t sync_began_ns_ = 0;
  int64_t durable_wall_ns_ = 0;
  int64_t taken_ns_ = 0;
  std::vector<Absorbed> absorbed_;  // only when slow ones are told
  int64_t told_second_ = 0;
  int told_ = 0;
};

}  // namespace graven::engine
