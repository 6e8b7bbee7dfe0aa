#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "engine/append_door.h"
#include "ledger/ledger.h"
#include "server/configuration.h"
#include "server/operational_log.h"
#include "server/system_log.h"

namespace graven::server {

// Where findings go while there is a system log, and wait before there is one. Any thread.
class FindingRelay {
 public:
  void Take(const ledger::ScrubFinding& finding);
  // Hands on what waits, and from now on everything; null: nothing any more.
  void Attach(SystemLog* log);

 private:
  static constexpr size_t kWaitingMax = 100;
  std::mutex mutex_;
  SystemLog* log_ = nullptr;                   // guarded by mutex_
  std::vector<ledger::ScrubFinding> waiting_;  // the same
};

// The server's life in its own log: start, recovery, configuration and keys when it is made, stop
// and keys when it ends.
class LifeLog {
 public:
  // All must outlive it.
  LifeLog(engine::AppendDoor& door, ledger::Ledger& ledger, const Configuration& configuration,
          FindingRelay& findings, OperationalLog* log);
  // Before the server stops taking events: the last words are durable when it returns.
  ~LifeLog();

 private:
  FindingRelay& findings_;
  std::unique_ptr<SystemLog> system_log_;  // null when the ledger has no such log
};

}  // namespace graven::server
