#pragma once

#include <cstdint>
#include <functional>
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
// the durable one. kUnavailable, NOT_PUBLISHED_YET: a size that is not published; AwaitTree waits
// for it. Waits for nothing itself.
absl::StatusOr<Search> ReadQuestion(const Searches& searches, const Question& question);

// What has to be published before the question is answered: the tree that it names or, from the
// start, all that is durable now, because its writer may have been told so. 0: nothing more.
TreeSize TreeOf(const Searches& searches, const Question& question);

// How long that is waited for. What comes later is not in the answer; or, where it was asked for by
// size, there is none.
inline constexpr int64_t kTreeWaitNs = engine::kPublicationWaitNs;

// Calls `ready` when that is published, when it has been waited for, or when the server stops: at
// once on this thread, or on the publisher's, which it must not keep.
void AwaitTree(Searches& searches, const Question& question, std::function<void()> ready);

}  // namespace graven::search
