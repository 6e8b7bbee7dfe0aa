#include "server/running.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/encoding.h"
#include "base/random.h"
#include "base/status_macros.h"
#include "io/durable_file.h"
#include "io/file_system.h"
#include "server/answer_key.h"
#include "server/any_types.h"
#include "server/readiness.h"
#include "web/api_routes.h"
#include "web/basic_routes.h"
#include "web/live_events.h"
#include "web/metrics_route.h"
#include "web/page_routes.h"
#include "web/search_routes.h"
#include "web/tile_routes.h"

namespace graven::server {
namespace {

constexpr int64_t kPatienceMs = 10'000;

// What to do about a folder that does not open.
std::string_view NextStep(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kPermissionDenied:
      return "run as the user who owns the folder";
    case absl::StatusCode::kDataLoss:
      return "change nothing, copy the folder, and run `graven verify --data` on the copy";
    case absl::StatusCode::kResourceExhausted:
      return "make space on the disk and start again";
    default:
      return "docs/operations.md, section \"When something is wrong\"";
  }
}

// What HTTP serves. `metrics` and all that `api` names must outlive the routes.
web::Routes MakeRoutes(web::ApiParts api, metrics::Registry& metrics, search::Searches& searches) {
  web::Routes routes;
  web::AddBasicRoutes(api.ledger, &routes);
  if (web::PageFiles().empty()) web::AddPlainFrontPage(api.ledger, GRAVEN_VERSION, &routes);
  web::AddPageRoutes(web::PageFiles(), &routes);
  web::AddTileRoutes(api.ledger, &routes);
  web::AddMetricsRoute(metrics, &routes);
  web::AddLiveRoute({api.ledger, api.hub, SystemClock(), searches.live_filters(), GRAVEN_VERSION,
                     &searches.follower_admission()},
                    &routes);
  web::AddSearchRoutes(searches, &routes);
  web::AddApiRoutes(std::move(api), &routes);
  return routes;
}

// A line of the log's manifest (docs/format.md), and the hash of all of it with this line: whoever
// makes the index again from the records must come to these.
upkeep::SystemEvent IndexFileEvent(ledger::LogRef log, const index::Chunk& file,
                                   const Hash& manifest) {
  return {"index.file",
          false,
          {{"log", log.name()},
           {"first", fmt::format("{}", file.first())},
           {"end", fmt::format("{}", file.end())},
           {"subtree_root", Base64Encode(file.header().subtree_root)},
           {"index_root", Base64Encode(file.root())},
           {"manifest", Base64Encode(manifest)}}};
}

void ReportOpening(const ledger::LedgerStatus& status, upkeep::OperationalLog* log) {
  if (!status.recovery_report.empty()) log->Warning("recovery: " + status.recovery_report);
  if (status.guard_on_data_device) {
    log->Warning(
        "the guard lies on the same device as the data: a rollback of that device takes both back. "
        "Better: guard = \"/another/disk/guard\"");
  }
  if (status.write_state != ledger::WriteState::kActive) {
    log->Error("no events are taken: " + status.write_state_reason);
  }
}

}  // namespace

int ExitCodeOf(const absl::Status& status) {
  return absl::IsNotFound(status) || absl::IsFailedPrecondition(status) ? kExitCannotOpen
                                                                        : kExitUsage;
}

std::optional<Failure> Running::Prepare() {
  if (absl::Status added =
          AddDescriptorSets(configuration_.descriptor_sets, &any_types_, &message_types_);
      !added.ok()) {
    return Failure{ExitCodeOf(added), added};
  }
  absl::StatusOr<Listening> listening = PrepareListening(configuration_);
  if (!listening.ok()) return Failure{ExitCodeOf(listening.status()), listening.status()};
  listening_ = *std::move(listening);
  absl::StatusOr<std::unique_ptr<HttpDoor>> http = HttpDoor::Prepare(configuration_);
  if (!http.ok()) return Failure{ExitCodeOf(http.status()), http.status()};
  http_ = *std::move(http);
  absl::StatusOr<note::Policy> policy = ReadPolicy(configuration_.witness_policy);
  if (!policy.ok()) return Failure{ExitCodeOf(policy.status()), policy.status()};
  policy_ = *std::move(policy);
  absl::StatusOr<upkeep::TimeStampSettings> stamps = ReadTimeStampSettings(configuration_);
  if (!stamps.ok()) return Failure{ExitCodeOf(stamps.status()), stamps.status()};
  time_stamps_ = *std::move(stamps);
  absl::StatusOr<upkeep::AlertPlan> plan = upkeep::ReadAlertPlan(
      configuration_.alerts, configuration_.webhook, configuration_.http.public_url);
  if (!plan.ok()) return Failure{ExitCodeOf(plan.status()), plan.status()};
  alert_plan_ = *std::move(plan);
  return std::nullopt;
}

