#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "console/command_context.h"
#include "note/keys.h"
#include "note/policy.h"

namespace graven::audit {

struct MonitorRun {
  note::VerifierKey key;
  std::optional<note::Policy> policy;
  std::string url;     // prefix of tiles; empty: the server and log of the flags
  std::string ca;      // of https
  std::string folder;  // the monitor's memory
  bool once = false;
  double every_s = 1;
  double patience_s = 60;
  double fresh_s = 0;
  double heartbeat_deadline_s = 600;
  bool complete_required = false;        // findings of producers' sequences are a no as well
  std::vector<std::string> checkpoints;  // files, folders, URLs
  std::string webhook_url;               // empty: nobody is told
  std::string webhook_secret;
  std::string page;                        // where the log's page is served; empty: no links
  std::vector<std::string> webhook_hosts;  // allowed, whatever their addresses are
  std::string metrics;                     // HOST:PORT of /metrics and /checkpoint; empty: none
};

// `graven monitor`. With `once` kNo when there was a finding, now or in a run before; otherwise
// follows the log until SIGTERM or SIGINT.
console::CommandResult RunMonitor(console::CommandContext& context, const MonitorRun& run);

}  // namespace graven::audit
