#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "note/policy.h"

namespace graven::console {

// The file of --policy (C2SP tlog-policy); nothing when `path` is empty. A usage error when it is
// no policy. `text`: what it was parsed from, when somebody wants it.
absl::StatusOr<std::optional<note::Policy>> ReadPolicy(const std::string& path,
                                                       std::string* text = nullptr);

}  // namespace graven::console
