#include "cli/calendar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "record/time_text.h"

namespace graven::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

int64_t Ns(const char* text) { return *record::ToNs(*record::ParseRfc3339(text)); }

// The borders as UTC.
std::vector<std::string> Borders(const char* unit, const std::string& zone, const char* from,
                                 const char* to) {
  const auto borders =
      CalendarBorders(*ParseCalendarUnit(unit), *ParseZone(zone), Ns(from), Ns(to), 1000);
  EXPECT_TRUE(borders.ok()) << borders.status();
  std::vector<std::string> texts;
  if (!borders.ok()) return texts;
  for (const int64_t ns : *borders) texts.push_back(record::FormatRfc3339Ns(ns));
  return texts;
}

TEST(CalendarTest, StretchesBeginWhereTheZoneSaysAndCoverWhatWasAskedFor) {
  EXPECT_THAT(Borders("day", "UTC", "2026-03-01T10:00:00Z", "2026-03-02T00:00:00Z"),
              ElementsAre("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"));
  EXPECT_THAT(Borders("day", "+01:00", "2026-03-01T23:30:00Z", "2026-03-02T23:00:00.000000001Z"),
              ElementsAre("2026-03-01T23:00:00Z", "2026-03-02T23:00:00Z", "2026-03-03T23:00:00Z"));
  EXPECT_THAT(Borders("hour", "-03:30", "2026-03-01T10:45:00Z", "2026-03-01T11:31:00Z"),
              ElementsAre("2026-03-01T10:30:00Z", "2026-03-01T11:30:00Z", "2026-03-01T12:30:00Z"));
  // The first of March 2026 is a Sunday, of the week before.
  EXPECT_THAT(Borders("week", "Z", "2026-03-01T10:00:00Z", "2026-03-02T00:00:01Z"),
              ElementsAre("2026-02-23T00:00:00Z", "2026-03-02T00:00:00Z", "2026-03-09T00:00:00Z"));
  EXPECT_THAT(Borders("week", "Z", "2026-03-02T00:00:00Z", "2026-03-02T00:00:01Z"),
              ElementsAre("2026-03-02T00:00:00Z", "2026-03-09T00:00:00Z"));
  EXPECT_THAT(Borders("month", "UTC", "2024-02-29T00:00:00Z", "2024-03-01T00:00:01Z"),
              ElementsAre("2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z", "2024-04-01T00:00:00Z"));
  EXPECT_THAT(Borders("year", "UTC", "2024-02-29T00:00:00Z", "2024-12-31T23:59:59Z"),
              ElementsAre("2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"));
}

TEST(CalendarTest, ADayIsWhatTheZoneMakesOfIt) {
  if (!ParseZone("Europe/Berlin").ok() || !ParseZone("Pacific/Apia").ok()) {
    GTEST_SKIP() << "this machine knows no zones by name";
  }
  // 23 hours, then 24.
  EXPECT_THAT(Borders("day", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-30T00:00:00Z"),
              ElementsAre("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", "2026-03-30T22:00:00Z"));
  // The second of the two hours from 02:00 to 03:00.
  EXPECT_THAT(Borders("hour", "Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-25T02:00:00Z"),
              ElementsAre("2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"));
  // Samoa had no 30th of December 2011.
  EXPECT_THAT(Borders("day", "Pacific/Apia", "2011-12-30T09:00:00Z", "2011-12-30T11:00:00Z"),
              ElementsAre("2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"));
}

TEST(CalendarTest, TheEndsOfTimeAreReachedAndNotPassed) {
  const auto first = CalendarBorders(CalendarUnit::kDay, *ParseZone("+23:59"), 0, 1, 10);
  EXPECT_THAT(*first, ElementsAre(0, Ns("1970-01-01T00:01:00Z")));
  const auto last =
      CalendarBorders(CalendarUnit::kYear, *ParseZone("UTC"), INT64_MAX - 1, INT64_MAX, 10);
  EXPECT_THAT(*last, ElementsAre(Ns("2262-01-01T00:00:00Z"), INT64_MAX));
}

TEST(CalendarTest, TooManyStretchesAreRefused) {
  const int64_t from = Ns("2026-01-01T00:00:00Z");
  const int64_t day = 86'400'000'000'000;
  EXPECT_EQ(
      CalendarBorders(CalendarUnit::kDay, absl::UTCTimeZone(), from, from + 5 * day, 5)->size(),
      6U);
  const absl::Status refused =
      CalendarBorders(CalendarUnit::kDay, absl::UTCTimeZone(), from, from + 5 * day + 1, 5)
          .status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("more than 5 stretches"));
}

TEST(CalendarTest, WhatIsNoUnitAndNoZoneIsRefused) {
  for (const char* const unit : {"", "days", "Day", "decade"}) {
    EXPECT_EQ(ParseCalendarUnit(unit).status().code(), absl::StatusCode::kInvalidArgument) << unit;
  }
  for (const char* const zone :
       {"", "+1:00", "+24:00", "+01:60", "01:00", "+0100", "Mars/Olympus", "../../etc/passwd"}) {
    EXPECT_EQ(ParseZone(zone).status().code(), absl::StatusCode::kInvalidArgument) << zone;
  }
}

}  // namespace
}  // namespace graven::cli
