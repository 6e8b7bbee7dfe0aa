#include "note/answer.h"

#include <gtest/gtest.h>

#include "base/encoding.h"
#include "base/sha256.h"

namespace graven::note {
namespace {

Answer SomeAnswer() {
  Answer answer;
  answer.origin = "example.org/audit";
  answer.query = "v1: outcome:denied \"a \\\"b\\\"\"";
  answer.size = TreeSize(100);
  answer.root = Sha256("root");
  answer.low = 10;
  answer.high = 90;
  answer.count = 7;
  answer.matches_root = Sha256("matches");
  answer.checkpoint = "a note\n\n\xE2\x80\x94 x y\n";
  return answer;
}

TEST(Answer, ReadsBackWhatItSays) {
  const absl::StatusOr<Answer> answer = ParseAnswer(FormatAnswer(SomeAnswer()));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(*answer, SomeAnswer());
}

TEST(Answer, LeafIsTheIndexAsEightBytesBigEndian) {
  EXPECT_EQ(AnswerLeaf(LogIndex(0x0102)),
            Sha256Prefixed(0, std::string_view("\0\0\0\0\0\0\x01\x02", 8)));
}

TEST(Answer, WhatDoesNotFitTogetherIsRefused) {
  const std::string text = FormatAnswer(SomeAnswer());
  const auto refused = [](std::string_view wrong) {
    return ParseAnswer(wrong).status().code() == absl::StatusCode::kInvalidArgument;
  };
  for (size_t size = 0; size < text.size(); ++size) EXPECT_TRUE(refused(text.substr(0, size)));
  EXPECT_TRUE(refused(text + "\n"));
  EXPECT_TRUE(refused("x" + text));
  Answer wrong = SomeAnswer();
  wrong.high = 101;
  EXPECT_TRUE(refused(FormatAnswer(wrong)));
  wrong = SomeAnswer();
  wrong.count = 81;
  EXPECT_TRUE(refused(FormatAnswer(wrong)));
  wrong = SomeAnswer();
  wrong.low = 91;
  EXPECT_TRUE(refused(FormatAnswer(wrong)));
}

}  // namespace
}  // namespace graven::note
