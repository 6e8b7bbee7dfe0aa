#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace graven::http {

// How many look-ups may be under way in the whole process, those included that nobody waits for any
// more: the system's resolver cannot be interrupted.
inline constexpr int kLookUpsMax = 32;

// The addresses of `host` (a name or an address), as text, in the system's order, each once.
// Blocks until `deadline`, and looks at `cancelled` some ten times a second.
// kUnavailable: the system's resolver says no. kDeadlineExceeded; kCancelled. kResourceExhausted:
// kLookUpsMax are under way.
absl::StatusOr<std::vector<std::string>> Resolve(const std::string& host,
                                                 std::chrono::steady_clock::time_point deadline,
                                                 const std::atomic<bool>& cancelled);

}  // namespace graven::http
