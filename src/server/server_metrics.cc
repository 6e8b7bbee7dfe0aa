#include "server/server_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include "upkeep/disk_forecast.h"

namespace graven::server {
namespace {

constexpr double kSecondsPerNs = 1e-9;

double AsDouble(uint64_t value) { return static_cast<double>(value); }

// The process as /proc shows it; what cannot be read stays as it was.
void SetProcess(metrics::Registry& registry) {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
    };
    registry.MakeCounter(metrics::kProcessCpu)
        .RaiseTo(seconds(usage.ru_utime) + seconds(usage.ru_stime));
  }
  std::ifstream statm("/proc/self/statm");
  uint64_t pages = 0, resident_pages = 0;
  if (statm >> pages >> resident_pages) {
    const auto page_bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    registry.MakeGauge(metrics::kProcessVirtual).Set(AsDouble(pages * page_bytes));
    registry.MakeGauge(metrics::kProcessResident).Set(AsDouble(resident_pages * page_bytes));
  }
  rlimit handles{};
  if (getrlimit(RLIMIT_NOFILE, &handles) == 0) {
    registry.MakeGauge(metrics::kProcessMaxFds).Set(AsDouble(handles.rlim_cur));
  }
  std::error_code failed;
  uint64_t open = 0;
  for (std::filesystem::directory_iterator entry("/proc/self/fd", failed), end;
       !failed && entry != end; entry.increment(failed)) {
    ++open;
  }
  // The one that lists them is not the process's.
  if (open > 0) registry.MakeGauge(metrics::kProcessOpenFds).Set(AsDouble(open - 1));
}

}  // namespace

class ServerMetrics::Collection {
 public:
  Collection(metrics::Registry& registry, ledger::Ledger& ledger, engine::Engine& engine,
             const service::GrpcServer& server, const HttpDoor& http, Clock& clock)
      : registry_(registry),
        ledger_(ledger),
        engine_(engine),
        server_(server),
        http_(http),
        clock_(clock) {
    registry.MakeGauge(metrics::kBuildInfo, {GRAVEN_VERSION}).Set(1);
    registry.MakeGauge(metrics::kProcessStartTime)
        .Set(static_cast<double>(clock.WallNs()) * kSecondsPerNs);
    ticket_ = registry.Refresh([this] { Set(); });
  }
  ~Collection() { registry_.StopRefreshing(ticket_); }

 private:
  void Set() {
    const ledger::LedgerStatus status = ledger_.status();
    SetStatus(status);
    SetDisk(status);
    for (const ledger::LogRef log : ledger_.Logs()) SetLog(log);
    registry_.MakeGauge(metrics::kQueueBytes).Set(AsDouble(engine_.sequencer().queued_bytes()));
    registry_.MakeGauge(metrics::kTailers).Set(AsDouble(server_.tailers()));
    registry_.MakeGauge(metrics::kTailerLag).Set(AsDouble(server_.tailer_lag_records()));
    SetHttp();
    SetProcess(registry_);
  }

  void SetHttp() {
    constexpr std::string_view kClasses[] = {"1xx", "2xx", "3xx", "4xx", "5xx"};
    const http::Server* server = http_.server();
    const http::ServerCounters counters =
        server == nullptr ? http::ServerCounters{} : server->counters();
    // The server itself never sends a 1xx as its answer.
    for (size_t i = 1; i < counters.answers.size(); ++i) {
      registry_.MakeCounter(metrics::kHttpAnswers, {kClasses[i]})
          .RaiseTo(AsDouble(counters.answers[i]));
    }
    registry_.MakeGauge(metrics::kHttpConnections).Set(AsDouble(counters.connections));
    registry_.MakeCounter(metrics::kHttpEvicted).RaiseTo(AsDouble(counters.connections_evicted));
  }

  void SetStatus(const ledger::LedgerStatus& status) {
    const auto state = [&](std::string_view name, ledger::WriteState of) {
      registry_.MakeGauge(metrics::kWriteState, {name}).Set(status.write_state == of ? 1 : 0);
    };
    state("active", ledger::WriteState::kActive);
    state("disk_full", ledger::WriteState::kDiskFull);
    state("read_only", ledger::WriteState::kReadOnly);
    state("stopped", ledger::WriteState::kStopped);
    registry_.MakeGauge(metrics::kLogs).Set(AsDouble(status.log_count));
    registry_.MakeCounter(metrics::kCheckpointsSigned).RaiseTo(AsDouble(status.checkpoints_signed));
    registry_.MakeGauge(metrics::kJournalBytes).Set(AsDouble(status.journal_bytes_used));
    registry_.MakeGauge(metrics::kJournalBytesMax).Set(AsDouble(status.journal_bytes_max));
    registry_.MakeGauge(metrics::kUnsealedRecords).Set(AsDouble(status.unsealed_records));
    registry_.MakeGauge(metrics::kDuplicateTableBytes).Set(AsDouble(status.duplicate_table_bytes));
    registry_.MakeGauge(metrics::kDuplicateTableBytesMax)
        .Set(AsDouble(status.duplicate_table_bytes_max));
  }

  void SetDisk(const ledger::LedgerStatus& status) {
    registry_.MakeGauge(metrics::kDiskFreeBytes).Set(AsDouble(status.disk_free_bytes));
    registry_.MakeGauge(metrics::kDiskReserveBytes).Set(AsDouble(status.disk_reserve_bytes));
    forecast_.Look(clock_.SteadyNs(), status.disk_free_bytes);
    registry_.MakeGauge(metrics::kDiskForecast)
        .Set(forecast_.SecondsUntil(status.disk_reserve_bytes));
  }

  void SetLog(ledger::LogRef log) {
    const ledger::LogInfo info = ledger_.Info(log);
    const auto published = ledger_.GetPublished(log);
    registry_.MakeGauge(metrics::kLogPublishedRecords, {info.name})
        .Set(AsDouble(published->size.value));
    registry_.MakeGauge(metrics::kLogDurableRecords, {info.name})
        .Set(AsDouble(info.durable_size.value));
    registry_.MakeGauge(metrics::kLogReadOnly, {info.name}).Set(info.read_only ? 1 : 0);
    registry_.MakeGauge(metrics::kCheckpointTime, {info.name})
        .Set(static_cast<double>(published->signed_at_ns) * kSecondsPerNs);
  }

  metrics::Registry& registry_;
  ledger::Ledger& ledger_;
  engine::Engine& engine_;
  const service::GrpcServer& server_;
  const HttpDoor& http_;
  Clock& clock_;
  upkeep::DiskForecast forecast_;  // of one exposition at a time
  uint64_t ticket_ = 0;
};

ServerMetrics::ServerMetrics(metrics::Registry& registry, ledger::Ledger& ledger,
                             engine::Engine& engine, const service::GrpcServer& server,
                             const HttpDoor& http, Clock& clock)
    : collection_(std::make_unique<Collection>(registry, ledger, engine, server, http, clock)) {}

ServerMetrics::~ServerMetrics() = default;

}  // namespace graven::server
