#include "web/arguments.h"

#include <gtest/gtest.h>

#include "base/encoding.h"
#include "base/sha256.h"

namespace graven::web {
namespace {

TEST(ParseHash, TakesHexAndBothKindsOfBase64) {
  // A hash whose base64 has both of the characters that differ.
  Hash hash;
  hash.bytes.fill(0xfb);
  hash.bytes[1] = 0xff;
  const std::string base64 = Base64Encode(hash);
  EXPECT_EQ(ParseHash(HexEncode(hash)), hash);
  EXPECT_EQ(ParseHash(base64), hash);
  std::string url = base64;
  for (char& c : url) c = c == '+' ? '-' : c == '/' ? '_' : c;
  EXPECT_NE(url, base64);
  EXPECT_EQ(ParseHash(url), hash);
  url.pop_back();
  EXPECT_EQ(ParseHash(url), hash);
  std::string upper = HexEncode(hash);
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  EXPECT_EQ(ParseHash(upper), hash);
}

TEST(ParseHash, RefusesOtherLengthsAndCharacters) {
  const std::string hex = HexEncode(Sha256("a"));
  for (const std::string& text : {std::string(), hex.substr(1), hex + "0", "g" + hex.substr(1),
                                  std::string(44, '='), std::string(43, '*')}) {
    EXPECT_FALSE(ParseHash(text).has_value()) << text;
  }
}

TEST(Arguments, NameWhatIsWrong) {
  const http::Parameters two = {{"a", "1"}, {"b", "2"}};
  EXPECT_EQ(std::string(Arguments::Take(two, {"a"}).status().message()),
            "b: there is no such parameter here");
  const http::Parameters hostile = {{"\xff", "1"}};
  EXPECT_EQ(std::string(Arguments::Take(hostile, {"a"}).status().message()),
            "query: there is no such parameter here");
  const http::Parameters values = {
      {"a", "12"}, {"b", "-1"}, {"c", "9223372036854775808"}, {"d", "x y"}};
  const auto arguments = Arguments::Take(values, {"a", "b", "c", "d"});
  ASSERT_TRUE(arguments.ok());
  EXPECT_EQ(*arguments->Number("a", 0), 12U);
  EXPECT_EQ(*arguments->Number("missing", 7), 7U);
  EXPECT_FALSE(arguments->Number("b", 0).ok());
  EXPECT_FALSE(arguments->Number("c", 0).ok());
  EXPECT_FALSE(arguments->RequiredNumber("missing").ok());
  EXPECT_EQ(arguments->Text("d"), "x y");
  EXPECT_FALSE(arguments->HashValue("d").ok());
  EXPECT_FALSE(arguments->HashValue("missing")->has_value());
}

}  // namespace
}  // namespace graven::web
