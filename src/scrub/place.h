#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "io/file_system.h"

namespace graven::scrub {

// How far the scrubber has come.
struct Place {
  // First the segments and checkpoints of each log, by number; then the journal's files.
  bool in_journal = false;
  uint32_t log_number = 0;
  uint64_t first = 0;  // of a segment's records, or the number of a journal file
  uint64_t rounds = 0;
  int64_t last_round_ended_ns = 0;
};

// Four lines of text. What cannot be read is the beginning.
std::string FormatPlace(const Place& place);
Place ParsePlace(std::string_view text);
Place ReadPlace(io::FileSystem& fs, const std::string& path);

}  // namespace graven::scrub
