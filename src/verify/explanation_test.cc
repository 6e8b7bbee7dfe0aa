#include "verify/explanation.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "note/answer.h"
#include "note/note.h"
#include "verify/evidence.h"
#include "verify/written_log_test.h"

namespace graven::verify {
namespace {

using testing::HasSubstr;

class ExplanationTest : public testing::Test {
 protected:
  Explanation WithKey(std::string_view file) const {
    const note::VerifierKey key = log_.key.verifier();
    return Explain(file, std::span(&key, 1), {});
  }

  const WrittenLog log_{9};
};

TEST_F(ExplanationTest, ReceiptHoldsByTheLogsKeyAndNamesItsPlace) {
  const Explanation found = WithKey(log_.Receipt(4, 7));
  EXPECT_EQ(found.kind, FileKind::kReceipt);
  EXPECT_EQ(found.holds, Holds::kYes);
  EXPECT_EQ(found.index, LogIndex(4));
  EXPECT_EQ(found.record_hash, log_.leaves[4]);
  EXPECT_EQ(found.checkpoint->size, TreeSize(7));
  EXPECT_THAT(found.sentence, HasSubstr("log.example/audit signed a tree of 7 records"));
}

TEST_F(ExplanationTest, WithoutTheKeyNothingSignedIsCalledChecked) {
  EXPECT_EQ(Explain(log_.Receipt(4, 7), {}, {}).holds, Holds::kNotChecked);
  EXPECT_EQ(Explain(log_.Checkpoint(7), {}, {}).holds, Holds::kNotChecked);
  const note::VerifierKey foreign = WrittenLog::NewKey("other.example/audit").verifier();
  EXPECT_EQ(Explain(log_.Checkpoint(7), std::span(&foreign, 1), {}).holds, Holds::kNotChecked);
}

TEST_F(ExplanationTest, RecordThatIsNotInTheReceiptsTreeDoesNotHoldWithoutAKeyEither) {
  WrittenLog other(4);
  other.Add("made up", 5000);
  const std::string forged =
      note::MakeReceipt(other.records[4], LogIndex(4), log_.Proof(4, 7), log_.Checkpoint(7));
  const Explanation found = Explain(forged, {}, {});
  EXPECT_EQ(found.kind, FileKind::kReceipt);
  EXPECT_EQ(found.holds, Holds::kNo);
  EXPECT_THAT(found.sentence, HasSubstr("not in the signed tree"));
  EXPECT_FALSE(found.checkpoint.has_value());  // so that no log is asked about it
}

TEST_F(ExplanationTest, DamagedReceiptAndForgedCheckpointDoNotHold) {
  std::string receipt = log_.Receipt(4, 7);
  receipt[receipt.find("extra ") + 20] ^= 1;
  EXPECT_EQ(WithKey(receipt).holds, Holds::kNo);
  EXPECT_EQ(WithKey(receipt).kind, FileKind::kReceipt);
  const WrittenLog forged(9);  // of the same name, with another key
  const Explanation found = WithKey(forged.Checkpoint(9));
  EXPECT_EQ(found.kind, FileKind::kCheckpoint);
  EXPECT_EQ(found.holds, Holds::kNo);
}

TEST_F(ExplanationTest, CheckpointHoldsAndSaysHowManyRecords) {
  const Explanation found = WithKey(log_.Checkpoint(9));
  EXPECT_EQ(found.kind, FileKind::kCheckpoint);
  EXPECT_EQ(found.holds, Holds::kYes);
  EXPECT_EQ(found.checkpoint->root, log_.Root(9));
  EXPECT_THAT(found.sentence, HasSubstr("had 9 records"));
}

TEST_F(ExplanationTest, ExportsAreToldApartByTheirFirstRecord) {
  EXPECT_EQ(WithKey(log_.Export(0, 9)).kind, FileKind::kExportRecords);
  EXPECT_EQ(WithKey(log_.Export(3, 4)).kind, FileKind::kExportRecords);
  EXPECT_EQ(WithKey(log_.Export(0, 1).substr(0, 20)).kind, FileKind::kUnknown);
  EXPECT_EQ(WithKey("{\"index\":0,\"record\":\"\"}").kind, FileKind::kExportLines);
}

TEST_F(ExplanationTest, KeyIsTheirsOnlyWhenItIsTheOneGiven) {
  EXPECT_EQ(WithKey(log_.key.verifier().Format() + "\n").holds, Holds::kYes);
  const Explanation other = WithKey(WrittenLog::NewKey("log.example/audit").verifier().Format());
  EXPECT_EQ(other.kind, FileKind::kVerifierKey);
  EXPECT_EQ(other.holds, Holds::kNotChecked);
}

TEST_F(ExplanationTest, EvidenceThatShowsNothingDoesNotHold) {
  Evidence evidence;
  evidence.claim = Claim::kWithheld;
  evidence.said = "made up";
  evidence.vkey = log_.key.verifier().Format();
  evidence.notes = {log_.Checkpoint(9)};
  EXPECT_EQ(WithKey(FormatEvidence(evidence)).holds, Holds::kYes);
  evidence.notes = {WrittenLog(9).Checkpoint(9)};
  const Explanation found = WithKey(FormatEvidence(evidence));
  EXPECT_EQ(found.kind, FileKind::kEvidence);
  EXPECT_EQ(found.holds, Holds::kNo);
}

TEST_F(ExplanationTest, StatementIsItsSignersWordAndDoesNotHoldUnderAnotherTree) {
  note::Answer answer;
  answer.origin = log_.key.name();
  answer.query = "v1: outcome:denied";
  answer.checkpoint = log_.Checkpoint(7);
  const auto inside = note::OpenCheckpoint(answer.checkpoint, log_.key.verifier());
  ASSERT_TRUE(inside.ok()) << inside.status();
  answer.size = inside->size;
  answer.root = inside->root;
  answer.high = 5;
  answer.count = 2;
  const note::SignerKey signer = WrittenLog::NewKey("graven-answers/1");
  const std::string file = *note::SignNote(note::FormatAnswer(answer), signer);
  const Explanation found = WithKey(file);
  EXPECT_EQ(found.kind, FileKind::kAnswer);
  EXPECT_EQ(found.holds, Holds::kNotChecked);
  EXPECT_EQ(found.checkpoint->size, TreeSize(7));
  EXPECT_THAT(found.sentence, HasSubstr("2 of records 0 to 5 of the log log.example/audit match"));
  EXPECT_THAT(found.sentence, HasSubstr("that the log's key signed"));
  EXPECT_THAT(Explain(file, {}, {}).sentence, HasSubstr("for want of that log's key"));

  answer.size = TreeSize(6);
  EXPECT_EQ(WithKey(*note::SignNote(note::FormatAnswer(answer), signer)).holds, Holds::kNo);
  EXPECT_EQ(WithKey("graven answer v2\n").kind, FileKind::kAnswer);
  EXPECT_EQ(WithKey("graven answer v2\n").holds, Holds::kNo);
}

TEST_F(ExplanationTest, StatementIsNobodysWordUntilItsOwnSignatureIsChecked) {
  note::Answer answer;
  answer.origin = log_.key.name();
  answer.query = "v1: outcome:denied";
  answer.checkpoint = log_.Checkpoint(9);
  answer.size = TreeSize(9);
  answer.root = log_.Root(9);
  answer.high = 9;
  answer.count = 4;
  const note::SignerKey signer = WrittenLog::NewKey("graven-answers/1");
  const std::string file = *note::SignNote(note::FormatAnswer(answer), signer);
  const note::VerifierKey log_key = log_.key.verifier();
  const auto with = [&](std::string_view text, std::optional<note::VerifierKey> key) {
    std::optional<AnswerKey> answer_key;
    if (key) answer_key = AnswerKey{*key, "that was given"};
    return Explain(text, std::span(&log_key, 1), {}, answer_key);
  };
  const Explanation word = with(file, signer.verifier());
  EXPECT_EQ(word.holds, Holds::kNotChecked);
  EXPECT_THAT(word.sentence, HasSubstr("the word of graven-answers/1+"));
  EXPECT_THAT(word.sentence, HasSubstr("the key that was given"));
  // 4 changed to 0: without its key it is nobody's word, with it a forgery, and no log is asked.
  answer.count = 0;
  const std::string forged = note::FormatAnswer(answer) + file.substr(file.find("\n\n") + 1);
  EXPECT_THAT(with(forged, std::nullopt).sentence,
              HasSubstr("who signed it was not checked, so it is nobody's word yet"));
  const Explanation bad = with(forged, signer.verifier());
  EXPECT_EQ(bad.holds, Holds::kNo);
  EXPECT_THAT(bad.sentence, HasSubstr("changed after it was signed, or forged"));
  EXPECT_FALSE(bad.checkpoint.has_value());
  const Explanation other = with(file, WrittenLog::NewKey("graven-answers/2").verifier());
  EXPECT_EQ(other.holds, Holds::kNo);
  EXPECT_THAT(other.sentence, HasSubstr("it is not signed by graven-answers/2+"));
}

TEST_F(ExplanationTest, WhatProvesNothingByItselfIsNamed) {
  const std::string record = log_.records[0];
  const std::string bundle = std::string(1, static_cast<char>(record.size() >> 8)) +
                             static_cast<char>(record.size() & 0xFF) + record;
  std::string hashes;
  for (const Hash& leaf : log_.leaves) hashes += leaf.view();
  const std::string stamp = "\x30\x82\x01\x00\x06\x09" + std::string(20, 'x') +
                            "\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x04" + "more";
  for (const auto& [file, kind, words] :
       std::initializer_list<std::tuple<std::string, FileKind, std::string_view>>{
           {"index,received_at,occurred_at,outcome,actor_id\r\n", FileKind::kTable, "CSV"},
           {"PRIVATE+KEY+log.example+01020304+AAAA\n", FileKind::kPrivateKey, "A private key"},
           {bundle, FileKind::kTile, "with the records"},
           {bundle + bundle, FileKind::kTile, "with the records"},
           {hashes, FileKind::kTile, "a tile of 9 hashes"},
           {stamp, FileKind::kTimeStamp, "RFC 3161"}}) {
    const Explanation found = WithKey(file);
    EXPECT_EQ(found.kind, kind) << words;
    EXPECT_EQ(found.holds, Holds::kNotChecked) << words;
    EXPECT_THAT(found.sentence, HasSubstr(words));
  }
  EXPECT_EQ(WithKey(bundle.substr(0, bundle.size() - 1)).kind, FileKind::kUnknown);
}

TEST_F(ExplanationTest, AnythingElseIsUnknownAndDoesNotHold) {
  for (const std::string_view file : {"", "hello\n", "\x7f\x45\x4c\x46", "c2sp.org/"}) {
    EXPECT_EQ(WithKey(file).kind, FileKind::kUnknown) << file;
    EXPECT_EQ(WithKey(file).holds, Holds::kNo);
  }
  EXPECT_EQ(WithKey("quorum none\n").kind, FileKind::kPolicy);
}

}  // namespace
}  // namespace graven::verify