std::optional<Failure> Running::Open() {
  ledger::LedgerOptions options = MakeLedgerOptions(configuration_, rules_);
  options.policy = policy_;
  absl::StatusOr<std::unique_ptr<ledger::Ledger>> opened =
      ledger::Ledger::Open(io::PosixFileSystem(), SystemClock(), SystemRandom(), options);
  if (!opened.ok()) {
    return Failure{kExitCannotOpen, opened.status(), NextStep(opened.status())};
  }
  ledger_ = *std::move(opened);
  ReportOpening(ledger_->status(), log_);
  return std::nullopt;
}

std::optional<Failure> Running::Start() {
  StartEngine();
  StartSearches();
  // Before a door is open by which somebody could make a log.
  absl::Status started = OpenAlerts();
  if (started.ok()) started = StartDoors();
  if (started.ok()) {
    StartUpkeep();
    return std::nullopt;
  }
  (void)Stop();
  return Failure{absl::IsInvalidArgument(started) ? kExitUsage : kExitCannotOpen, started};
}

void Running::StartEngine() {
  witnesses_ =
      std::make_unique<upkeep::WitnessFeed>(*ledger_, SystemClock(), policy_, metrics_, *log_);
  engine::EngineOptions options =
      MakeEngineOptions(configuration_, &metrics_, &system_events_, log_);
  index_builder_ = MakeIndexBuilder();
  options.on_published = [feed = witnesses_.get(),
                          index = index_builder_.get()](const std::vector<ledger::LogRef>& logs) {
    feed->Notify();
    index->Notify(logs);
  };
  options.on_burst = [index = index_builder_.get()](bool passes) { index->LetBurstPass(passes); };
  engine_ = std::make_unique<engine::Engine>(
      *ledger_, SystemClock(), options,
      [log = log_](const absl::Status& status) { log->Error(std::string(status.message())); });
  witnesses_->LookBeforeSigning(*engine_);
  engine_->Start();
  index_builder_->Start();
  witnesses_->Start();
  time_stamper_ = std::make_unique<upkeep::TimeStamper>(*ledger_, SystemClock(), SystemRandom(),
                                                        time_stamps_, metrics_, *log_);
  time_stamper_->Start();
}

std::unique_ptr<engine::IndexBuilder> Running::MakeIndexBuilder() {
  engine::IndexBuilderOptions options;
  options.folder = configuration_.data;
  options.on_file = [this](ledger::LogRef log, const index::Chunk& file, const Hash& manifest) {
    system_events_.Write(IndexFileEvent(log, file, manifest));
  };
  return std::make_unique<engine::IndexBuilder>(
      *ledger_, io::PosixFileSystem(), std::move(options),
      [log = log_](const std::string& text) { log->Warning(text); });
}

void Running::StartSearches() {
  searches_ = std::make_unique<search::Searches>(
      *ledger_, engine_->hub(), engine_->cosigned_hub(), SystemClock(),
      [index = index_builder_.get()](ledger::LogRef log) { return index->Chunks(log); });
  absl::StatusOr<note::SignerKey> answer_key =
      LoadAnswerKey(io::PosixFileSystem(), SystemRandom(), configuration_.data);
  // Searches answer without it; only what is to be signed is refused.
  if (answer_key.ok()) {
    searches_->SignWith(*std::move(answer_key));
  } else {
    log_->Warning(fmt::format("no statements about searches are signed: {}",
                              std::string(answer_key.status().message())));
  }
  searches_->live_filters().CountJudged(
      [judged = metrics_.MakeCounter(metrics::kLiveFilterRecords)](uint64_t records) mutable {
        judged.Add(static_cast<double>(records));
      });
  metrics_ticket_ = metrics_.Refresh([this] {
    metrics_.MakeGauge(metrics::kIndexBehind)
        .Set(static_cast<double>(index_builder_->RecordsBehind()));
    metrics_.MakeCounter(metrics::kIndexFilesReplaced)
        .RaiseTo(static_cast<double>(index_builder_->files_replaced()));
    metrics_.MakeGauge(metrics::kSearches)
        .Set(static_cast<double>(searches_->admission().running() +
                                 searches_->follower_admission().running()));
    metrics_.MakeGauge(metrics::kLiveFilters)
        .Set(static_cast<double>(searches_->live_filters().size()));
  });
}

