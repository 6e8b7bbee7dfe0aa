#pragma once

#include <string>
#include <vector>

// A witness as one call: opens its folder, listens, cosigns until it is told to stop.
namespace graven::server {

struct WitnessServeOptions {
  // Folder of what the witness has seen; made when it is missing.
  std::string data;
  // HOST:PORT (port 0: the system chooses), several allowed. Default 127.0.0.1:7467.
  std::vector<std::string> listen;
  // Names beside loopback and the addresses themselves by which it is called, as in a Host header.
  std::vector<std::string> hosts;
  // Of its key, which is made at the first start.
  std::string name;
  // Public keys (C2SP vkeys) of the logs that it cosigns, or files that hold one.
  std::vector<std::string> logs;
  // Receives {"pid", "http", "name", "vkey"} once it answers, in one step.
  std::string ready_file;
  std::string log_level;
  std::string log_format;
};

inline constexpr const char* kDefaultWitnessListen = "127.0.0.1:7467";

// Blocks; owns the process's signals meanwhile. The exit code: 0 after a clean stop, 2 for wrong
// options, 3 when the folder or the ready file could not be opened or an address not be listened
// on. What went wrong is in the operational log.
int RunWitness(const WitnessServeOptions& options);

}  // namespace graven::server
