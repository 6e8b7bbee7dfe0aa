#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "engine/append_door.h"
#include "ledger/ledger.h"
#include "scrub/scrubber.h"
#include "upkeep/operational_log.h"

namespace graven::upkeep {

// What became of an event of the log `_system`.
enum class EventFate : uint8_t {
  kWaiting,
  kDurable,
  kLost,   // it was not written; who writes it again may have more luck
  kNoLog,  // there is no such log, or nothing is ever written to it: a folder that is read-only
};

// What happens to the server itself, as a graven.v1.Event of the log `_system`.
struct SystemEvent {
  std::string action;  // "server.start"
  bool failure = false;
  std::vector<std::pair<std::string, std::string>> labels;
  // For who must know what became of it; null: nobody asks. Any thread may look at it.
  std::shared_ptr<std::atomic<EventFate>> fate = nullptr;
};

// A finding of the scrubber, as such.
SystemEvent ScrubFindingEvent(const scrub::Finding& finding);

// How many checkpoints were signed, as a label.
std::pair<std::string, std::string> SignedSinceStart(const ledger::LedgerStatus& status);

// The event's bytes. Values are cut to what a label may hold.
std::string EncodeSystemEvent(const SystemEvent& event, std::string_view event_id, int64_t now_ns);

// Writes the log `_system` through the sequencer like anybody's events, as writer "graven": start
// and stop, recovery, configuration, keys, findings, and now and then how many signatures were
// made. Nothing is written for a signature of its own, nor because of one: it would feed on itself.
//
// Threads: any may call; one of its own appends, in order. What is refused (a full disk) is tried
// again; beyond kPendingMax events the newest are counted instead of kept.
class SystemLog {
 public:
  static constexpr size_t kPendingMax = 1000;

  // `door` and `ledger` must outlive it. `counters_every_ns`: how often signatures are told of.
  SystemLog(engine::AppendDoor& door, ledger::Ledger& ledger, Clock& clock,
            int64_t counters_every_ns, OperationalLog* log);
  ~SystemLog();
  SystemLog(const SystemLog&) = delete;
  SystemLog& operator=(const SystemLog&) = delete;

  void Write(SystemEvent event);

  // Says which keys are in memory from now on, those of the logs and `others` (what each is for,
  // and its vkey), or `action` "key.unload": not any more.
  void WriteKeys(std::string_view action,
                 const std::vector<std::pair<std::string, std::string>>& others);

  // Takes no more, and waits until what was written is durable or refused, at most `patience_ns`.
  void Stop(int64_t patience_ns);

 private:
  void Run();
  struct Pending {
    std::string bytes;
    std::shared_ptr<std::atomic<EventFate>> fate;
  };

  // Appends the first of what waits; kWaiting: they were refused and are to be tried again.
  EventFate AppendFirst(std::vector<std::string> events);
  void LookForNewLogs();
  void TellSignatures();
  uint64_t RecordsOfOthers() const;

  engine::AppendDoor& door_;
  ledger::Ledger& ledger_;
  Clock& clock_;
  const int64_t counters_every_ns_;
  OperationalLog* const log_;
  const int64_t started_ns_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<Pending> pending_;
  uint64_t written_ = 0;  // events so far, for their ids
  uint64_t dropped_ = 0;
  bool closed_ = false;
  bool refused_at_end_ = false;
  bool stopping_ = false;

  // The thread's own.
  bool gave_up_ = false;
  size_t logs_seen_ = 0;
  int64_t next_counters_ns_ = 0;
  uint64_t records_told_ = 0;
  std::thread thread_;
};

}  // namespace graven::upkeep
