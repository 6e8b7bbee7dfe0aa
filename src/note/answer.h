#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/hash.h"
#include "base/log_index.h"

namespace graven::note {

// What a server states about a search: that these are all matches of one tree. Nobody can see from
// the outside that nothing was left out; but who has the records can search them again and compare,
// and a server that stated otherwise has signed it. Pure: no I/O, no clock; any thread.
struct Answer {
  std::string origin;
  std::string query;  // canonical, with its version
  TreeSize size;
  Hash root;
  // The matches lie in low <= index < high, and all that lies there was searched.
  uint64_t low = 0;
  uint64_t high = 0;
  uint64_t count = 0;
  // Root of the RFC 6962 tree whose leaves are the matches' indexes, ascending, each as 8 bytes
  // big-endian.
  Hash matches_root;
  // The log's own signed note for size and root.
  std::string checkpoint;

  bool operator==(const Answer&) const = default;
};

// The leaf of one match in that tree.
Hash AnswerLeaf(LogIndex index);

// The text of a note (docs/search.md). REQUIRES: origin and query are lines.
std::string FormatAnswer(const Answer& answer);

// Strict: takes exactly what FormatAnswer makes. kInvalidArgument.
absl::StatusOr<Answer> ParseAnswer(std::string_view text);

}  // namespace graven::note
