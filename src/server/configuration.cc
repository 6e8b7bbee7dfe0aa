#include "server/configuration.h"

#include <fmt/format.h>

#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <string_view>
#include <utility>

// Compiled here and nowhere else.
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

#include "base/encoding.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "http/url.h"
#include "search/alert.h"

namespace graven::server {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

absl::Status WrongKey(std::string_view key, std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("{}: {}", SafeText(key), what));
}

// What a table may hold: a reader for each key. A key that is not there is an error, because a
// misspelled one must not be ignored.
using Readers =
    std::map<std::string, std::function<absl::Status(const toml::node&, const std::string&)>,
             std::less<>>;

absl::Status ReadTable(const toml::table& table, const std::string& prefix,
                       const Readers& readers) {
  for (const auto& [key, node] : table) {
    const std::string path = prefix + std::string(key.str());
    const auto reader = readers.find(key.str());
    if (reader == readers.end()) return WrongKey(path, "is not a key that this version knows");
    RETURN_IF_ERROR(reader->second(node, path));
  }
  return absl::OkStatus();
}

auto Text(std::string* out) {
  return [out](const toml::node& node, const std::string& path) {
    const auto value = node.value_exact<std::string>();
    if (!value) return WrongKey(path, "must be a string");
    *out = *value;
    return absl::OkStatus();
  };
}

auto Word(std::string* out, std::vector<std::string> allowed) {
  return [out, allowed = std::move(allowed)](const toml::node& node, const std::string& path) {
    RETURN_IF_ERROR(Text(out)(node, path));
    for (const std::string& word : allowed) {
      if (*out == word) return absl::OkStatus();
    }
    return WrongKey(path, fmt::format("must be one of {}", fmt::join(allowed, ", ")));
  };
}

auto Texts(std::vector<std::string>* out) {
  return [out](const toml::node& node, const std::string& path) {
    const toml::array* values = node.as_array();
    if (values == nullptr) return WrongKey(path, "must be a list of strings");
    out->clear();
    for (const toml::node& value : *values) {
      RETURN_IF_ERROR(Text(&out->emplace_back())(value, path));
    }
    return absl::OkStatus();
  };
}

auto Truth(bool* out) {
  return [out](const toml::node& node, const std::string& path) {
    const auto value = node.value_exact<bool>();
    if (!value) return WrongKey(path, "must be true or false");
    *out = *value;
    return absl::OkStatus();
  };
}

auto Number(uint64_t* out, uint64_t min, uint64_t max) {
  return [=](const toml::node& node, const std::string& path) {
    const auto value = node.value_exact<int64_t>();
    if (!value || *value < 0 || static_cast<uint64_t>(*value) < min ||
        static_cast<uint64_t>(*value) > max) {
      return WrongKey(path, fmt::format("must be a number from {} to {}", min, max));
    }
    *out = static_cast<uint64_t>(*value);
    return absl::OkStatus();
  };
}

auto Table(Readers readers) {
  return [readers = std::move(readers)](const toml::node& node, const std::string& path) {
    const toml::table* table = node.as_table();
    if (table == nullptr) return WrongKey(path, "must be a table");
    return ReadTable(*table, path + ".", readers);
  };
}

// Tables of one kind, [[path]]: `make` adds a row and yields its readers.
auto Rows(std::function<Readers()> make) {
  return [make = std::move(make)](const toml::node& node, const std::string& path) {
    const toml::array* rows = node.as_array();
    if (rows == nullptr) return WrongKey(path, fmt::format("must be tables, [[{}]]", path));
    size_t number = 0;
    for (const toml::node& row : *rows) {
      RETURN_IF_ERROR(Table(make())(row, fmt::format("{}[{}]", path, number++)));
    }
    return absl::OkStatus();
  };
}

