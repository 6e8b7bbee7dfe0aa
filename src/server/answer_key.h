#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "base/random.h"
#include "io/file_system.h"
#include "note/keys.h"

namespace graven::server {

// Its file among the keys.
inline constexpr const char* kAnswerKeyName = "search.answers";

// The key that signs what searches answer: DIR/keys/search.answers, mode 0600, made at the first
// start. Not a log's key: what it signs are the server's statements, no checkpoints. (A log cannot
// have this name: theirs have no dot.)
absl::StatusOr<note::SignerKey> LoadAnswerKey(io::FileSystem& fs, Random& random,
                                              const std::string& folder);

}  // namespace graven::server
