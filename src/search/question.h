#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "search/cursor.h"
#include "search/searches.h"

namespace graven::search {

// A search as it arrives at a door.
struct Question {
  std::string_view log;
  std::string_view query;
  Order order = Order::kNewestFirst;
  std::string_view cursor;    // "": from the start
  uint64_t tree_size = 0;     // 0: all that is published; with a cursor it must be the cursor's
  uint64_t from_ordinal = 0;  // matches that are left out at the start
};

// The same, read and found possible.
struct Search {
  ScanSource source;
  std::string canonical;
  Cursor start;
};

// kInvalidArgument names the field ("query: column 7: ..."). kNotFound: the log, or a size above
// the durable one; what is durable and not published yet is waited for.
absl::StatusOr<Search> ReadQuestion(const Searches& searches, const Question& question);

}  // namespace graven::search
