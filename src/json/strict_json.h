#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace graven::json {

inline constexpr int kJsonLevelsMax = 100;

// Whether `text` is one JSON value, exactly as RFC 8259 has it, that every reader understands
// alike: no member of an object twice, at most kJsonLevelsMax levels. A member may be spelt
// some_name or someName (proto3 JSON): both at once are twice. Not so inside the members of the
// outermost object that `free_members` names (in the spelling some_name): what stands there has
// names of its own. Outside of them a list holds no null.
// kInvalidArgument: says what, with line and column, and never repeats the text.
absl::Status CheckStrictJson(std::string_view text,
                             std::span<const std::string_view> free_members = {});

}  // namespace graven::json
