#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/hash.h"
#include "base/log_index.h"

namespace graven::search {

enum class Order : uint8_t { kNewestFirst, kOldestFirst };

// Where a search goes on: everything on this side of `position` has been looked at.
struct Cursor {
  Hash query_hash;  // its first kCursorHashBytes count
  Hash log_hash;    // SHA-256 of the log's origin; the same
  Order order = Order::kNewestFirst;
  // The tree that was searched from the beginning: what came later is in none of the pages.
  TreeSize size;
  // Oldest first: the next index to look at. Newest first: the index behind the next one.
  uint64_t position = 0;
  // Matches on the other side that are still to be left out: of those that a request by ordinal
  // wanted to be left out, and had no time for. At most so many as there are records.
  uint64_t skip = 0;

  // Records that have not been looked at.
  uint64_t left() const { return order == Order::kOldestFirst ? size.value - position : position; }
};

inline constexpr size_t kCursorHashBytes = 12;
inline constexpr size_t kCursorChecksumBytes = 4;

// Text for URLs (base64url without padding). It needs no state of the server and survives restarts.
// It has a checksum, so that one that was copied badly leaves out no matches in silence, and is not
// signed: whoever makes one up only chooses where his own search goes on.
std::string FormatCursor(const Cursor& cursor);

// The cursor of a search for this query, log and order. kInvalidArgument: it is not a cursor,
// damaged, of another query, log or order, or beyond `published`; says which.
absl::StatusOr<Cursor> ParseCursor(std::string_view text, const Cursor& expected,
                                   TreeSize published);

}  // namespace graven::search
