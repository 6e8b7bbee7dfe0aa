#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "search/question.h"

namespace graven::search {

inline constexpr uint64_t kPageRecordsDefault = 100;
inline constexpr uint64_t kPageRecordsMax = 1000;

// What one page may cost. Times are by Clock::SteadyNs.
struct PageLimits {
  uint64_t records_max = kPageRecordsDefault;
  size_t bytes_max = size_t{1} << 20;  // of records; one that is larger alone is still given
  int64_t until_ns = INT64_MAX;        // then the page ends where it is
  int64_t count_until_ns = 0;          // matches behind the page are counted for so long
  std::function<bool()> gone;          // whether nobody waits any more; asked now and then
};

struct PageRecord {
  LogIndex index;
  std::string record;
  Hash hash;
};

struct Page {
  std::vector<PageRecord> records;
  // "" when there are no more matches.
  std::string next_cursor;
  // What lies between the start and this index has been looked at: oldest first below it, newest
  // first from it on.
  uint64_t scanned_to = 0;
  // Matches that have been seen. Exact: those of the whole tree; only where the page began at the
  // start.
  uint64_t count = 0;
  bool count_is_exact = false;
};

// Blocks on the disk and computes for as long as the limits say. kCancelled: nobody waits.
// kDataLoss.
absl::StatusOr<Page> MakePage(Clock& clock, const Search& search, const PageLimits& limits);

}  // namespace graven::search
