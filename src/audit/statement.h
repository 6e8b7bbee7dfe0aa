#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/log_index.h"
#include "note/answer.h"
#include "note/keys.h"

// A server's statement about a search, held against the search itself, before it is kept as proof.
// Pure: no I/O, no clock.
namespace graven::audit {

// What a search asked and was shown.
struct AskedSearch {
  std::string query;   // canonical
  TreeSize tree_size;  // 0: whatever the newest was
  uint64_t shown = 0;  // matches
  // Whether those are all that the search would have shown.
  bool complete = false;
  // Which they were, each once, in either order; empty when they are too many to be kept.
  std::vector<LogIndex> matches;
};

struct CheckedStatement {
  note::Answer answer;
  // Empty: it fits. Otherwise what was signed contradicts the search, and is evidence of that.
  std::string problem;
};

// `answer_key` signed it, `log_key` the checkpoint in it. kInvalidArgument, kUnauthenticated,
// kDataLoss: that is not so, and it is worth nothing.
absl::StatusOr<CheckedStatement> CheckStatement(std::string_view statement,
                                                const note::VerifierKey& answer_key,
                                                const note::VerifierKey& log_key,
                                                const AskedSearch& asked);

}  // namespace graven::audit
