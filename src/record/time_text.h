#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace graven::record {

// A point in time as protobuf's Timestamp has it. Wider than int64 nanoseconds, which end in 2262.
struct TimePoint {
  int64_t seconds = 0;  // since 1970-01-01T00:00:00Z
  int32_t nanos = 0;    // 0 to 999,999,999, counting forwards

  auto operator<=>(const TimePoint&) const = default;
};

inline constexpr int64_t kTimeSecondsMin = -62'135'596'800;  // 0001-01-01T00:00:00Z
inline constexpr int64_t kTimeSecondsMax = 253'402'300'799;  // 9999-12-31T23:59:59Z

TimePoint FromNs(int64_t ns);
// Nothing: more than int64 can say.
std::optional<int64_t> ToNs(TimePoint time);

// RFC 3339 with a zone, at most 9 fractional digits, 0001-01-01 to 9999-12-31 in UTC. A leap second
// (:60, only where one can be: 23:59 UTC on the last day of a month) is the second after it.
// Nothing for anything else.
std::optional<TimePoint> ParseRfc3339(std::string_view text);

// "2023-07-10T11:42:36Z" in UTC, with 3, 6 or 9 fractional digits where needed.
std::string FormatRfc3339(TimePoint time);
inline std::string FormatRfc3339Ns(int64_t ns) { return FormatRfc3339(FromNs(ns)); }

// Days since 1970-01-01 of a date of the proleptic Gregorian calendar; nothing if there is no such
// day.
std::optional<int64_t> DaysFromDate(int year, int month, int day);

}  // namespace graven::record
