#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/authenticator.h"
#include "note/policy.h"
#include "server/listen_address.h"
#include "server/serve.h"
#include "upkeep/alert_plan.h"

namespace graven::server {

struct TlsFiles {
  std::string certificate;
  std::string key;
  std::string client_ca;
  bool enabled() const { return !certificate.empty(); }
};

struct Limits {
  uint64_t disk_reserve_bytes = uint64_t{256} << 20;
  uint64_t queue_bytes = uint64_t{64} << 20;
  uint64_t duplicate_table_bytes = uint64_t{128} << 20;
  uint64_t journal_file_bytes = uint64_t{64} << 20;
  uint64_t journal_files = 16;
  uint64_t tailers = 1024;
  uint64_t streams = 1024;
  uint64_t grpc_memory_bytes = uint64_t{512} << 20;
};

struct HttpSettings {
  std::vector<std::string> listen;  // as of gRPC; none: no HTTP
  std::string path_prefix;
  std::string public_url;   // where people find the page, for links; "": nobody said
  std::string public_grpc;  // where people find gRPC, as a URL, when it is not its own port
  std::vector<std::string> allowed_hosts;
  std::vector<std::string> cors_origins;
  uint64_t connections = 1024;
};

// One authority of RFC 3161; without a URL there is none.
struct TimeStampConfiguration {
  std::string url;
  std::string ca;      // file: what its tokens must lead to
  std::string tls_ca;  // file; of an https URL
  uint64_t interval_s = 60;
  uint64_t timeout_s = 15;  // of one question, from the connection to the whole answer
};

// Everything that the server goes by: the configuration file, with the flags on top.
struct Configuration {
  std::string data;
  std::vector<std::string> listen;
  std::string guard;
  std::string ready_file;
  HttpSettings http;
  TlsFiles tls;
  engine::AuthenticationOptions authentication;
  std::string log_level = "info";
  std::string log_format = "text";
  uint64_t slow_append_ms = 0;
  uint64_t scrub_cpu_percent = 5;
  uint64_t scrub_bytes_per_second = 20'000'000;
  uint64_t scrub_round_pause_s = 60;
  uint64_t system_counters_every_s = 3600;
  Limits limits;
  std::vector<std::string> descriptor_sets;
  std::string witness_policy;  // file
  TimeStampConfiguration time_stamps;
  std::vector<upkeep::AlertSettings> alerts;
  upkeep::WebhookSettings webhook;
  bool insecure_listen_on_the_network = false;
};

// Reads the configuration file that `options` names, if it does, and lays the flags over it.
// kInvalidArgument: names file and key; unknown keys too. kNotFound: no such file.
absl::StatusOr<Configuration> LoadConfiguration(const ServeOptions& options);

// What the server goes by, in a form that is the same whenever it is; its hash goes into the log
// `_system`. Of files that are named it has the hash as well, but for private keys. Holds no
// secret: tokens are hashes here already.
std::string ConfigurationText(const Configuration& configuration);

// As LoadConfiguration without flags, from the text of a file, for which errors use `name`.
absl::StatusOr<Configuration> ParseConfiguration(const std::string& text, const std::string& name);

// kInvalidArgument: no address, or one that can be reached from the network although not both of
// TLS and authentication are configured and nobody said that this is meant.
absl::StatusOr<ListenAddress> ParseAllowedAddress(const Configuration& configuration,
                                                  const std::string& text);

// The policy in a file; without a path, one that wants no witnesses. kNotFound: no such file.
// kInvalidArgument: names the file, the line and the field.
absl::StatusOr<note::Policy> ReadPolicy(const std::string& path);

// kNotFound: names the file.
absl::StatusOr<std::string> ReadWholeFile(const std::string& path);

}  // namespace graven::server
