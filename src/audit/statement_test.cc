#include "audit/statement.h"

#include <functional>

#include "base/random.h"
#include "base/sha256.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "merkle/frontier.h"
#include "note/checkpoint.h"
#include "note/note.h"

namespace graven::audit {
namespace {

using ::testing::HasSubstr;

constexpr const char* kQuery = "v1: outcome:denied";

note::SignerKey MakeKey(const std::string& name) {
  return *note::SignerKey::Generate(name, note::KeyType::kEd25519, SystemRandom());
}

class Statement : public ::testing::Test {
 protected:
  // Ten records, of which 2, 3 and 7 match.
  Statement() : log_(MakeKey("example.org/audit")), signer_(MakeKey("graven-answers/00")) {
    answer_.origin = "example.org/audit";
    answer_.query = kQuery;
    answer_.size = TreeSize(10);
    answer_.root = Sha256("root");
    answer_.high = 10;
    merkle::Frontier matches;
    for (const uint64_t index : {2, 3, 7}) matches.Append(note::AnswerLeaf(LogIndex(index)));
    answer_.count = 3;
    answer_.matches_root = matches.Root();
    answer_.checkpoint = Checkpoint(TreeSize(10));
    asked_ = {kQuery, TreeSize(10), 3, true, {LogIndex(7), LogIndex(3), LogIndex(2)}};
  }

  std::string Checkpoint(TreeSize size) const {
    return *note::SignCheckpoint({"example.org/audit", size, Sha256("root"), {}}, log_);
  }

  absl::StatusOr<CheckedStatement> Check() const {
    return CheckStatement(*note::SignNote(note::FormatAnswer(answer_), signer_), signer_.verifier(),
                          log_.verifier(), asked_);
  }

  std::string ProblemOf() const {
    const auto checked = Check();
    EXPECT_TRUE(checked.ok()) << checked.status();
    return checked.ok() ? checked->problem : "";
  }

  note::SignerKey log_;
  note::SignerKey signer_;
  note::Answer answer_;
  AskedSearch asked_;
};

TEST_F(Statement, AboutWhatWasShownFits) {
  EXPECT_EQ(ProblemOf(), "");
  // A newer checkpoint, of a tree with more in it.
  answer_.size = TreeSize(12);
  answer_.checkpoint = Checkpoint(TreeSize(12));
  EXPECT_EQ(ProblemOf(), "");
  // The first page of many.
  asked_.complete = false;
  asked_.shown = 1;
  asked_.matches = {LogIndex(7)};
  EXPECT_EQ(ProblemOf(), "");
}

TEST_F(Statement, AnotherQueryIsNamed) {
  answer_.query = "v1: outcome:success";
  EXPECT_THAT(ProblemOf(), HasSubstr("another query"));
}

TEST_F(Statement, HiddenCharactersOfAnOlderServerAreTheSameQuery) {
  asked_.query = "v1: action:\"a\\u202eb\"";
  for (const char* spelling :
       {"v1: action:a\u202eb", "v1: action:\"a\u202eb\"", "v1: action:\"a\\u202eb\""}) {
    answer_.query = spelling;
    EXPECT_EQ(ProblemOf(), "") << spelling;
  }
  for (const char* other : {"action:a\u202eb", "v1: action:ab", "v1: action:a\u202db"}) {
    answer_.query = other;
    EXPECT_THAT(ProblemOf(), HasSubstr("another query")) << other;
  }
}

TEST_F(Statement, AnotherRangeIsNamed) {
  answer_.high = 9;
  EXPECT_THAT(ProblemOf(), HasSubstr("records 0 to 9, and 0 to 10"));
  answer_.high = 10;
  answer_.low = 1;
  EXPECT_THAT(ProblemOf(), HasSubstr("records 1 to 10"));
}

TEST_F(Statement, FewerMatchesThanWereShownAreNamed) {
  answer_.count = 2;
  EXPECT_THAT(ProblemOf(), HasSubstr("states 2 matches, and 3 were shown"));
  asked_.complete = false;
  EXPECT_THAT(ProblemOf(), HasSubstr("states 2 matches, and 3 were shown"));
}

TEST_F(Statement, MoreMatchesThanAllThatWereShownAreNamed) {
  answer_.count = 4;
  EXPECT_THAT(ProblemOf(), HasSubstr("states 4 matches, and 3 were shown"));
}

TEST_F(Statement, OtherMatchesAreNamed) {
  asked_.matches[0] = LogIndex(8);
  EXPECT_THAT(ProblemOf(), HasSubstr("other matches"));
  // Too many to be kept: their number alone.
  asked_.matches.clear();
  EXPECT_EQ(ProblemOf(), "");
}

TEST_F(Statement, AnotherLogsCheckpointIsWorthNothing) {
  answer_.checkpoint = *note::SignCheckpoint(
      {"example.org/audit", TreeSize(10), Sha256("root"), {}}, MakeKey("example.org/audit"));
  EXPECT_TRUE(absl::IsUnauthenticated(Check().status())) << Check().status();
}

TEST_F(Statement, CheckpointOfAnotherTreeIsNamed) {
  answer_.checkpoint = Checkpoint(TreeSize(11));
  EXPECT_THAT(ProblemOf(), HasSubstr("about another tree"));
}

TEST_F(Statement, OfAnotherKeyIsWorthNothing) {
  const auto checked =
      CheckStatement(*note::SignNote(note::FormatAnswer(answer_), MakeKey("graven-answers/00")),
                     signer_.verifier(), log_.verifier(), asked_);
  EXPECT_TRUE(absl::IsUnauthenticated(checked.status())) << checked.status();
}

TEST_F(Statement, ChangedAfterItWasSignedIsDataLoss) {
  std::string text = *note::SignNote(note::FormatAnswer(answer_), signer_);
  text[text.find("denied")] = 'D';
  const auto checked = CheckStatement(text, signer_.verifier(), log_.verifier(), asked_);
  EXPECT_TRUE(absl::IsDataLoss(checked.status())) << checked.status();
}

}  // namespace
}  // namespace graven::audit
