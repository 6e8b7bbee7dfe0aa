#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "metrics/registry.h"
#include "search/searches.h"
#include "upkeep/alert_plan.h"
#include "upkeep/operational_log.h"
#include "webhook/sender.h"

namespace graven::upkeep {

// The alerts of the configuration, on a thread of their own: what is published is given to each
// rule in order, and what a rule raises goes into the operational log, a metric and, where one is
// configured, a webhook.
//
// Invariant: an alert is said at least once, through any crash: the rule's place in the log
// (DIR/alerts/<name>.place) moves on only after what was raised is durable in the webhook's queue.
// After a crash it may be said again, with the same id.
class Alerts {
 public:
  // Opens the queue, and begins. `folder` keeps the places; its parent must exist. A rule that is
  // new, or another than it was, begins at the end of its log; of a log that is made later, with
  // its first record. kDataLoss: the queue is damaged.
  static absl::StatusOr<std::unique_ptr<Alerts>> Start(std::string folder, AlertPlan plan,
                                                       search::Searches& searches,
                                                       metrics::Registry& metrics,
                                                       OperationalLog& log);
  // Keeps the places, ends the thread.
  ~Alerts();
  Alerts(const Alerts&) = delete;
  Alerts& operator=(const Alerts&) = delete;

 private:
  struct Watch;

  Alerts(std::string folder, AlertPlan plan, search::Searches& searches, OperationalLog& log);

  absl::Status Open(metrics::Registry& metrics);
  void Run();
  // Looks at what has been published; true when there is more.
  absl::StatusOr<bool> Look(Watch* watch);
  // Begins where the file of the rule says, or anew.
  absl::Status Begin(Watch* watch);
  absl::Status Tell(Watch* watch, const search::Alert& alert);
  // What the webhook says of it.
  static std::string NoticeOf(const Watch& watch, const search::Alert& alert);
  absl::Status KeepPlace(Watch* watch);
  std::string PlacePath(const Watch& watch) const;
  void ShowQueue();

  const std::string folder_;
  const AlertPlan plan_;
  search::Searches& searches_;
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
