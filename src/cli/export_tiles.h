#pragma once

#include <optional>
#include <string>

#include "console/command_context.h"
#include "note/keys.h"
#include "note/policy.h"

namespace graven::cli {

struct TilesRun {
  // Where the files go.
  std::string folder;
  // Not empty: the data folder of a stopped server to read; else the server of the flags.
  std::string data;
  // The key that the log must have; without one, whichever it says it has.
  std::optional<note::VerifierKey> key;
  // Whose quorum the checkpoint must meet, if there is one.
  std::optional<note::Policy> policy;
};

// `export --tiles`: brings the folder up to the newest checkpoint.
console::CommandResult ExportTiles(console::CommandContext& context, const TilesRun& run);

}  // namespace graven::cli
