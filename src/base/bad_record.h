#pragma once

#include <optional>

#include "absl/status/status.h"
#include "base/log_index.h"

namespace graven {

// Notes in a kDataLoss which record it is about, the first one that cannot be trusted. Other
// statuses, and one that says so already, stay as they are.
absl::Status WithBadRecord(absl::Status status, LogIndex index);

// What WithBadRecord noted.
std::optional<LogIndex> BadRecordOf(const absl::Status& status);

// The payload that holds it: it is not for the wire.
inline constexpr char kBadRecordPayload[] = "graven.bad_record";

}  // namespace graven
