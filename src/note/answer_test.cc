#include "note/answer.h"

#include <gtest/gtest.h>

#include "base/encoding.h"
#include "base/sha256.h"
#include "merkle/frontier.h"
#include "note/checkpoint.h"
#include "note/keys.h"
#include "note/note.h"

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

// docs/format.md, "Statement about a search".
TEST(Answer, GoldenStatementIsTheOneOfTheDocs) {
  const auto key = [](const std::string& name_and_id, char seed) {
    return *SignerKey::Parse("PRIVATE+KEY+" + name_and_id + "+" +
                             Base64Encode("\x01" + std::string(32, seed)));
  };
  const SignerKey log = key("example.com/log+702f3c70", 7);
  const SignerKey signer = key("graven-answers/0011223344556677+ab155f2f", 8);
  merkle::Frontier matches;
  for (const uint64_t index : {1, 4}) matches.Append(AnswerLeaf(LogIndex(index)));
  Answer answer;
  answer.origin = "example.com/log";
  answer.query = "v1: outcome:denied";
  answer.size = TreeSize(5);
  answer.root = Sha256("root");
  answer.high = 5;
  answer.count = 2;
  answer.matches_root = matches.Root();
  answer.checkpoint = *SignCheckpoint({answer.origin, answer.size, answer.root, {}}, log);
  EXPECT_EQ(*SignNote(FormatAnswer(answer), signer),
            "graven answer v1\n"
            "example.com/log\n"
            "v1: outcome:denied\n"
            "5\n"
            "SBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=\n"
            "0 5\n"
            "2\n"
            "D3zgfEj+o6PtXajVb7pmgyUUOUToxJ3vHZ4av0NeBu8=\n"
            "ZXhhbXBsZS5jb20vbG9nCjUKU0JOSlRSTitGakc3b3dIVnJLdHVlN2VxZE00UmhkUldWbDcxSFhOMmQ3"
            "ST0KCuKAlCBleGFtcGxlLmNvbS9sb2cgY0M4OGNGRUFobjFnS0JlMjdlbytTanluMW50QjJzZTdHeVE2"
            "WENvNWlrdFdBVlJOMGEzd1dvQ1hpbWJMYkUwK0U1bFZvQ1Y2UHJMNEtqaHRhWW5YcGJKWkd3bz0K\n"
            "\n"
            "\xE2\x80\x94 graven-answers/0011223344556677 qxVfL6ZO9+GiuilyCPL1kXVCDLIH1k/cITG"
            "osRCBjbav5IIpCVdd0AH502YQalXJ97CgKlgGj4LjI6TOmqhImGK2HQc=\n");
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
