#include "index/bitmap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "base/encoding.h"

namespace graven::index {
namespace {

// The format is the specification's, not that of one version of the library.
TEST(Bitmaps, AreWrittenAsTheSpecificationSays) {
  EXPECT_EQ(HexEncode(Bitmap::Of(std::vector<uint32_t>{1, 2, 300000}).Serialize()),
            "3a300000020000000000010004000000180000001c00000001000200e093");
  const Bitmap run = Bitmap::Range(10, 5000);
  EXPECT_EQ(HexEncode(run.Serialize()), "3b3000000100007d1301000a007d13");
  EXPECT_EQ(*Bitmap::Parse(run.Serialize(), 5000), run);
  EXPECT_FALSE(Bitmap::Parse(run.Serialize(), 4999));
}

TEST(Bitmaps, BytesThatAreNoneAreRefused) {
  std::mt19937_64 random(9);
  std::vector<uint32_t> leaves;
  for (uint32_t i = 0; i < 200000; i += 1 + random() % 60) leaves.push_back(i);
  Bitmap bitmap = Bitmap::Of(leaves);
  bitmap |= Bitmap::Range(70000, 90000);
  const std::string bytes = bitmap.Serialize();
  ASSERT_EQ(*Bitmap::Parse(bytes, 200001), bitmap);
  int refused = 0;
  for (int i = 0; i < 2000; ++i) {
    std::string wrong = bytes;
    wrong[random() % (i % 2 == 0 ? 60 : wrong.size())] ^= static_cast<char>(1U << (random() % 8));
    if (i % 7 == 0) wrong.resize(random() % wrong.size());
    const auto parsed = Bitmap::Parse(wrong, 200001);
    if (!parsed) {
      ++refused;
      continue;
    }
    const std::vector<uint32_t> all = parsed->Leaves();
    EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
    EXPECT_TRUE(all.empty() || all.back() < 200001);
  }
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace graven::index
