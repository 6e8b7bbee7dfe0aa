#include "search/cursor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/sha256.h"

namespace graven::search {
namespace {

using ::testing::HasSubstr;

Cursor SomeCursor() {
  Cursor cursor;
  cursor.query_hash = Sha256("query");
  cursor.log_hash = Sha256("log");
  cursor.order = Order::kOldestFirst;
  cursor.size = TreeSize(1000);
  cursor.position = 300;
  cursor.skip = 7;
  return cursor;
}

std::string Problem(std::string_view text, const Cursor& expected, uint64_t published = 1000) {
  const absl::StatusOr<Cursor> cursor = ParseCursor(text, expected, TreeSize(published));
  if (cursor.ok()) return "ok";
  EXPECT_EQ(cursor.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(cursor.status().message());
}

TEST(Cursor, GoesOnWhereItWas) {
  const absl::StatusOr<Cursor> cursor =
      ParseCursor(FormatCursor(SomeCursor()), SomeCursor(), TreeSize(1000));
  ASSERT_TRUE(cursor.ok()) << cursor.status();
  EXPECT_EQ(cursor->size, TreeSize(1000));
  EXPECT_EQ(cursor->position, 300U);
  EXPECT_EQ(cursor->skip, 7U);
  EXPECT_EQ(FormatCursor(SomeCursor()).find_first_of("+/="), std::string::npos);
}

TEST(Cursor, OfAnotherSearchIsRefused) {
  const std::string text = FormatCursor(SomeCursor());
  Cursor other = SomeCursor();
  other.query_hash = Sha256("other");
  EXPECT_THAT(Problem(text, other), HasSubstr("another query"));
  other = SomeCursor();
  other.log_hash = Sha256("other");
  EXPECT_THAT(Problem(text, other), HasSubstr("another log"));
  other = SomeCursor();
  other.order = Order::kNewestFirst;
  EXPECT_THAT(Problem(text, other), HasSubstr("another order"));
  EXPECT_THAT(Problem(text, SomeCursor(), 999), HasSubstr("beyond the end"));
}

TEST(Cursor, MadeUpOnesAreRefused) {
  const std::string text = FormatCursor(SomeCursor());
  EXPECT_THAT(Problem("", SomeCursor()), HasSubstr("not a cursor"));
  EXPECT_THAT(Problem(text + "AAAA", SomeCursor()), HasSubstr("is damaged"));
  EXPECT_THAT(Problem(text.substr(0, text.size() - 4), SomeCursor()), HasSubstr("is damaged"));
  EXPECT_THAT(Problem(text + "=", SomeCursor()), HasSubstr("not a cursor"));
  EXPECT_THAT(Problem("AQ", SomeCursor()), HasSubstr("not a cursor"));
  EXPECT_THAT(Problem(std::string(10'000, 'A'), SomeCursor()), HasSubstr("not a cursor"));
  EXPECT_THAT(Problem("AQ" + text.substr(2), SomeCursor()), HasSubstr("another version"));
  Cursor beyond = SomeCursor();
  beyond.position = 1001;
  EXPECT_THAT(Problem(FormatCursor(beyond), SomeCursor()), HasSubstr("not a cursor"));
  // More matches than records are left.
  beyond = SomeCursor();
  beyond.skip = 701;
  EXPECT_THAT(Problem(FormatCursor(beyond), SomeCursor()), HasSubstr("not a cursor"));
  beyond.skip = 700;
  EXPECT_EQ(Problem(FormatCursor(beyond), SomeCursor()), "ok");
}

TEST(Cursor, AShortOneOfAnOlderVersionIsSaidToBeOne) {
  // A small log's, without the hash of its log and a checksum: 29 bytes.
  EXPECT_THAT(Problem("Ag" + std::string(37, 'A'), SomeCursor()), HasSubstr("another version"));
  EXPECT_THAT(Problem("Aw" + std::string(37, 'A'), SomeCursor()), HasSubstr("not a cursor"));
}

TEST(Cursor, OneThatWasCopiedBadlyIsRefusedWhereverItIsWrong) {
  const std::string text = FormatCursor(SomeCursor());
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  for (size_t at = 0; at < text.size(); ++at) {
    for (const char c : kAlphabet) {
      if (c == text[at]) continue;
      std::string wrong = text;
      wrong[at] = c;
      EXPECT_NE(Problem(wrong, SomeCursor()), "ok") << wrong;
    }
    std::string without = text;
    without.erase(at, 1);
    EXPECT_NE(Problem(without, SomeCursor()), "ok") << without;
    std::string swapped = text;
    if (at > 0) std::swap(swapped[at - 1], swapped[at]);
    if (swapped != text) {
      EXPECT_NE(Problem(swapped, SomeCursor()), "ok") << swapped;
    }
  }
}

}  // namespace
}  // namespace graven::search