Readers LimitReaders(Limits* limits) {
  return {
      {"disk_reserve_bytes", Number(&limits->disk_reserve_bytes, 0, uint64_t{1} << 50)},
      {"queue_bytes", Number(&limits->queue_bytes, kMiB, uint64_t{64} << 30)},
      {"duplicate_table_bytes", Number(&limits->duplicate_table_bytes, kMiB, uint64_t{64} << 30)},
      {"journal_file_bytes", Number(&limits->journal_file_bytes, 16 * kMiB, uint64_t{2} << 30)},
      {"journal_files", Number(&limits->journal_files, 3, 1024)},
      {"tailers", Number(&limits->tailers, 1, 100'000)},
      {"streams", Number(&limits->streams, 1, 100'000)},
      {"grpc_memory_bytes", Number(&limits->grpc_memory_bytes, 64 * kMiB, uint64_t{64} << 30)},
  };
}

Readers HttpReaders(HttpSettings* http) {
  return {
      {"listen", Texts(&http->listen)},
      {"path_prefix", Text(&http->path_prefix)},
      {"public_url", Text(&http->public_url)},
      {"public_grpc", Text(&http->public_grpc)},
      {"allowed_hosts", Texts(&http->allowed_hosts)},
      {"cors_origins", Texts(&http->cors_origins)},
      {"connections", Number(&http->connections, 16, 100'000)},
  };
}

Readers AlertReaders(upkeep::AlertSettings* alert) {
  return {
      {"name", Text(&alert->name)},
      {"log", Text(&alert->log)},
      {"query", Text(&alert->query)},
      {"by", Text(&alert->by)},
      {"threshold", Number(&alert->threshold, 1, search::kAlertThresholdMax)},
      {"window_s", Number(&alert->window_s, 1, 31 * 86'400)},
  };
}

Readers TopReaders(Configuration* configuration) {
  TlsFiles* tls = &configuration->tls;
  auto* authentication = &configuration->authentication;
  return {
      {"data", Text(&configuration->data)},
      {"listen", Texts(&configuration->listen)},
      {"guard", Text(&configuration->guard)},
      {"descriptor_sets", Texts(&configuration->descriptor_sets)},
      {"tls", Table({{"certificate", Text(&tls->certificate)},
                     {"key", Text(&tls->key)},
                     {"client_ca", Text(&tls->client_ca)}})},
      {"http", Table(HttpReaders(&configuration->http))},
      {"client", Rows([authentication] {
         engine::CertificateIdentity& row = authentication->certificates.emplace_back();
         return Readers{{"name", Text(&row.name)}, {"identity", Text(&row.identity)}};
       })},
      {"token", Rows([authentication] {
         engine::TokenIdentity& row = authentication->tokens.emplace_back();
         return Readers{{"sha256", Text(&row.sha256_hex)}, {"identity", Text(&row.identity)}};
       })},
      {"logging",
       Table({{"level",
               Word(&configuration->log_level, {"debug", "info", "warn", "warning", "error"})},
              {"format", Word(&configuration->log_format, {"text", "json"})},
              {"slow_append_ms", Number(&configuration->slow_append_ms, 0, 3'600'000)}})},
      {"witnesses", Table({{"policy", Text(&configuration->witness_policy)}})},
      {"alert",
       Rows([configuration] { return AlertReaders(&configuration->alerts.emplace_back()); })},
      {"webhook", Table({{"url", Text(&configuration->webhook.url)},
                         {"secret_file", Text(&configuration->webhook.secret_file)},
                         {"allow_hosts", Texts(&configuration->webhook.allow_hosts)},
                         {"values", Truth(&configuration->webhook.values)}})},
      {"scrub", Table({{"cpu_percent", Number(&configuration->scrub_cpu_percent, 1, 100)},
                       {"bytes_per_second",
                        Number(&configuration->scrub_bytes_per_second, kMiB, uint64_t{64} << 30)},
                       {"round_pause_s", Number(&configuration->scrub_round_pause_s, 1, 86'400)}})},
      {"system_log",
       Table({{"counters_every_s", Number(&configuration->system_counters_every_s, 1, 86'400)}})},
      {"timestamps",
       Table({{"url", Text(&configuration->time_stamps.url)},
              {"ca", Text(&configuration->time_stamps.ca)},
              {"tls_ca", Text(&configuration->time_stamps.tls_ca)},
              {"interval_s", Number(&configuration->time_stamps.interval_s, 1, uint64_t{86'400})},
              {"timeout_s", Number(&configuration->time_stamps.timeout_s, 1, uint64_t{600})}})},
      {"limits", Table(LimitReaders(&configuration->limits))},
  };
}

absl::Status CheckTls(const Configuration& configuration) {
  const TlsFiles& tls = configuration.tls;
  if (tls.certificate.empty() != tls.key.empty()) {
    return absl::InvalidArgumentError("tls.certificate and tls.key: both or none");
  }
  if (!tls.client_ca.empty() && !tls.enabled()) {
    return absl::InvalidArgumentError("tls.client_ca needs tls.certificate and tls.key");
  }
  if (!configuration.authentication.certificates.empty() && tls.client_ca.empty()) {
    return absl::InvalidArgumentError("[[client]] needs tls.client_ca");
  }
  return absl::OkStatus();
}

absl::Status CheckTimeStamps(const TimeStampConfiguration& stamps) {
  if (stamps.url.empty() && stamps.ca.empty()) return absl::OkStatus();
  if (stamps.url.empty() || stamps.ca.empty()) {
    return absl::InvalidArgumentError("timestamps.url and timestamps.ca: both or none");
  }
  const absl::Status url = http::ParseUrl(stamps.url).status();
  if (url.ok()) return absl::OkStatus();
  return WrongKey("timestamps.url", std::string(url.message()));
}

// A file that the configuration names, with what is in it: the path alone would stay when somebody
// puts another policy there.
std::string NamedFile(const std::string& path) {
  if (path.empty()) return "";
  const absl::StatusOr<std::string> bytes = ReadWholeFile(path);
  return path + " " + (bytes.ok() ? HexEncode(Sha256(*bytes)) : "unreadable");
}

}  // namespace

absl::StatusOr<Configuration> ParseConfiguration(const std::string& text, const std::string& name) {
  Configuration configuration;
  try {
    const toml::table table = toml::parse(text, name);
    absl::Status read = ReadTable(table, "", TopReaders(&configuration));
    if (read.ok()) read = CheckTls(configuration);
    if (read.ok()) read = CheckTimeStamps(configuration.time_stamps);
    if (read.ok() &&
        configuration.webhook.url.empty() != configuration.webhook.secret_file.empty()) {
      read = absl::InvalidArgumentError("webhook.url and webhook.secret_file: both or none");
    }
    if (!read.ok()) {
      return absl::InvalidArgumentError(fmt::format("{}: {}", name, std::string(read.message())));
    }
  } catch (const toml::parse_error& error) {
    return absl::InvalidArgumentError(
        fmt::format("{}:{}: {}", name, error.source().begin.line, SafeText(error.description())));
  }
  configuration.authentication.client_certificates = !configuration.tls.client_ca.empty();
  return configuration;
}

std::string ConfigurationText(const Configuration& configuration) {
  std::string text;
  const auto line = [&text](std::string_view key, const auto& value) {
    text += fmt::format("{}={}\n", key, value);
  };
  line("data", configuration.data);
  for (const std::string& address : configuration.listen) line("listen", address);
  line("guard", configuration.guard);
  for (const std::string& address : configuration.http.listen) line("http.listen", address);
  line("http.path_prefix", configuration.http.path_prefix);
  line("http.public_url", configuration.http.public_url);
  line("http.public_grpc", configuration.http.public_grpc);
  for (const std::string& host : configuration.http.allowed_hosts) line("http.host", host);
  for (const std::string& origin : configuration.http.cors_origins) line("http.cors", origin);
  line("http.connections", configuration.http.connections);
  line("witness_policy", NamedFile(configuration.witness_policy));
  line("tls.certificate", NamedFile(configuration.tls.certificate));
  line("tls.key", configuration.tls.key);
  line("tls.client_ca", NamedFile(configuration.tls.client_ca));
  for (const engine::TokenIdentity& token : configuration.authentication.tokens) {
    line("token", token.sha256_hex + " " + token.identity);
  }
  for (const engine::CertificateIdentity& row : configuration.authentication.certificates) {
    line("client", row.name + " " + row.identity);
  }
  line("insecure_listen_on_the_network", configuration.insecure_listen_on_the_network);
  for (const std::string& file : configuration.descriptor_sets)
    line("descriptor_set", NamedFile(file));
  line("log_level", configuration.log_level);
  line("log_format", configuration.log_format);
  line("slow_append_ms", configuration.slow_append_ms);
  line("scrub",
       fmt::format("{} {} {}", configuration.scrub_cpu_percent,
                   configuration.scrub_bytes_per_second, configuration.scrub_round_pause_s));
  line("system_log.counters_every_s", configuration.system_counters_every_s);
  const TimeStampConfiguration& stamps = configuration.time_stamps;
  line("timestamps", fmt::format("{} {} {}", stamps.url, stamps.interval_s, stamps.timeout_s));
  line("timestamps.ca", NamedFile(stamps.ca));
  line("timestamps.tls_ca", NamedFile(stamps.tls_ca));
  for (const upkeep::AlertSettings& alert : configuration.alerts) {
    line("alert", fmt::format("{} {} {} {} {} {}", alert.name, alert.log, alert.threshold,
                              alert.window_s, alert.by, alert.query));
  }
  line("webhook", configuration.webhook.url);
  line("webhook.values", configuration.webhook.values);
  line("webhook.secret", NamedFile(configuration.webhook.secret_file));
  for (const std::string& host : configuration.webhook.allow_hosts) line("webhook.host", host);
  const Limits& limits = configuration.limits;
  line("limits",
       fmt::format("{} {} {} {} {} {} {} {}", limits.disk_reserve_bytes, limits.queue_bytes,
                   limits.duplicate_table_bytes, limits.journal_file_bytes, limits.journal_files,
                   limits.tailers, limits.streams, limits.grpc_memory_bytes));
  return text;
}

absl::StatusOr<Configuration> LoadConfiguration(const ServeOptions& options) {
  Configuration configuration;
  if (!options.config_file.empty()) {
    std::ifstream file(options.config_file);
    if (!file) {
      return absl::NotFoundError(
          fmt::format("{}: the configuration file cannot be read", options.config_file));
    }
    std::stringstream text;
    text << file.rdbuf();
    ASSIGN_OR_RETURN(configuration, ParseConfiguration(text.str(), options.config_file));
  }
  if (!options.data.empty()) configuration.data = options.data;
  if (!options.listen.empty()) configuration.listen = options.listen;
  if (!options.http.empty()) configuration.http.listen = options.http;
  if (!options.guard.empty()) configuration.guard = options.guard;
  if (!options.policy.empty()) configuration.witness_policy = options.policy;
  if (!options.descriptor_sets.empty()) configuration.descriptor_sets = options.descriptor_sets;
  if (!options.log_level.empty()) configuration.log_level = options.log_level;
  if (!options.log_format.empty()) configuration.log_format = options.log_format;
  if (options.slow_append_ms) configuration.slow_append_ms = *options.slow_append_ms;
  configuration.ready_file = options.ready_file;
  configuration.insecure_listen_on_the_network = options.insecure_listen_on_the_network;
  if (configuration.listen.empty()) configuration.listen.push_back(kDefaultListen);
  if (configuration.data.empty()) {
    return absl::InvalidArgumentError(
        "the data folder is required: --data DIR, or `data` in the "
        "configuration file");
  }
  return configuration;
}

absl::StatusOr<ListenAddress> ParseAllowedAddress(const Configuration& configuration,
                                                  const std::string& text) {
  ASSIGN_OR_RETURN(ListenAddress address, ParseListenAddress(text));
  const engine::AuthenticationOptions& authentication = configuration.authentication;
  const bool protected_by_both =
      configuration.tls.enabled() &&
      (!authentication.tokens.empty() || authentication.client_certificates);
  if (!protected_by_both && !configuration.insecure_listen_on_the_network && !IsLocal(address)) {
    return absl::InvalidArgumentError(fmt::format(
        "{} can be reached from the network, where anybody could write and read along: configure "
        "[tls] and tokens or client certificates, or say --insecure-listen-on-the-network",
        text));
  }
  return address;
}

absl::StatusOr<note::Policy> ReadPolicy(const std::string& path) {
  if (path.empty()) return note::Policy();
  std::ifstream file(path, std::ios::binary);
  std::string text(note::kPolicyBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || file.gcount() == 0) {
    return absl::NotFoundError(fmt::format("policy {}: cannot be read, or is empty", path));
  }
  text.resize(static_cast<size_t>(file.gcount()));
  auto policy = note::Policy::Parse(text);
  if (!policy.ok()) {
    return absl::InvalidArgumentError(
        fmt::format("{}: {}", path, std::string(policy.status().message())));
  }
  return *std::move(policy);
}

absl::StatusOr<std::string> ReadWholeFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) return absl::NotFoundError(fmt::format("{}: cannot be read", path));
  return text.str();
}

}  // namespace graven::server
