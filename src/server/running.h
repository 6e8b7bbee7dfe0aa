#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "engine/append_door.h"
#include "engine/engine.h"
#include "engine/index_builder.h"
#include "json/message_types.h"
#include "ledger/ledger.h"
#include "metrics/registry.h"
#include "note/policy.h"
#include "record/rules.h"
#include "search/searches.h"
#include "server/configuration.h"
#include "server/exit_codes.h"
#include "server/http_door.h"
#include "server/room_options.h"
#include "server/server_metrics.h"
#include "service/grpc_server.h"
#include "upkeep/alerts.h"
#include "upkeep/life_log.h"
#include "upkeep/operational_log.h"
#include "upkeep/producer_follower.h"
#include "upkeep/time_stamper.h"
#include "upkeep/witness_feed.h"

namespace graven::server {

// Why the server ends before its time.
struct Failure {
  int exit_code = kExitDone;
  absl::Status status;
  std::string_view next_step = {};
};

// Of what went wrong before any folder was touched. A file that is not there is no wrong option.
int ExitCodeOf(const absl::Status& status);

// The rooms of a running server, joined in steps: Prepare touches no folder, Open recovers the
// logs, Start takes calls. One thread.
class Running {
 public:
  // Both must outlive it.
  Running(const Configuration& configuration, upkeep::OperationalLog* log)
      : configuration_(configuration), log_(log) {}

  std::optional<Failure> Prepare();
  std::optional<Failure> Open();
  std::optional<Failure> Start();

  // Answers and publishes what was accepted, and closes the folder. After a Start that failed too:
  // gRPC, and what Start makes behind it, may be missing then.
  std::optional<Failure> Stop();

  std::string ready_text() const;
  void ReportAddresses() const;

 private:
  void StartEngine();
  std::unique_ptr<engine::IndexBuilder> MakeIndexBuilder();
  void StartSearches();
  absl::Status OpenAlerts();
  absl::Status StartDoors();
  void StartUpkeep();

  const Configuration& configuration_;
  upkeep::OperationalLog* const log_;
  record::SchemaSet any_types_;
  json::MessageTypes message_types_;
  const record::RuleContext rules_{&any_types_};
  Listening listening_;
  std::unique_ptr<ledger::Ledger> ledger_;
  metrics::Registry metrics_;
  note::Policy policy_;
  std::unique_ptr<upkeep::WitnessFeed> witnesses_;  // tells the ledger; is told by the engine
  upkeep::SystemEvents system_events_;
  std::unique_ptr<engine::IndexBuilder> index_builder_;  // is told by the engine
  upkeep::TimeStampSettings time_stamps_;
  std::unique_ptr<upkeep::TimeStamper> time_stamper_;
  std::unique_ptr<engine::Engine> engine_;
  upkeep::AlertPlan alert_plan_;
  std::unique_ptr<search::Searches> searches_;  // both doors ask it
  uint64_t metrics_ticket_ = 0;
  std::unique_ptr<upkeep::Alerts> alerts_;
  std::unique_ptr<service::GrpcServer> grpc_;
  std::unique_ptr<ServerMetrics> server_metrics_;
  std::unique_ptr<engine::AppendDoor> append_door_;  // wakes the loop of gRPC
  std::unique_ptr<upkeep::ProducerFollower> producers_;
  std::unique_ptr<upkeep::LifeLog> life_log_;  // writes through that
  std::unique_ptr<HttpDoor> http_;             // its routes know of all the others
};

}  // namespace graven::server
