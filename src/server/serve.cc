#include "server/serve.h"

#include <fmt/format.h>
#include <grpcpp/security/server_credentials.h>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/encoding.h"
#include "base/random.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "engine/append_door.h"
#include "engine/engine.h"
#include "engine/index_builder.h"
#include "io/durable_file.h"
#include "io/file_system.h"
#include "json/message_types.h"
#include "metrics/registry.h"
#include "note/time_stamp.h"
#include "search/searches.h"
#include "server/answer_key.h"
#include "server/any_types.h"
#include "server/configuration.h"
#include "server/exit_codes.h"
#include "server/http_door.h"
#include "server/listen_address.h"
#include "server/readiness.h"
#include "server/server_metrics.h"
#include "server/stop_signals.h"
#include "service/grpc_server.h"
#include "upkeep/alerts.h"
#include "upkeep/life_log.h"
#include "upkeep/operational_log.h"
#include "upkeep/producer_follower.h"
#include "upkeep/time_stamper.h"
#include "upkeep/witness_feed.h"
#include "web/api_routes.h"
#include "web/basic_routes.h"
#include "web/live_events.h"
#include "web/metrics_route.h"
#include "web/page_routes.h"
#include "web/search_routes.h"
#include "web/tile_routes.h"

namespace graven::server {
namespace {

using upkeep::OperationalLog;
using upkeep::SystemEvents;

constexpr int64_t kPatienceMs = 10'000;

// A thousand logs need no handle each, but clients do.
void RaiseHandleLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// What batches take and give back comes again: pages that went back to the system would have to be
// zeroed for the next one, which costs the loop a tenth of its time.
void KeepFreedMemory() {
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
  mallopt(M_MMAP_THRESHOLD, 4 << 20);
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeCredentials(
    const Configuration& configuration) {
  const TlsFiles& files = configuration.tls;
  grpc_ssl_client_certificate_request_type request = GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE;
  if (!files.client_ca.empty()) {
    // Where tokens are configured too, either of them identifies a caller.
    request = configuration.authentication.tokens.empty()
                  ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                  : GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY;
  }
  grpc::SslServerCredentialsOptions options(request);
  grpc::SslServerCredentialsOptions::PemKeyCertPair pair;
  ASSIGN_OR_RETURN(pair.private_key, ReadWholeFile(files.key));
  ASSIGN_OR_RETURN(pair.cert_chain, ReadWholeFile(files.certificate));
  options.pem_key_cert_pairs.push_back(std::move(pair));
  if (!files.client_ca.empty()) {
    ASSIGN_OR_RETURN(options.pem_root_certs, ReadWholeFile(files.client_ca));
  }
  return grpc::SslServerCredentials(options);
}

// One address after the other: what it is, whether it is safe, and its lock.
struct Listening {
  std::vector<service::GrpcListen> addresses;
  std::vector<std::unique_ptr<UnixSocketLock>> locks;
};

absl::StatusOr<Listening> PrepareListening(const Configuration& configuration) {
  Listening listening;
  std::shared_ptr<grpc::ServerCredentials> tls;
  if (configuration.tls.enabled()) {
    ASSIGN_OR_RETURN(tls, MakeCredentials(configuration));
  }
  for (const std::string& text : configuration.listen) {
    ASSIGN_OR_RETURN(ListenAddress address, ParseAllowedAddress(configuration, text));
    if (address.is_unix()) {
      ASSIGN_OR_RETURN(auto lock, UnixSocketLock::Take(address.path));
      listening.locks.push_back(std::move(lock));
    }
    // A unix socket is guarded by its folder's permissions and needs no TLS.
    listening.addresses.push_back({text, address.is_unix() ? nullptr : tls});
  }
  return listening;
}

// A file that is not there is no wrong option.
int ExitCodeOf(const absl::Status& status) {
  return absl::IsNotFound(status) || absl::IsFailedPrecondition(status) ? kExitCannotOpen
                                                                        : kExitUsage;
}

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

ledger::LedgerOptions MakeLedgerOptions(const Configuration& configuration,
                                        const record::RuleContext& rules) {
  ledger::LedgerOptions options;
  options.folder = configuration.data;
  options.guard_path = configuration.guard;
  options.journal_file_bytes = configuration.limits.journal_file_bytes;
  options.journal_files_max = static_cast<uint32_t>(configuration.limits.journal_files);
  options.disk_reserve_bytes = configuration.limits.disk_reserve_bytes;
  options.duplicate_table_bytes_max = configuration.limits.duplicate_table_bytes;
  options.effective_user = geteuid();
  options.system_log = true;
  options.rules = rules;
  return options;
}

engine::EngineOptions MakeEngineOptions(const Configuration& configuration,
                                        metrics::Registry* metrics, SystemEvents* events,
                                        OperationalLog* log) {
  engine::EngineOptions options;
  options.queue_bytes_max = configuration.limits.queue_bytes;
  options.metrics = metrics;
  options.slow_append_ns = static_cast<int64_t>(configuration.slow_append_ms) * 1'000'000;
  options.scrub.cpu_percent = static_cast<uint32_t>(configuration.scrub_cpu_percent);
  options.scrub.bytes_per_second = configuration.scrub_bytes_per_second;
  options.scrub.round_pause_ns =
      static_cast<int64_t>(configuration.scrub_round_pause_s) * 1'000'000'000;
  options.scrub.watch_ns = std::min(options.scrub.watch_ns, options.scrub.round_pause_ns);
  options.on_scrub_finding = [log, events](const ledger::ScrubFinding& finding) {
    log->Error(finding.Text());
    events->Write(upkeep::ScrubFindingEvent(finding));
  };
  options.on_slow_append = [log](const std::string& text) { log->Warning(text); };
  return options;
}

service::GrpcServerOptions MakeServerOptions(const Configuration& configuration,
                                             const record::RuleContext& rules,
                                             std::vector<service::GrpcListen> listen) {
  service::GrpcServerOptions options;
  options.listen = std::move(listen);
  options.facts.version = GRAVEN_VERSION;
  options.facts.started_at_ns = SystemClock().WallNs();
  options.authentication = configuration.authentication;
  options.rules = rules;
  options.tailers_max = configuration.limits.tailers;
  options.streams.streams_max = configuration.limits.streams;
  options.grpc_memory_bytes = configuration.limits.grpc_memory_bytes;
  return options;
}

upkeep::LifeLog::Facts MakeLifeFacts(const Configuration& configuration) {
  return {GRAVEN_VERSION, HexEncode(Sha256(ConfigurationText(configuration))),
          static_cast<int64_t>(configuration.system_counters_every_s) * 1'000'000'000};
}

// What HTTP serves. `metrics` and all that `api` names must outlive the routes.
web::Routes MakeRoutes(web::ApiParts api, metrics::Registry& metrics, search::Searches& searches) {
  web::Routes routes;
  web::AddBasicRoutes(api.ledger, &routes);
  if (web::PageFiles().empty()) web::AddPlainFrontPage(api.ledger, GRAVEN_VERSION, &routes);
  web::AddPageRoutes(web::PageFiles(), &routes);
  web::AddTileRoutes(api.ledger, &routes);
  web::AddMetricsRoute(metrics, &routes);
  web::AddLiveRoute({api.ledger, api.hub, SystemClock(), searches.live_filters(), GRAVEN_VERSION},
                    &routes);
  web::AddSearchRoutes(searches, &routes);
  web::AddApiRoutes(std::move(api), &routes);
  return routes;
}

// A line of the log's manifest (docs/format.md): whoever makes the index again from the records
// must come to this.
upkeep::SystemEvent IndexFileEvent(ledger::LogRef log, const index::Chunk& file) {
  return {"index.file",
          false,
          {{"log", log.name()},
           {"first", fmt::format("{}", file.first())},
           {"end", fmt::format("{}", file.end())},
           {"subtree_root", Base64Encode(file.header().subtree_root)},
           {"index_root", Base64Encode(file.root())}}};
}

void ReportOpening(const ledger::LedgerStatus& status, OperationalLog* log) {
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

void WaitForStop(StopSignals& signals, OperationalLog* log) {
  NotifyServiceManager("READY=1");
  const int signal = signals.Wait();
  NotifyServiceManager("STOPPING=1");
  log->Info(fmt::format("stopping on signal {}: answering what was accepted", signal));
}

// Why the server ends before its time.
struct Failure {
  int exit_code = kExitDone;
  absl::Status status;
  std::string_view next_step = {};
};

// The running server, taken up in steps: Prepare touches no folder, Open recovers the logs, Start
// takes calls.
class Running {
 public:
  Running(const Configuration& configuration, OperationalLog* log)
      : configuration_(configuration), log_(log) {}

  std::optional<Failure> Prepare() {
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
    if (absl::Status prepared = PrepareTimeStamps(); !prepared.ok()) {
      return Failure{ExitCodeOf(prepared), prepared};
    }
    absl::StatusOr<upkeep::AlertPlan> plan =
        upkeep::ReadAlertPlan(configuration_.alerts, configuration_.webhook);
    if (!plan.ok()) return Failure{ExitCodeOf(plan.status()), plan.status()};
    alert_plan_ = *std::move(plan);
    return std::nullopt;
  }

  std::optional<Failure> Open() {
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

  std::optional<Failure> Start() {
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
    StartSearches();
    service::GrpcServerOptions server_options =
        MakeServerOptions(configuration_, rules_, std::move(listening_.addresses));
    server_options.searches = searches_.get();
    server_options.facts.witnesses = [feed = witnesses_.get()] { return feed->Facts(); };
    absl::StatusOr<std::unique_ptr<service::GrpcServer>> server = service::GrpcServer::Start(
        *ledger_, *engine_, SystemClock(), SystemRandom(), server_options);
    absl::Status started = server.status();
    if (started.ok()) {
      grpc_ = *std::move(server);
      server_metrics_ = std::make_unique<ServerMetrics>(metrics_, *ledger_, *engine_, *grpc_,
                                                        *http_, SystemClock());
      append_door_ = std::make_unique<engine::AppendDoor>(
          *ledger_, engine_->sequencer(), engine_->hub(), engine_->cosigned_hub(), engine_->meter(),
          rules_, SystemClock(), SystemRandom(), [this] { grpc_->WakeWriter(); });
      started = http_->Start(MakeRoutes(
          {*ledger_, engine_->sequencer(), engine_->hub(), engine_->cosigned_hub(), *append_door_,
           message_types_, engine_->scrub(), server_options.facts.witnesses, GRAVEN_VERSION,
           server_options.facts.started_at_ns},
          metrics_, *searches_));
    }
    if (started.ok()) {
      producers_ = std::make_unique<upkeep::ProducerFollower>(
          *ledger_, [this] { return engine_->meter().numbered_events(); }, SystemClock(), metrics_,
          *log_);
      producers_->Start();
    }
    if (started.ok()) {
      absl::StatusOr<std::unique_ptr<upkeep::Alerts>> alerts =
          upkeep::Alerts::Start(io::JoinPath(configuration_.data, "alerts"), std::move(alert_plan_),
                                *searches_, metrics_, *log_);
      started = alerts.status();
      if (started.ok()) alerts_ = *std::move(alerts);
    }
    if (started.ok()) {
      life_log_ = std::make_unique<upkeep::LifeLog>(
          *append_door_, *ledger_, MakeLifeFacts(configuration_), system_events_, log_);
      return std::nullopt;
    }
    (void)Stop();
    return Failure{absl::IsInvalidArgument(started) ? kExitUsage : kExitCannotOpen, started};
  }

  void StartSearches() {
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
      metrics_.MakeGauge(metrics::kSearches)
          .Set(static_cast<double>(searches_->admission().running() +
                                   searches_->follower_admission().running()));
      metrics_.MakeGauge(metrics::kLiveFilters)
          .Set(static_cast<double>(searches_->live_filters().size()));
    });
  }

  std::string ready_text() const {
    return ReadyText(grpc_->addresses(), http_->addresses(), *ledger_);
  }
  void ReportAddresses() const {
    for (const std::string& address : grpc_->addresses()) {
      log_->Info(fmt::format("serving {} on {}", configuration_.data, address));
    }
    for (const std::string& address : http_->addresses()) log_->Info("HTTP on " + address);
  }

  // Answers and publishes what was accepted, and closes the folder. After a Start that failed too:
  // gRPC, and what Start makes behind it, may be missing then.
  std::optional<Failure> Stop() {
    // What came by HTTP is answered as long as the loop of gRPC makes rounds.
    http_->Stop(kPatienceMs);
    producers_.reset();
    life_log_.reset();  // the last words
    alerts_.reset();
    if (append_door_ != nullptr) append_door_->Stop();
    if (grpc_ != nullptr) grpc_->Stop(kPatienceMs);
    metrics_.StopRefreshing(metrics_ticket_);
    searches_->Stop();
    time_stamper_->Stop();
    witnesses_->Stop();
    engine_->Stop();
    index_builder_->Stop();
    server_metrics_.reset();
    grpc_.reset();
    const bool writes_stopped = ledger_->status().write_state == ledger::WriteState::kStopped;
    if (absl::Status closed = ledger_->Close(); !closed.ok()) {
      return Failure{kExitWritesStopped, closed, "the next start recovers"};
    }
    if (writes_stopped) return Failure{kExitWritesStopped, absl::OkStatus()};
    return std::nullopt;
  }

 private:
  std::unique_ptr<engine::IndexBuilder> MakeIndexBuilder() {
    engine::IndexBuilderOptions options;
    options.folder = configuration_.data;
    options.on_file = [this](ledger::LogRef log, const index::Chunk& file) {
      system_events_.Write(IndexFileEvent(log, file));
    };
    return std::make_unique<engine::IndexBuilder>(
        *ledger_, io::PosixFileSystem(), std::move(options),
        [log = log_](const std::string& text) { log->Warning(text); });
  }

  absl::Status PrepareTimeStamps() {
    const TimeStampConfiguration& wanted = configuration_.time_stamps;
    if (wanted.url.empty()) return absl::OkStatus();
    time_stamps_ = {wanted.url, "", wanted.tls_ca, wanted.interval_s, wanted.timeout_s};
    ASSIGN_OR_RETURN(time_stamps_.trusted_pem, ReadWholeFile(wanted.ca));
    const absl::Status checked = note::CheckTrustedCertificates(time_stamps_.trusted_pem);
    if (checked.ok()) return absl::OkStatus();
    return absl::InvalidArgumentError(
        fmt::format("timestamps.ca: {}: {}", wanted.ca, std::string(checked.message())));
  }

  const Configuration& configuration_;
  OperationalLog* const log_;
  record::SchemaSet any_types_;
  json::MessageTypes message_types_;
  const record::RuleContext rules_{&any_types_};
  Listening listening_;
  std::unique_ptr<ledger::Ledger> ledger_;
  metrics::Registry metrics_;
  note::Policy policy_;
  std::unique_ptr<upkeep::WitnessFeed> witnesses_;  // tells the ledger; is told by the engine
  SystemEvents system_events_;
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

// Serves until told to stop. What it returns is the exit code.
int ServeUntilStopped(const Configuration& configuration, StopSignals& signals,
                      OperationalLog* log) {
  const auto fail = [log](const Failure& failure) {
    if (!failure.status.ok()) {
      log->Error(fmt::format("{}{}{}", std::string(failure.status.message()),
                             failure.next_step.empty() ? "" : "; next: ", failure.next_step));
    }
    return failure.exit_code;
  };
  ReadyFile ready(configuration.ready_file);
  if (absl::Status cleared = ready.Clear(); !cleared.ok()) return fail({kExitCannotOpen, cleared});
  Running running(configuration, log);
  if (const auto failure = running.Prepare()) return fail(*failure);
  if (const auto failure = running.Open()) return fail(*failure);
  if (const auto failure = running.Start()) return fail(*failure);
  // Whoever waits for the file would wait forever: no file, no server.
  const absl::Status told = ready.Write(running.ready_text());
  if (told.ok()) {
    running.ReportAddresses();
    WaitForStop(signals, log);
  } else {
    log->Error(std::string(told.message()));
  }
  ready.Remove();
  const std::optional<Failure> failure = running.Stop();
  if (failure && !failure->status.ok()) return fail(*failure);
  log->Info("stopped");
  if (!told.ok()) return kExitCannotOpen;
  return failure ? failure->exit_code : kExitDone;
}

}  // namespace

int RunServer(const ServeOptions& options) {
  KeepFreedMemory();
  StopSignals signals;
  RaiseHandleLimit();
  absl::StatusOr<Configuration> configuration = LoadConfiguration(options);
  if (!configuration.ok()) {
    OperationalLog log(options.log_level, options.log_format);
    log.Error(std::string(configuration.status().message()));
    return ExitCodeOf(configuration.status());
  }
  OperationalLog log(configuration->log_level, configuration->log_format);
  try {
    return ServeUntilStopped(*configuration, signals, &log);
  } catch (const std::exception& error) {
    // Nothing of ours throws: a library did, most likely for want of memory. What was acknowledged
    // is on disk; the next start recovers.
    log.Error(error.what());
    return kExitWritesStopped;
  }
}

}  // namespace graven::server
