#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/authenticator.h"
#include "server/serve.h"

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

// Everything that the server goes by: the configuration file, with the flags on top.
struct Configuration {
  std::string data;
  std::vector<std::string> listen;
  std::string guard;
  std::string ready_file;
  TlsFiles tls;
  engine::AuthenticationOptions authentication;
  std::string log_level = "info";
  std::string log_format = "text";
  uint64_t slow_append_ms = 0;
  Limits limits;
  std::vector<std::string> descriptor_sets;
  bool insecure_listen_on_the_network = false;
};

// Reads the configuration file that `options` names, if it does, and lays the flags over it.
// kInvalidArgument: names file and key; unknown keys too. kNotFound: no such file.
absl::StatusOr<Configuration> LoadConfiguration(const ServeOptions& options);

// The same from the text of a file, for which errors use `name`.
absl::StatusOr<Configuration> ParseConfiguration(const std::string& text, const std::string& name);

}  // namespace graven::server
