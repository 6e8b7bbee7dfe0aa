#include "upkeep/disk_forecast.h"

#include <cmath>

#include "base/clock.h"
#include "gtest/gtest.h"

namespace graven::upkeep {
namespace {

TEST(DiskForecast, NothingIsForetoldFromLessThanAMinute) {
  DiskForecast forecast;
  EXPECT_TRUE(std::isinf(forecast.SecondsUntil(0)));
  forecast.Look(0, 1'000'000);
  forecast.Look(59 * kSecondNs, 10);
  EXPECT_TRUE(std::isinf(forecast.SecondsUntil(0)));
}

TEST(DiskForecast, FillsAsFastAsItDid) {
  DiskForecast forecast;
  forecast.Look(0, 1'000'000);
  forecast.Look(100 * kSecondNs, 900'000);  // 1,000 bytes a second
  EXPECT_DOUBLE_EQ(forecast.SecondsUntil(100'000), 800);
  EXPECT_DOUBLE_EQ(forecast.SecondsUntil(900'000), 0);
  forecast.Look(200 * kSecondNs, 1'000'000);
  EXPECT_TRUE(std::isinf(forecast.SecondsUntil(100'000)));
}

TEST(DiskForecast, WhatIsOlderThanAnHourIsForgotten) {
  DiskForecast forecast;
  forecast.Look(0, 100'000'000);  // then it was filled quickly
  for (int64_t minute = 1; minute <= 90; ++minute)
    forecast.Look(minute * 60 * kSecondNs, 1'000'000);
  EXPECT_TRUE(std::isinf(forecast.SecondsUntil(0)));
}

}  // namespace
}  // namespace graven::upkeep
