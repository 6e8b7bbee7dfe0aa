#include "record/time_text.h"

#include <chrono>

#include "base/clock.h"
#include "fmt/format.h"

namespace graven::record {
namespace {

constexpr int64_t kDaySeconds = 86'400;

// Takes exactly `digits` decimal digits from the front of `text`; -1 if they are not there.
int TakeNumber(std::string_view* text, size_t digits) {
  if (text->size() < digits) return -1;
  int value = 0;
  for (char c : text->substr(0, digits)) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  text->remove_prefix(digits);
  return value;
}

bool TakeChar(std::string_view* text, char c) {
  if (text->empty() || text->front() != c) return false;
  text->remove_prefix(1);
  return true;
}

// ".123" as nanoseconds; 0 if there is no fraction, -1 if it is not one of 1 to 9 digits.
int32_t TakeFraction(std::string_view* text) {
  if (!TakeChar(text, '.')) return 0;
  size_t digits = 0;
  int32_t nanos = 0;
  while (!text->empty() && text->front() >= '0' && text->front() <= '9') {
    if (++digits > 9) return -1;
    nanos = nanos * 10 + (text->front() - '0');
    text->remove_prefix(1);
  }
  if (digits == 0) return -1;
  for (; digits < 9; ++digits) nanos *= 10;
  return nanos;
}

// "Z" or "+hh:mm", all that is left of the text, as seconds east of UTC.
std::optional<int> TakeZone(std::string_view text) {
  if (text == "Z" || text == "z") return 0;
  int sign = TakeChar(&text, '+') ? 1 : TakeChar(&text, '-') ? -1 : 0;
  if (sign == 0) return std::nullopt;
  int hours = TakeNumber(&text, 2);
  if (!TakeChar(&text, ':')) return std::nullopt;
  int minutes = TakeNumber(&text, 2);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59 || !text.empty()) return std::nullopt;
  return sign * (hours * 3600 + minutes * 60);
}

// Whether the UTC second `seconds`, named as :60, follows a month's last 23:59:59.
bool CanBeLeapSecond(int64_t seconds) {
  if (seconds % kDaySeconds != 0) return false;
  std::chrono::sys_days day{std::chrono::days{seconds / kDaySeconds}};
  return std::chrono::year_month_day{day}.day() == std::chrono::day{1};
}

}  // namespace

std::optional<int64_t> ToNs(TimePoint time) {
  constexpr int64_t kSecondsMax = INT64_MAX / kSecondNs - 1;
  if (time.seconds < -kSecondsMax || time.seconds > kSecondsMax) return std::nullopt;
  return time.seconds * kSecondNs + time.nanos;
}

TimePoint FromNs(int64_t ns) {
  int64_t seconds = ns / kSecondNs;
  int64_t nanos = ns % kSecondNs;
  if (nanos < 0) {
    nanos += kSecondNs;
    --seconds;
  }
  return {.seconds = seconds, .nanos = static_cast<int32_t>(nanos)};
}

std::optional<int64_t> DaysFromDate(int year, int month, int day) {
  if (year < 0 || year > 9999 || month < 1 || day < 1) return std::nullopt;
  std::chrono::year_month_day date{std::chrono::year{year},
                                   std::chrono::month{static_cast<unsigned>(month)},
                                   std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days{date}.time_since_epoch().count();
}

std::optional<TimePoint> ParseRfc3339(std::string_view text) {
  int year = TakeNumber(&text, 4);
  if (year < 0 || !TakeChar(&text, '-')) return std::nullopt;
  int month = TakeNumber(&text, 2);
  if (month < 0 || !TakeChar(&text, '-')) return std::nullopt;
  int day = TakeNumber(&text, 2);
  if (day < 0 || (!TakeChar(&text, 'T') && !TakeChar(&text, 't'))) return std::nullopt;
  int hour = TakeNumber(&text, 2);
  if (hour < 0 || hour > 23 || !TakeChar(&text, ':')) return std::nullopt;
  int minute = TakeNumber(&text, 2);
  if (minute < 0 || minute > 59 || !TakeChar(&text, ':')) return std::nullopt;
  int second = TakeNumber(&text, 2);
  if (second < 0 || second > 60) return std::nullopt;
  int32_t nanos = TakeFraction(&text);
  if (nanos < 0) return std::nullopt;
  std::optional<int> zone = TakeZone(text);
  std::optional<int64_t> days = DaysFromDate(year, month, day);
  if (!zone || !days) return std::nullopt;
  int64_t seconds = *days * kDaySeconds + hour * 3600 + minute * 60 + second - *zone;
  if (second == 60 && !CanBeLeapSecond(seconds)) return std::nullopt;
  if (seconds < kTimeSecondsMin || seconds > kTimeSecondsMax) return std::nullopt;
  return TimePoint{.seconds = seconds, .nanos = nanos};
}

std::string FormatRfc3339(TimePoint time) {
  int64_t days = time.seconds / kDaySeconds;
  int64_t rest = time.seconds % kDaySeconds;
  if (rest < 0) {
    rest += kDaySeconds;
    --days;
  }
  std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{days}}};
  std::string text =
      fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                  rest / 3600, rest / 60 % 60, rest % 60);
  if (time.nanos % 1'000'000 == 0) {
    if (time.nanos != 0) text += fmt::format(".{:03}", time.nanos / 1'000'000);
  } else if (time.nanos % 1'000 == 0) {
    text += fmt::format(".{:06}", time.nanos / 1'000);
  } else {
    text += fmt::format(".{:09}", time.nanos);
  }
  return text + "Z";
}

}  // namespace graven::record
