#include "base/encoding.h"

#include <gtest/gtest.h>

namespace graven {
namespace {

TEST(Hex, RoundTripsAndRefusesOtherSpellings) {
  EXPECT_EQ(HexEncode(std::string("\x00\xff\x10", 3)), "00ff10");
  EXPECT_EQ(HexDecode("00ff10"), std::string("\x00\xff\x10", 3));
  EXPECT_FALSE(HexDecode("0"));
  EXPECT_FALSE(HexDecode("FF"));
  EXPECT_FALSE(HexDecode("0g"));
  EXPECT_FALSE(HashFromHex("00"));
}

TEST(Base64, OnlyTheCanonicalSpelling) {
  EXPECT_EQ(Base64Encode("ab"), "YWI=");
  EXPECT_EQ(Base64Decode("YWI="), "ab");
  EXPECT_FALSE(Base64Decode("YWI"));
  EXPECT_FALSE(Base64Decode("YWJ="));   // unused bits set
  EXPECT_FALSE(Base64Decode(" YWI="));  // white space
}

TEST(Decimal, OnlyTheCanonicalSpelling) {
  EXPECT_EQ(ParseDecimal("0"), 0u);
  EXPECT_EQ(ParseDecimal("18446744073709551615"), 18446744073709551615u);
  for (const char* bad : {"", "00", "01", "+1", "-1", "1 ", "18446744073709551616", "1e3"}) {
    EXPECT_FALSE(ParseDecimal(bad)) << bad;
  }
}

TEST(Varint, RoundTripsAndRefusesOverLong) {
  for (uint64_t v : {uint64_t{0}, uint64_t{127}, uint64_t{128}, uint64_t{1} << 35, ~uint64_t{0}}) {
    char buffer[kVarintBytesMax];
    char* end = PutVarint(buffer, v);
    EXPECT_EQ(static_cast<size_t>(end - buffer), VarintSize(v));
    std::string_view in(buffer, static_cast<size_t>(end - buffer));
    uint64_t back = 0;
    ASSERT_TRUE(GetVarint(&in, &back));
    EXPECT_EQ(back, v);
    EXPECT_TRUE(in.empty());
  }
  uint64_t v = 0;
  for (std::string bad : {std::string("\x80\x00", 2), std::string("\x80"),
                          std::string("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02")}) {
    std::string_view in = bad;
    EXPECT_FALSE(GetVarint(&in, &v)) << HexEncode(bad);
  }
}

}  // namespace
}  // namespace graven
