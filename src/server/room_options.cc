#include "server/room_options.h"

#include <fmt/format.h>
#include <grpcpp/security/server_credentials.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/encoding.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "note/time_stamp.h"
#include "server/answer_key.h"

namespace graven::server {
namespace {

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

}  // namespace

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
                                        metrics::Registry* metrics, upkeep::SystemEvents* events,
                                        upkeep::OperationalLog* log) {
  engine::EngineOptions options;
  options.queue_bytes_max = configuration.limits.queue_bytes;
  options.metrics = metrics;
  options.slow_append_ns = static_cast<int64_t>(configuration.slow_append_ms) * 1'000'000;
  options.scrub.cpu_percent = static_cast<uint32_t>(configuration.scrub_cpu_percent);
  options.scrub.bytes_per_second = configuration.scrub_bytes_per_second;
  options.scrub.round_pause_ns =
      static_cast<int64_t>(configuration.scrub_round_pause_s) * 1'000'000'000;
  options.scrub.watch_ns = std::min(options.scrub.watch_ns, options.scrub.round_pause_ns);
  options.on_scrub_finding = [log, events](const scrub::Finding& finding) {
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

upkeep::LifeLog::Facts MakeLifeFacts(const Configuration& configuration,
                                     const search::Searches& searches) {
  upkeep::LifeLog::Facts facts;
  facts.version = GRAVEN_VERSION;
  facts.configuration_sha256 = HexEncode(Sha256(ConfigurationText(configuration)));
  facts.counters_every_ns =
      static_cast<int64_t>(configuration.system_counters_every_s) * 1'000'000'000;
  if (searches.signer()) {
    facts.other_keys.emplace_back(kAnswerKeyName, searches.signer()->verifier().Format());
  }
  return facts;
}

absl::StatusOr<upkeep::TimeStampSettings> ReadTimeStampSettings(
    const Configuration& configuration) {
  const TimeStampConfiguration& wanted = configuration.time_stamps;
  upkeep::TimeStampSettings settings;
  if (wanted.url.empty()) return settings;
  settings = {wanted.url, "", wanted.tls_ca, wanted.interval_s, wanted.timeout_s};
  ASSIGN_OR_RETURN(settings.trusted_pem, ReadWholeFile(wanted.ca));
  const absl::Status checked = note::CheckTrustedCertificates(settings.trusted_pem);
  if (checked.ok()) return settings;
  return absl::InvalidArgumentError(
      fmt::format("timestamps.ca: {}: {}", wanted.ca, std::string(checked.message())));
}

}  // namespace graven::server
