#include "server/serve.h"

#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>

#include <exception>
#include <optional>
#include <string>

#include "server/configuration.h"
#include "server/exit_codes.h"
#include "server/readiness.h"
#include "server/running.h"
#include "server/stop_signals.h"
#include "upkeep/operational_log.h"

namespace graven::server {
namespace {

using upkeep::OperationalLog;

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

void WaitForStop(StopSignals& signals, OperationalLog* log) {
  NotifyServiceManager("READY=1");
  const int signal = signals.Wait();
  NotifyServiceManager("STOPPING=1");
  log->Info(fmt::format("stopping on signal {}: answering what was accepted", signal));
}

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
