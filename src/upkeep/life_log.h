#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "engine/append_door.h"
#include "ledger/ledger.h"
#include "upkeep/operational_log.h"
#include "upkeep/system_log.h"

namespace graven::upkeep {

// The door to the log `_system` for whatever runs in the server: one call, at any time. What comes
// before the log can be written to waits, at most kWaitingMax events; what comes after its end is
// dropped, as everything is in a folder that opened read-only. Any thread; never blocks on the
// disk.
class SystemEvents {
 public:
  // What is dropped has the fate kLost, or kNoLog when there never was a log to write to.
  void Write(SystemEvent event);
  // Hands on what waits, and from now on everything; null: nothing any more.
  void Attach(SystemLog* log);

 private:
  static constexpr size_t kWaitingMax = 100;
  std::mutex mutex_;
  SystemLog* log_ = nullptr;          // guarded by mutex_
  bool ended_ = false;                // the same
  bool had_log_ = false;              // the same
  std::vector<SystemEvent> waiting_;  // the same
};

// The server's life in its own log: start, recovery, configuration and keys when it is made, stop
// and keys when it ends.
class LifeLog {
 public:
  struct Facts {
    std::string version;               // of the program
    std::string configuration_sha256;  // hex
    int64_t counters_every_ns = 0;     // how often signatures are told of
    // Keys beside those of the logs: what each is for, and its vkey.
    std::vector<std::pair<std::string, std::string>> other_keys;
  };
  // All but the facts must outlive it.
  LifeLog(engine::AppendDoor& door, ledger::Ledger& ledger, Facts facts, SystemEvents& events,
          OperationalLog* log);
  // Before the server stops taking events: the last words are durable when it returns.
  ~LifeLog();

 private:
  ledger::Ledger& ledger_;
  const Facts facts_;
  SystemEvents& events_;
  std::unique_ptr<SystemLog> system_log_;  // null when the ledger has no such log
};

}  // namespace graven::upkeep
