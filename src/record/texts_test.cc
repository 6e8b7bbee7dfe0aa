// The texts of a record: times, ids, traceparent, UTF-8.
#include <set>
#include <string>

#include "gtest/gtest.h"
#include "record/event_id.h"
#include "record/time_text.h"
#include "record/traceparent.h"
#include "record/utf8.h"

namespace graven::record {
namespace {

using namespace std::string_literals;

int64_t Seconds(std::string_view text) {
  auto time = ParseRfc3339(text);
  EXPECT_TRUE(time.has_value()) << text;
  return time.value_or(TimePoint()).seconds;
}

TEST(Rfc3339, ReadsTheTimesOfTheStandard) {
  EXPECT_EQ(ParseRfc3339("1985-04-12T23:20:50.52Z"), (TimePoint{482'196'050, 520'000'000}));
  EXPECT_EQ(Seconds("1996-12-19T16:39:57-08:00"), 851'042'397);
  EXPECT_EQ(Seconds("1990-12-31T23:59:60Z"), Seconds("1991-01-01T00:00:00Z"));
  EXPECT_EQ(Seconds("1990-12-31T15:59:60-08:00"), Seconds("1991-01-01T00:00:00Z"));
  EXPECT_EQ(Seconds("1937-01-01T12:00:27.87+00:20"), -1'041'337'173);
  EXPECT_EQ(Seconds("0001-01-01T00:00:00Z"), kTimeSecondsMin);
  EXPECT_EQ(Seconds("9999-12-31T23:59:59.999999999Z"), kTimeSecondsMax);
  EXPECT_EQ(Seconds("2024-02-29t00:00:00z"), 1'709'164'800);
}

TEST(Rfc3339, EverythingElseIsRefused) {
  for (const char* text : {"",
                           "2023-07-10",
                           "2023-07-10T11:42:36",
                           "2023-07-10 11:42:36Z",
                           "2023-7-10T11:42:36Z",
                           "2023-02-29T00:00:00Z",
                           "2023-13-01T00:00:00Z",
                           "2023-00-01T00:00:00Z",
                           "2023-01-00T00:00:00Z",
                           "2023-07-10T24:00:00Z",
                           "2023-07-10T11:60:00Z",
                           "2023-07-10T11:42:60Z",
                           "2023-07-10T11:42:36.Z",
                           "2023-07-10T11:42:36.1234567890Z",
                           "2023-07-10T11:42:36,5Z",
                           "2023-07-10T11:42:36+0100",
                           "2023-07-10T11:42:36+24:00",
                           "2023-07-10T11:42:36+01:60",
                           "2023-07-10T11:42:36Z ",
                           " 2023-07-10T11:42:36Z",
                           "0000-12-31T23:59:59Z",
                           "0001-01-01T00:00:00+00:01",
                           "9999-12-31T23:59:59-00:01",
                           "+2023-07-10T11:42:36Z",
                           "2023-07-10T11:42:36ZZ",
                           "2023-07-10T1\xd9\xa1:42:36Z"}) {
    EXPECT_FALSE(ParseRfc3339(text)) << text;
  }
}

TEST(Rfc3339, FormatIsReadBack) {
  EXPECT_EQ(FormatRfc3339({0, 0}), "1970-01-01T00:00:00Z");
  EXPECT_EQ(FormatRfc3339({0, 500'000'000}), "1970-01-01T00:00:00.500Z");
  EXPECT_EQ(FormatRfc3339({0, 1'000}), "1970-01-01T00:00:00.000001Z");
  EXPECT_EQ(FormatRfc3339({-1, 1}), "1969-12-31T23:59:59.000000001Z");
  EXPECT_EQ(FormatRfc3339Ns(-1), "1969-12-31T23:59:59.999999999Z");
  for (int64_t seconds = kTimeSecondsMin; seconds < kTimeSecondsMax; seconds += 86'399'999'77) {
    TimePoint time{seconds, static_cast<int32_t>(seconds % 1000 + 1000) * 1000};
    EXPECT_EQ(ParseRfc3339(FormatRfc3339(time)), time) << seconds;
  }
}

class FixedClock : public Clock {
 public:
  int64_t WallNs() override { return 0x0189'79a9'8100 * int64_t{1'000'000}; }
  int64_t SteadyNs() override { return 0; }
};

class CountingRandom : public Random {
 public:
  void Fill(std::span<uint8_t> out) override {
    ++fills;
    for (uint8_t& byte : out) byte = static_cast<uint8_t>(next_ = next_ * 29 + 17);
  }
  int fills = 0;

 private:
  uint32_t next_ = 1;
};

TEST(EventId, IsAVersion7Uuid) {
  FixedClock clock;
  CountingRandom random;
  EventIdMaker maker(clock, random);
  std::set<std::string> ids;
  for (int i = 0; i < 200; ++i) {
    std::string id = maker.Next();
    ASSERT_EQ(id.size(), 36U);
    EXPECT_EQ(id.substr(0, 15), "018979a9-8100-7");
    EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos);
    EXPECT_EQ(id.find_first_not_of("0123456789abcdef-"), std::string::npos);
    ids.insert(id);
  }
  EXPECT_EQ(random.fills, 2);
  EXPECT_GT(ids.size(), 1U);
}

TEST(Traceparent, OnlyTheWholeFormIsTaken) {
  std::string good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  EXPECT_TRUE(IsTraceparent(good));
  EXPECT_TRUE(IsTraceparent("cc" + good.substr(2)));
  EXPECT_FALSE(IsTraceparent("ff" + good.substr(2)));
  EXPECT_FALSE(IsTraceparent(good + "-"));
  EXPECT_FALSE(IsTraceparent(good.substr(1)));
  EXPECT_FALSE(IsTraceparent("00-00000000000000000000000000000000-00f067aa0ba902b7-01"));
  EXPECT_FALSE(IsTraceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"));
  EXPECT_FALSE(IsTraceparent("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"));
  EXPECT_FALSE(IsTraceparent("00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
}

TEST(Utf8, BordersOfTheRanges) {
  for (const std::string& good :
       {""s, "plain ascii, and longer than eight"s, "\0"s, "\x7f"s, "\xc2\x80"s, "\xdf\xbf"s,
        "\xe0\xa0\x80"s, "\xed\x9f\xbf"s, "\xee\x80\x80"s, "\xef\xbf\xbf"s, "\xf0\x90\x80\x80"s,
        "\xf4\x8f\xbf\xbf"s, "1234567\xc3\xa4"s, "12345678\xc3\xa4 and on and on"s}) {
    EXPECT_TRUE(IsUtf8(good));
  }
  for (const std::string& bad :
       {"\x80"s, "\xbf"s, "\xc0\x80"s, "\xc1\xbf"s, "\xc2"s, "\xc2\x41"s, "\xe0\x9f\xbf"s,
        "\xed\xa0\x80"s, "\xed\xbf\xbf"s, "\xe2\x82"s, "\xf0\x8f\xbf\xbf"s, "\xf4\x90\x80\x80"s,
        "\xf5\x80\x80\x80"s, "\xf0\x90\x80"s, "\xff"s, "\xfe"s, "12345678\xff"s, "1234567\xc3"s}) {
    EXPECT_FALSE(IsUtf8(bad));
  }
}

}  // namespace
}  // namespace graven::record
