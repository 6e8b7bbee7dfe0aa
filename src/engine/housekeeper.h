#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "ledger/ledger.h"

namespace graven::engine {

// The work behind the scenes, on two threads:
//
//   preparer  PrepareJournal, at once when woken: it is what keeps appends going
//   sealer    Seal, at idle priority; not at all while a burst arrives that the journal has room
//             for; in haste and at normal priority while the journal is nearly half full. The
//             preparer raises it, because a thread at idle priority may not get far enough to raise
//             itself.
class Housekeeper {
 public:
  // `failed` is told of errors other than a full disk, on one of the threads. `on_burst` is told,
  // on the preparer's, when such a burst begins and when it is over, however long it lasts; either
  // may be empty.
  Housekeeper(ledger::Ledger& ledger, std::function<void(const absl::Status&)> failed,
              std::function<void(bool passes)> on_burst = nullptr);
  ~Housekeeper();

  void Start();

  // So many bytes were appended; `urgent`: appends wait for room. Any thread; cheap.
  void Notify(size_t bytes, bool urgent);

  // Ends both threads after the piece of work they are in.
  void Stop();

 private:
  void SealWhileWanted();
  // Looks, ten times a second, whether so much arrives that work behind the scenes would slow it.
  void LookForBurst();
  void RunPreparer();
  void RunSealer();
  void SetHaste();
  void Report(const absl::Status& status);

  ledger::Ledger& ledger_;
  const std::function<void(const absl::Status&)> failed_;
  const std::function<void(bool)> on_burst_;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> in_haste_ = false;
  std::atomic<size_t> bytes_ = 0;
  std::atomic<bool> in_burst_ = false;
  // The preparer's own: of the last look for a burst.
  size_t bytes_seen_ = 0;
  bool burst_told_ = false;
  std::chrono::steady_clock::time_point looked_at_;
  std::atomic<pid_t> sealer_thread_id_ = 0;
  std::atomic<bool> has_work_ = false;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool may_lower_ = false;
  std::mutex report_mutex_;
  absl::Status last_reported_;  // guarded by report_mutex_
  std::thread preparer_;
  std::thread sealer_;
};

}  // namespace graven::engine
