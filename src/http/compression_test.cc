#include "http/compression.h"

#include <gtest/gtest.h>

namespace graven::http {
namespace {

TEST(CompressionTest, TheBestThatIsAcceptedIsChosen) {
  EXPECT_EQ(ChooseCoding(std::nullopt), Coding::kIdentity);
  EXPECT_EQ(ChooseCoding(""), Coding::kIdentity);
  EXPECT_EQ(ChooseCoding("identity"), Coding::kIdentity);
  EXPECT_EQ(ChooseCoding("gzip, deflate, br, zstd"), Coding::kZstd);
  EXPECT_EQ(ChooseCoding("gzip, deflate"), Coding::kGzip);
  EXPECT_EQ(ChooseCoding("GZIP;q=0.5"), Coding::kGzip);
  EXPECT_EQ(ChooseCoding("zstd;q=0.1, gzip;q=0.9"), Coding::kGzip);
  EXPECT_EQ(ChooseCoding("gzip;q=0, zstd;q=0.0"), Coding::kIdentity);
  EXPECT_EQ(ChooseCoding("*"), Coding::kGzip);
  EXPECT_EQ(ChooseCoding("gzip;q=0, *"), Coding::kIdentity);
  EXPECT_EQ(ChooseCoding("gzip;q=2"), Coding::kIdentity);
  EXPECT_EQ(ChooseCoding("gzip;q=0.12345"), Coding::kIdentity);
  EXPECT_EQ(ChooseCoding(std::string(1000, ',') + "gzip"), Coding::kIdentity);
}

TEST(CompressionTest, WhatIsPackedComesBackAndABombDoesNot) {
  for (const Coding coding : {Coding::kGzip, Coding::kZstd}) {
    const std::string plain(1'000'000, 'a');
    const auto packed = Compress(coding, plain);
    ASSERT_TRUE(packed);
    EXPECT_EQ(Decompress(coding, *packed, plain.size()), plain);
    EXPECT_FALSE(Decompress(coding, *packed, plain.size() - 1));
    EXPECT_FALSE(Decompress(coding, packed->substr(0, packed->size() - 1), plain.size()));
    EXPECT_FALSE(Decompress(coding, *packed + "x", plain.size() + 10));
    EXPECT_FALSE(Decompress(coding, "rubbish", 100));
    EXPECT_FALSE(Compress(coding, "abc")) << "larger than what it packs";
  }
}

}  // namespace
}  // namespace graven::http
