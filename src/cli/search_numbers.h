#pragma once

#include <string>
#include <vector>

#include "console/command_context.h"

namespace graven::cli {

// Numbers that `graven search` shows in place of records.
struct NumberFlags {
  std::vector<std::string> facets;
  uint32_t top = 10;
  std::string prefix;    // of the values that are counted
  std::string contains;  // and what they have in them
  bool histogram = false;
  uint32_t buckets = 24;
  std::string from;
  std::string to;
  std::vector<std::string> at;  // in place of these three: where stretches begin and end
  std::string by;               // in place of `buckets`: a unit of the calendar,
  std::string zone = "UTC";     // of this zone
};

// What was counted, for a statement to be held against.
struct Counted {
  uint64_t tree_size = 0;
  uint64_t matches = 0;
  bool all = false;  // those are all matches of the tree; else there may be more
};

// Both end with kNo when the server could not count to the end.
console::CommandResult ShowFacets(console::CommandContext& context, const std::string& query,
                                  uint64_t tree_size, const NumberFlags& flags, Counted* counted);
console::CommandResult ShowHistogram(console::CommandContext& context, const std::string& query,
                                     uint64_t tree_size, const NumberFlags& flags,
                                     Counted* counted);

}  // namespace graven::cli
