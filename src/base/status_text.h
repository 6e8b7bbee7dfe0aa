#pragma once

#include <string>

#include "absl/status/status.h"
#include "base/absl_views.h"

namespace graven {

// The message of `status` alone, without its code, to be part of a sentence.
inline std::string MessageOf(const absl::Status& status) {
  return std::string(ToStd(status.message()));
}

}  // namespace graven
