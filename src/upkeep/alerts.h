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
#include "upkeep/alert_plan.h"
#include "upkeep/life_log.h"
#include "upkeep/operational_log.h"
#include "webhook/sender.h"

namespace graven::upkeep {

// The alerts of the configuration, on a thread of their own: what is published is given to each
// rule in order, and what a rule raises goes into the operational log, a metric and, where one is
// configured, a webhook.
//
// Invariants: an alert is said at least once, through any crash: the rule's place in the log
// (<folder>/<name>.place) moves on only after what was raised is durable in the webhook's queue.
// After a crash it may be said again, with the same id. A record is judged, or it is said in the
// same way that it was not: damaged ones are stepped over, for one of them must not hold up a rule
// for ever. The operational log and the log `_system` hear of it too, but a crash may cost their
// word.
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
  // Keeps the places, ends the thread.
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
  void LetRest(Watch* watch, const absl::Status& error);
  absl::StatusOr<bool> LookAt(Watch* watch);
  // Gives the window records from its next() to before `end`; what was raised by then is told, of
  // an error too.
  absl::Status Judge(Watch* watch, TreeSize size, LogIndex end, bool* any_raised);
  // What cannot be read twice, with a rest between, is told and stepped over.
  absl::Status MeetDamage(Watch* watch, TreeSize size, const absl::Status& damage);
  bool CanRead(const Watch& watch, TreeSize size, LogIndex index);
  // Begins where the file of the rule says, or anew.
  absl::Status Begin(Watch* watch);
  absl::Status KeepPlace(Watch* watch);
  // There is no such log yet: remembers that, for the day when there is.
  absl::Status KeepWaiting(Watch* watch);
  absl::StatusOr<bool> HasWaited(const Watch& watch);

  absl::Status Tell(Watch* watch, const search::Alert& alert);
  absl::Status TellSkipped(Watch* watch, LogIndex first, LogIndex end, const absl::Status& damage);
  // What the webhook says.
  std::string NoticeOf(const Watch& watch, const search::Alert& alert) const;
  std::string NoticeOfSkipped(const Watch& watch, LogIndex first, LogIndex end) const;

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
