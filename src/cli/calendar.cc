#include "cli/calendar.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/time/civil_time.h"
#include "fmt/format.h"

namespace graven::cli {
namespace {

constexpr std::array<std::pair<std::string_view, CalendarUnit>, 5> kUnits = {
    {{"hour", CalendarUnit::kHour},
     {"day", CalendarUnit::kDay},
     {"week", CalendarUnit::kWeek},
     {"month", CalendarUnit::kMonth},
     {"year", CalendarUnit::kYear}}};

// The beginning of the unit in which `at` lies, or of the one so many behind it. Of a beginning
// that the zone leaves out, the instant from which its clocks go on.
absl::Time BeginningOf(CalendarUnit unit, absl::TimeZone zone, absl::Time at, int64_t behind) {
  const absl::CivilSecond civil = zone.At(at).cs;
  switch (unit) {
    case CalendarUnit::kHour:
      return absl::FromCivil(absl::CivilHour(civil), zone) + absl::Hours(behind);
    case CalendarUnit::kDay:
      return absl::FromCivil(absl::CivilDay(civil) + behind, zone);
    case CalendarUnit::kWeek: {
      const absl::CivilDay monday =
          absl::PrevWeekday(absl::CivilDay(civil) + 1, absl::Weekday::monday);
      return absl::FromCivil(monday + 7 * behind, zone);
    }
    case CalendarUnit::kMonth:
      return absl::FromCivil(absl::CivilMonth(civil) + behind, zone);
    case CalendarUnit::kYear:
      break;
  }
  return absl::FromCivil(absl::CivilYear(civil) + behind, zone);
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

absl::StatusOr<CalendarUnit> ParseCalendarUnit(std::string_view text) {
  for (const auto& [name, unit] : kUnits) {
    if (text == name) return unit;
  }
  return absl::InvalidArgumentError("must be hour, day, week, month or year");
}

absl::StatusOr<absl::TimeZone> ParseZone(const std::string& text) {
  if (text == "Z" || text == "UTC") return absl::UTCTimeZone();
  if (text.size() == 6 && (text[0] == '+' || text[0] == '-') && IsDigit(text[1]) &&
      IsDigit(text[2]) && text[3] == ':' && IsDigit(text[4]) && IsDigit(text[5])) {
    const int hours = (text[1] - '0') * 10 + (text[2] - '0');
    const int minutes = (text[4] - '0') * 10 + (text[5] - '0');
    if (hours < 24 && minutes < 60) {
      const int seconds = 3600 * hours + 60 * minutes;
      return absl::FixedTimeZone(text[0] == '-' ? -seconds : seconds);
    }
  }
  absl::TimeZone zone;
  if (!text.empty() && absl::LoadTimeZone(text, &zone)) return zone;
  return absl::InvalidArgumentError(
      "must be UTC, an offset as +01:00, or a zone that this machine knows, as Europe/Berlin");
}

absl::StatusOr<std::vector<int64_t>> CalendarBorders(CalendarUnit unit, absl::TimeZone zone,
                                                     int64_t from_ns, int64_t to_ns,
                                                     size_t stretches_max) {
  std::vector<int64_t> borders;
  const absl::Time from = absl::FromUnixNanos(from_ns);
  for (int64_t step = 0;; ++step) {
    const int64_t ns = std::max<int64_t>(absl::ToUnixNanos(BeginningOf(unit, zone, from, step)), 0);
    if (ns <= from_ns) {
      // An hour that comes twice begins with the first of them.
      borders.assign(1, ns);
      continue;
    }
    if (ns == borders.back()) continue;  // a day that the zone leaves out
    borders.push_back(ns);
    if (borders.size() > stretches_max + 1) break;
    if (ns >= to_ns) return borders;
  }
  return absl::InvalidArgumentError(fmt::format(
      "makes more than {} stretches: take longer ones, or a shorter time", stretches_max));
}

}  // namespace graven::cli
