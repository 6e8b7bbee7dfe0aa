#include "query/time_literal.h"

#include <string>

#include "fmt/format.h"

namespace graven::query {
namespace {

constexpr int32_t kNanosPerSecond = 1'000'000'000;

record::TimePoint After(record::TimePoint time, int32_t nanos) {
  const int64_t sum = int64_t{time.nanos} + nanos;
  return {time.seconds + sum / kNanosPerSecond, static_cast<int32_t>(sum % kNanosPerSecond)};
}

bool IsDigits(std::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
  }
  return true;
}

// Splits the zone off: "Z", "+hh:mm" or "-hh:mm" at the end; UTC without one. A date's own hyphen
// is followed by no colon.
std::string_view TakeZone(std::string_view* text) {
  if (text->empty()) return "Z";
  if (text->back() == 'Z' || text->back() == 'z') {
    text->remove_suffix(1);
    return "Z";
  }
  if (text->size() < 6) return "Z";
  const std::string_view end = text->substr(text->size() - 6);
  if ((end[0] != '+' && end[0] != '-') || end[3] != ':') return "Z";
  text->remove_suffix(6);
  return end;
}

// The instant at which a stretch of `year` (and month) begins.
std::optional<record::TimePoint> StartOf(int year, int month, std::string_view zone) {
  return record::ParseRfc3339(fmt::format("{:04}-{:02}-01T00:00:00{}", year, month, zone));
}

}  // namespace

std::optional<TimeRange> ParseTimeLiteral(std::string_view text) {
  const std::string_view zone = TakeZone(&text);
  if (text.size() < 4 || !IsDigits(text.substr(0, 4))) return std::nullopt;
  const int year = std::stoi(std::string(text.substr(0, 4)));
  if (text.size() == 4 || text.size() == 7) {
    int month = 1;
    if (text.size() == 7) {
      if (text[4] != '-' || !IsDigits(text.substr(5))) return std::nullopt;
      month = std::stoi(std::string(text.substr(5)));
    }
    const bool whole_year = text.size() == 4;
    const auto low = StartOf(year, month, zone);
    const auto high =
        whole_year || month == 12 ? StartOf(year + 1, 1, zone) : StartOf(year, month + 1, zone);
    if (!low || !high) return std::nullopt;
    return TimeRange{*low, *high};
  }
  std::string whole(text);
  record::TimePoint step{1, 0};
  if (text.size() == 10) {
    whole += "T00:00:00";
    step.seconds = 86'400;
  } else if (text.size() == 16) {
    whole += ":00";
    step.seconds = 60;
  } else if (const size_t dot = text.find('.'); dot != std::string_view::npos) {
    step = {0, kNanosPerSecond};
    for (size_t digit = dot + 1; digit < text.size(); ++digit) step.nanos /= 10;
    if (step.nanos == 0) return std::nullopt;
  }
  whole += zone;
  const auto low = record::ParseRfc3339(whole);
  if (!low) return std::nullopt;
  const record::TimePoint high = After({low->seconds + step.seconds, low->nanos}, step.nanos);
  // Its end must be sayable too.
  if (high.seconds > record::kTimeSecondsMax) return std::nullopt;
  return TimeRange{*low, high};
}

}  // namespace graven::query
