#include "scrub/place.h"

#include <gtest/gtest.h>

namespace graven::scrub {
namespace {

TEST(ScrubPlace, IsReadBackAndNothingElseIsRead) {
  const Place place{true, 7, 65'536, 3, 1'700'000'000'000'000'000};
  const std::string text = FormatPlace(place);
  const Place read = ParsePlace(text);
  EXPECT_TRUE(read.in_journal);
  EXPECT_EQ(read.log_number, 7u);
  EXPECT_EQ(read.first, 65'536u);
  EXPECT_EQ(read.rounds, 3u);
  EXPECT_EQ(read.last_round_ended_ns, 1'700'000'000'000'000'000);
  for (size_t cut = 0; cut < text.size(); ++cut) {
    EXPECT_EQ(ParsePlace(text.substr(0, cut)).rounds, 0u);
  }
  EXPECT_EQ(ParsePlace(text + "x").rounds, 0u);
}

}  // namespace
}  // namespace graven::scrub
