#include "server/witness_serve.h"

#include <fmt/format.h>
#include <unistd.h>

#include <exception>
#include <fstream>
#include <iterator>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "base/random.h"
#include "base/status_macros.h"
#include "http/server.h"
#include "io/file_system.h"
#include "server/exit_codes.h"
#include "server/readiness.h"
#include "server/stop_signals.h"
#include "upkeep/operational_log.h"
#include "witness/witness.h"
#include "witness/witness_site.h"

namespace graven::server {
namespace {

constexpr int64_t kWitnessPatienceMs = 5'000;
constexpr size_t kKeyFileBytesMax = 4096;

// A vkey, or a file that holds one: every vkey has plus signs.
absl::StatusOr<note::VerifierKey> ReadLogKey(const std::string& text) {
  std::string vkey = text;
  if (vkey.find('+') == vkey.npos) {
    std::ifstream file(text, std::ios::binary);
    vkey.resize(kKeyFileBytesMax);
    file.read(vkey.data(), static_cast<std::streamsize>(vkey.size()));
    vkey.resize(static_cast<size_t>(file.gcount()));
    vkey.resize(vkey.find_last_not_of(" \t\r\n") + 1);
  }
  auto key = note::VerifierKey::Parse(vkey);
  if (key.ok()) return key;
  return absl::InvalidArgumentError(
      fmt::format("--log {}: {}", text, std::string(key.status().message())));
}

std::string WitnessReadyText(const http::Server& server, const witness::Witness& witness) {
  std::string addresses;
  for (const std::string& address : server.addresses()) {
    addresses += fmt::format("{}{}", addresses.empty() ? "" : ", ", upkeep::JsonText(address));
  }
  return fmt::format("{{\"pid\": {}, \"http\": [{}], \"name\": {}, \"vkey\": {}}}\n", getpid(),
                     addresses, upkeep::JsonText(witness.key().name()),
                     upkeep::JsonText(witness.key().Format()));
}

int WitnessUntilStopped(const WitnessServeOptions& options, StopSignals& signals,
                        upkeep::OperationalLog* log) {
  const auto fail = [log](int code, const absl::Status& status) {
    log->Error(std::string(status.message()));
    return code;
  };
  ReadyFile ready(options.ready_file);
  if (absl::Status cleared = ready.Clear(); !cleared.ok()) return fail(kExitCannotOpen, cleared);
  witness::WitnessOptions witness_options{options.data, options.name, {}};
  for (const std::string& text : options.logs) {
    auto key = ReadLogKey(text);
    if (!key.ok()) return fail(kExitUsage, key.status());
    witness_options.logs.push_back(*std::move(key));
  }
  auto witness =
      witness::Witness::Open(io::PosixFileSystem(), SystemClock(), SystemRandom(), witness_options);
  if (!witness.ok()) {
    return fail(absl::IsInvalidArgument(witness.status()) ? kExitUsage : kExitCannotOpen,
                witness.status());
  }
  witness::WitnessSite site(**witness);
  http::ServerOptions server_options;
  server_options.listen = options.listen;
  if (server_options.listen.empty()) server_options.listen.push_back(kDefaultWitnessListen);
  server_options.browser.allowed_hosts = options.hosts;
  auto server = http::Server::Start(site, std::move(server_options));
  if (!server.ok()) {
    return fail(absl::IsInvalidArgument(server.status()) ? kExitUsage : kExitCannotOpen,
                server.status());
  }
  if (absl::Status told = ready.Write(WitnessReadyText(**server, **witness)); !told.ok()) {
    return fail(kExitCannotOpen, told);
  }
  log->Info(fmt::format("witness {} cosigns {} logs", (*witness)->key().Format(),
                        (*witness)->Logs().size()));
  for (const std::string& address : (*server)->addresses()) log->Info("listening on " + address);
  NotifyServiceManager("READY=1");
  const int signal = signals.Wait();
  NotifyServiceManager("STOPPING=1");
  ready.Remove();
  (*server)->Stop(kWitnessPatienceMs);
  const witness::WitnessCounters counters = (*witness)->counters();
  log->Info(
      fmt::format("stopped on signal {}: {} cosigned, {} conflicts, {} inconsistent, {} "
                  "refused, {} failed",
                  signal, counters.cosigned, counters.conflicts, counters.inconsistent,
                  counters.refused, counters.failed));
  return kExitDone;
}

}  // namespace

int RunWitness(const WitnessServeOptions& options) {
  StopSignals signals;
  upkeep::OperationalLog log(options.log_level, options.log_format);
  try {
    return WitnessUntilStopped(options, signals, &log);
  } catch (const std::exception& error) {
    log.Error(error.what());
    return kExitCannotOpen;
  }
}

}  // namespace graven::server
