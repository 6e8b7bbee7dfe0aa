#pragma once

#include <string_view>

#include "absl/strings/string_view.h"

namespace graven {

// Debian builds Abseil with its own string_view, so that one library serves every C++ standard.
// These two cross over; nothing is copied and the lifetime stays the caller's.
inline absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view ToStd(absl::string_view text) { return {text.data(), text.size()}; }

}  // namespace graven