absl::Status Running::OpenAlerts() {
  ASSIGN_OR_RETURN(
      alerts_,
      upkeep::Alerts::Open(io::PosixFileSystem(), io::JoinPath(configuration_.data, "alerts"),
                           std::move(alert_plan_), *searches_, metrics_, system_events_, *log_));
  return absl::OkStatus();
}

absl::Status Running::StartDoors() {
  service::GrpcServerOptions options =
      MakeServerOptions(configuration_, rules_, std::move(listening_.addresses));
  options.searches = searches_.get();
  options.facts.witnesses = [feed = witnesses_.get()] { return feed->Facts(); };
  ASSIGN_OR_RETURN(grpc_, service::GrpcServer::Start(*ledger_, *engine_, SystemClock(),
                                                     SystemRandom(), options));
  server_metrics_ =
      std::make_unique<ServerMetrics>(metrics_, *ledger_, *engine_, *grpc_, *http_, SystemClock());
  append_door_ = std::make_unique<engine::AppendDoor>(
      *ledger_, engine_->sequencer(), engine_->hub(), engine_->cosigned_hub(), engine_->meter(),
      rules_, SystemClock(), SystemRandom(), [this] { grpc_->WakeWriter(); });
  ASSIGN_OR_RETURN(std::optional<web::GrpcFacts> grpc_facts,
                   GrpcFactsOf(configuration_, grpc_->addresses()));
  return http_->Start(
      MakeRoutes({*ledger_, engine_->sequencer(), engine_->hub(), engine_->cosigned_hub(),
                  *append_door_, message_types_, engine_->scrub(), options.facts.witnesses,
                  GRAVEN_VERSION, options.facts.started_at_ns, std::move(grpc_facts)},
                 metrics_, *searches_));
}

void Running::StartUpkeep() {
  producers_ = std::make_unique<upkeep::ProducerFollower>(
      *ledger_, [this] { return engine_->meter().numbered_events(); }, SystemClock(), metrics_,
      *log_);
  producers_->Start();
  alerts_->Start();
  life_log_ = std::make_unique<upkeep::LifeLog>(
      *append_door_, *ledger_, MakeLifeFacts(configuration_, *searches_), system_events_, log_);
}

std::string Running::ready_text() const {
  return ReadyText(grpc_->addresses(), http_->addresses(), *ledger_);
}

void Running::ReportAddresses() const {
  for (const std::string& address : grpc_->addresses()) {
    log_->Info(fmt::format("serving {} on {}", configuration_.data, address));
  }
  for (const std::string& address : http_->addresses()) log_->Info("HTTP on " + address);
}

std::optional<Failure> Running::Stop() {
  // What came by HTTP is answered as long as the loop of gRPC makes rounds.
  http_->Stop(kPatienceMs);
  producers_.reset();
  alerts_.reset();
  // The files that it has written by now are told of. What is published from here on is for the
  // next start.
  index_builder_->Stop();
  life_log_.reset();  // the last words
  if (append_door_ != nullptr) append_door_->Stop();
  if (grpc_ != nullptr) grpc_->Stop(kPatienceMs);
  metrics_.StopRefreshing(metrics_ticket_);
  searches_->Stop();
  time_stamper_->Stop();
  witnesses_->Stop();
  engine_->Stop();
  server_metrics_.reset();
  grpc_.reset();
  const bool writes_stopped = ledger_->status().write_state == ledger::WriteState::kStopped;
  if (absl::Status closed = ledger_->Close(); !closed.ok()) {
    return Failure{kExitWritesStopped, closed, "the next start recovers"};
  }
  if (writes_stopped) return Failure{kExitWritesStopped, absl::OkStatus()};
  return std::nullopt;
}

}  // namespace graven::server
