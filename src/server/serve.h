#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// The server as one call: opens the data folder, listens, serves until it is told to stop, and
// closes cleanly. It is the one place that joins ledger, service and the operating system.
namespace graven::server {

// What the command line says. Empty means: as the configuration file says, else the default.
struct ServeOptions {
  // Folder of the logs. Required here or in the configuration file.
  std::string data;
  // HOST:PORT (port 0: the system chooses) or unix:PATH. Default 127.0.0.1:7465.
  std::vector<std::string> listen;
  // The same for HTTP. Default: none.
  std::vector<std::string> http;
  // TOML; every key is in deploy/graven.toml. An unknown key is an error.
  std::string config_file;
  // Receives one JSON object once the server is ready, in one step. Removed at the start if it is
  // there, and again when the server stops.
  std::string ready_file;
  // File of the guard; default inside the data folder. Best on another disk.
  std::string guard;
  // Policy file (C2SP tlog-policy): the witnesses whose quorum a checkpoint needs to be served.
  std::string policy;
  // FileDescriptorSets whose types an Any may hold.
  std::vector<std::string> descriptor_sets;
  // "debug", "info", "warn" (or "warning") or "error".
  std::string log_level;
  // "text" or "json".
  std::string log_format;
  // Appends that take longer to become durable go into the operational log with the stages they
  // spent it in; 0: none do.
  std::optional<uint64_t> slow_append_ms;
  // Allows an address that is not loopback without TLS and authentication.
  bool insecure_listen_on_the_network = false;
};

inline constexpr const char* kDefaultListen = "127.0.0.1:7465";

// Serves until SIGTERM or SIGINT; then everything accepted is made durable, answered and published.
// Blocks; owns the process's signals meanwhile. Returns the exit code: 0 after a clean stop, 1 when
// writes had stopped because the disk failed, 2 for wrong options or configuration, 3 when the
// folder or a file could not be opened, the ready file not be written or an address not be listened
// on. What went wrong is in the
// operational log.
int RunServer(const ServeOptions& options);

}  // namespace graven::server
