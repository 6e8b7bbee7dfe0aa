#include "base/text_safety.h"

#include <gtest/gtest.h>

namespace graven {
namespace {

TEST(SafeText, LeavesOrdinaryTextAlone) {
  EXPECT_EQ(SafeText("Größe 42 – ✓ 日本"), "Größe 42 – ✓ 日本");
}

TEST(SafeText, TerminalEscapesBecomeVisible) {
  EXPECT_EQ(SafeText("a\x1b[31mred\x07\n"), "a\\x1b[31mred\\x07\\n");
  EXPECT_EQ(SafeText("\xc2\x9b"), "\\u{9b}");  // C1 CSI
}

TEST(SafeText, BidirectionalOverridesBecomeVisible) {
  EXPECT_EQ(SafeText("user\u202egnp.exe"), "user\\u{202e}gnp.exe");
  EXPECT_EQ(SafeText("\u2066x\u2069"), "\\u{2066}x\\u{2069}");
}

TEST(SafeText, BackslashCannotImitateAnEscape) { EXPECT_EQ(SafeText("\\x1b"), "\\\\x1b"); }

TEST(SafeText, InvalidUtf8BecomesVisible) {
  EXPECT_EQ(SafeText("a\xff\xc3"), "a\\xff\\xc3");
  EXPECT_EQ(SafeText("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // a surrogate
}

TEST(SafeText, CutsAtCodePoints) { EXPECT_EQ(SafeText("äöü", 2), "äö…"); }

}  // namespace
}  // namespace graven
