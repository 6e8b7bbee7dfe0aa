#pragma once

#include <functional>

#include "absl/status/status.h"

namespace graven::index {

// Asked between the pieces of long work. False: nobody wants it any more, and the work ends with
// kCancelled. Empty: always wanted.
using GoOn = std::function<bool()>;

inline absl::Status CheckWanted(const GoOn& go_on) {
  if (go_on && !go_on()) return absl::CancelledError("index: not wanted any more");
  return absl::OkStatus();
}

}  // namespace graven::index
