#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace graven::cli {

enum class CalendarUnit { kHour, kDay, kWeek, kMonth, kYear };

// "hour", "day", "week", "month", "year". kInvalidArgument.
absl::StatusOr<CalendarUnit> ParseCalendarUnit(std::string_view text);

// "UTC", "Z", "+01:00", or a name that this machine knows ("Europe/Berlin"). kInvalidArgument.
absl::StatusOr<absl::TimeZone> ParseZone(const std::string& text);

// Where the hours, days ... of a zone begin that have a part of [from_ns, to_ns), and where the
// last of them ends; ascending, at least two. Weeks begin on Monday. An hour is 60 minutes, a day
// what the zone makes of it: 23 hours, 25, or none. REQUIRES: 0 <= from_ns < to_ns.
// kInvalidArgument: there are more than `stretches_max`.
absl::StatusOr<std::vector<int64_t>> CalendarBorders(CalendarUnit unit, absl::TimeZone zone,
                                                     int64_t from_ns, int64_t to_ns,
                                                     size_t stretches_max);

}  // namespace graven::cli
