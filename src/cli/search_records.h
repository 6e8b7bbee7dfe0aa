#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "client/client.h"
#include "console/record_text.h"

namespace graven::cli {

// A match whose hash has been computed here and which has been judged here. Views.
struct FoundRecord {
  const console::ReadRecord& record;
  std::string_view bytes;
};

struct SearchEnd {
  uint64_t tree_size = 0;
  std::string query;  // the canonical form
  uint64_t matches = 0;
  std::string next_cursor;  // "" when there is no more in this tree
};

// Searches and gives every match to `take`, in order, until it returns an error. `limit` 0: all
// there are. kDataLoss: the server sent what does not match, twice, or out of order.
absl::StatusOr<SearchEnd> ForEachMatch(client::Client& client, v1::SearchRequest request,
                                       uint64_t limit,
                                       const std::function<absl::Status(const FoundRecord&)>& take);

}  // namespace graven::cli
