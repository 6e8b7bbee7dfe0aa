#pragma once

#include <string>
#include <vector>

#include "cli/command_context.h"

namespace graven::cli {

// Numbers that `graven search` shows in place of records.
struct NumberFlags {
  std::vector<std::string> facets;
  uint32_t top = 10;
  bool histogram = false;
  uint32_t buckets = 24;
  std::string from;
  std::string to;
};

// Both end with kNo when the server could not count to the end.
CommandResult ShowFacets(CommandContext& context, const std::string& query, uint64_t tree_size,
                         const NumberFlags& flags);
CommandResult ShowHistogram(CommandContext& context, const std::string& query, uint64_t tree_size,
                            const NumberFlags& flags);

}  // namespace graven::cli
