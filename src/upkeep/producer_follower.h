#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "ledger/ledger.h"
#include "metrics/registry.h"
#include "upkeep/operational_log.h"
#include "verify/producer_sequences.h"

namespace graven::upkeep {

// Follows the numbers that producers give their events while the server runs, for its metrics and
// its operational log. It begins with what is published when it is made: what came before is for
// graven verify and graven monitor.
//
// Owns a thread, which looks once a second. Records are read again only while events with numbers
// come in (engine::AppendMeter counts them), so that where nobody numbers events it costs nothing.
class ProducerFollower {
 public:
  // How long an epoch with heartbeats may be silent, and how long a missing number may be late.
  static constexpr int64_t kDeadlineNs = int64_t{600} * 1'000'000'000;

  // `numbered_events`: how many were accepted since the start; any thread. All must outlive it.
  ProducerFollower(const ledger::Ledger& ledger, std::function<uint64_t()> numbered_events,
                   Clock& clock, metrics::Registry& metrics, OperationalLog& log);
  ~ProducerFollower();
  ProducerFollower(const ProducerFollower&) = delete;
  ProducerFollower& operator=(const ProducerFollower&) = delete;

  void Start();
  // One look, by the caller's own hand; not after Start.
  void Look();

 private:
  struct Followed {
    LogIndex next;
    verify::ProducerSequences sequences;
  };

  void Run();
  Followed& Find(ledger::LogRef log);
  void Follow(ledger::LogRef log, Followed* followed);
  void Tell(ledger::LogRef log, Followed* followed);
  void Show();

  const ledger::Ledger& ledger_;
  const std::function<uint64_t()> numbered_events_;
  Clock& clock_;
  metrics::Registry& metrics_;
  OperationalLog& log_;

  // The thread's own.
  std::map<uint32_t, Followed> logs_;  // by number
  uint64_t numbered_seen_ = 0;
  int looks_since_change_ = 0;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<bool> stopping_ = false;  // set under mutex_
  std::thread thread_;
};

}  // namespace graven::upkeep
