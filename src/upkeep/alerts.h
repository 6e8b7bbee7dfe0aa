#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "base/log_index.h"
#include "io/file_system.h"
#include "metrics/registry.h"
#include "search/searches.h"
#include "upkeep/alert_notices.h"
#include "upkeep/alert_plan.h"
#include "upkeep/life_log.h"
#include "upkeep/operational_log.h"
#include "upkeep/trouble.h"
#include "webhook/sender.h"

namespace graven::upkeep {

// The alerts of the configuration, on a thread of their own: what is published is given to each
// rule in order, and what a rule raises goes into the operational log, a metric and, where one is
// configured, a webhook.
//
// Invariants: an alert is said at least once, through any crash: the rule's place in the log
// (<folder>/<name>.place) moves on only after what was raised is durable in the webhook's queue.
// Within one life it is said once, whatever fails; after a crash, or a stop while the place cannot
// be kept, it may be said again, with the same id. A record is judged, or it is said in the same
// way that it was not, and the place moves on only after the log `_system` has that too: damaged
// ones are stepped over, for one of them must not hold up a rule for ever. What cannot be read for
// another reason is waited for, and so is a log `_system` that does not take what was skipped; a
// rule that waits, and a place that does, is shown by a metric and by the operational log.
//
// Threads: its own after Start. Look is for who does not Start.
class Alerts {
 public:
  // Opens the queue. `folder` keeps the places; its parent must exist. All must outlive it. A rule
  // that is new, or another than it was, begins at the end of its log; of a log that is made later,
  // with its first record, so this comes before anybody can make one. kDataLoss: the queue is
  // damaged.
  static absl::StatusOr<std::unique_ptr<Alerts>> Open(io::FileSystem& fs, std::string folder,
                                                      AlertPlan plan, search::Searches& searches,
                                                      metrics::Registry& metrics,
                                                      SystemEvents& events, OperationalLog& log);
  // Keeps the places, ends the thread. Waits a second at most for the log `_system`, which must
  // still take events.
  ~Alerts();
  Alerts(const Alerts&) = delete;
  Alerts& operator=(const Alerts&) = delete;

  void Start();

  // Gives each rule that does not rest a piece of what it has not seen; true when there is more.
  bool Look();

 private:
  struct Watch;

  Alerts(io::FileSystem& fs, std::string folder, AlertPlan plan, search::Searches& searches,
         SystemEvents& events, OperationalLog& log);

  absl::Status OpenWebhook();
  void Run();
  void LetRest(Watch* watch, Trouble* trouble, const absl::Status& error);
  absl::StatusOr<bool> LookAt(Watch* watch);
  // Gives the window what comes next, and keeps what it raises to be told.
  absl::Status Judge(Watch* watch, TreeSize size);
  static LogIndex EndOfDamage(const absl::Status& status);
  // Finds out how far the damage goes, by so many reads at most.
  void MeetDamage(Watch* watch, TreeSize size);
  // Begins where the file of the rule says, or anew.
  absl::Status Begin(Watch* watch);
  void KeepPlace(Watch* watch);
  absl::Status WritePlace(Watch* watch);
  // What was said to the log `_system` is durable in it.
  bool SystemLogHasIt(Watch* watch);
  // False: more must not be skipped before it has more of what was.
  bool MaySkip(Watch* watch);
  // There is no such log yet: remembers that, for the day when there is.
  void KeepWaiting(Watch* watch);
  absl::StatusOr<bool> HasWaited(const Watch& watch);

  // Tells what waits to be told; false: it cannot be.
  bool TellAll(Watch* watch);
  absl::Status Tell(Watch* watch, const search::Alert& alert);
  absl::Status TellSkipped(Watch* watch);
  NoticeContext ContextOf(const Watch& watch) const;

  std::string PlacePath(const Watch& watch) const;
  std::string WaitsPath(const Watch& watch) const;
  void ShowQueue();

  io::FileSystem& fs_;
  const std::string folder_;
  const AlertPlan plan_;
  search::Searches& searches_;
  SystemEvents& events_;
  OperationalLog& log_;
  std::vector<std::unique_ptr<Watch>> watches_;
  std::unique_ptr<webhook::Sender> webhook_;
  metrics::Gauge waiting_;
  metrics::Counter left_out_, failed_tries_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<bool> stopping_ = false;  // written under mutex_
  std::thread thread_;
};

}  // namespace graven::upkeep
