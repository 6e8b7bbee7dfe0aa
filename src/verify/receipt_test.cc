#include "verify/receipt.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "note/cosignature.h"
#include "note/note.h"
#include "verify/written_log_test.h"

namespace graven::verify {
namespace {

using ::testing::ElementsAre;

class ReceiptTest : public testing::Test {
 protected:
  absl::StatusCode Code(const std::string& file) const {
    return CheckReceipt(file, log_.key.verifier()).status().code();
  }

  const WrittenLog log_{21};
};

TEST_F(ReceiptTest, EveryReceiptHolds) {
  for (size_t size = 1; size <= 21; ++size) {
    for (size_t index = 0; index < size; ++index) {
      const auto verdict = CheckReceipt(log_.Receipt(index, size), log_.key.verifier());
      ASSERT_TRUE(verdict.ok()) << verdict.status();
      EXPECT_EQ(verdict->level, ReceiptLevel::kPublished);
      EXPECT_EQ(verdict->index, LogIndex(index));
      EXPECT_EQ(verdict->record, log_.records[index]);
      EXPECT_EQ(verdict->record_hash, log_.leaves[index]);
      EXPECT_EQ(verdict->received_at_ns, 1000 * static_cast<int64_t>(index + 1));
      EXPECT_EQ(verdict->checkpoint.size, TreeSize(size));
      EXPECT_EQ(verdict->time_stamp_token, "");
    }
  }
}

TEST_F(ReceiptTest, EveryBitFlipIsNoticed) {
  const std::string file = log_.Receipt(7, 21);
  int data_loss = 0;
  for (size_t i = 0; i < file.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = file;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      const absl::StatusCode code = Code(damaged);
      EXPECT_NE(code, absl::StatusCode::kOk) << "byte " << i << " bit " << bit;
      if (code == absl::StatusCode::kDataLoss) ++data_loss;
    }
  }
  EXPECT_GT(data_loss, 100);
}

TEST_F(ReceiptTest, ReceiptOfAnotherKeyIsUnauthenticated) {
  const WrittenLog foreign(21);
  EXPECT_EQ(Code(foreign.Receipt(3, 21)), absl::StatusCode::kUnauthenticated);
}

TEST_F(ReceiptTest, RecordThatIsNotInTheTreeIsDataLoss) {
  WrittenLog other(21);
  other.records[3] = log_.records[3];
  other.records[3].back() ^= 1;
  EXPECT_EQ(Code(note::MakeReceipt(other.records[3], LogIndex(3), log_.Proof(3, 21),
                                   log_.Checkpoint(21))),
            absl::StatusCode::kDataLoss);
}

TEST_F(ReceiptTest, RecordOfAnotherIndexIsDataLoss) {
  EXPECT_EQ(
      Code(note::MakeReceipt(log_.records[4], LogIndex(3), log_.Proof(3, 21), log_.Checkpoint(21))),
      absl::StatusCode::kDataLoss);
}

TEST_F(ReceiptTest, ProofForAnotherCheckpointIsDataLoss) {
  EXPECT_EQ(
      Code(note::MakeReceipt(log_.records[3], LogIndex(3), log_.Proof(3, 21), log_.Checkpoint(20))),
      absl::StatusCode::kDataLoss);
}

TEST_F(ReceiptTest, ProofWithoutARecordIsInvalid) {
  std::string file = log_.Receipt(3, 21);
  const size_t extra = file.find("extra ");
  file.erase(extra, file.find('\n', extra) - extra + 1);
  EXPECT_EQ(Code(file), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Code(""), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Code(log_.Checkpoint(21)), absl::StatusCode::kInvalidArgument);
}

TEST_F(ReceiptTest, UnknownSignersAreNamedAndATokenIsSaidToBeThere) {
  const std::string line = note::FormatSignatureLine({"witness.example", 7, "signature"});
  const auto verdict =
      CheckReceipt(note::MakeReceipt(log_.records[0], LogIndex(0), log_.Proof(0, 5),
                                     log_.Checkpoint(5) + line, "token"),
                   log_.key.verifier());
  ASSERT_TRUE(verdict.ok()) << verdict.status();
  EXPECT_THAT(verdict->unknown_signers, ElementsAre("witness.example"));
  EXPECT_FALSE(verdict->time_stamp_token.empty());
}

// A receipt whose checkpoint two of three witnesses have seen.
class CosignedReceiptTest : public ReceiptTest {
 protected:
  std::string Receipt(int cosigners) const {
    std::string note = log_.Checkpoint(21);
    const std::string text = note.substr(0, note.find("\n\n") + 1);
    for (int i = 0; i < cosigners; ++i) note += *note::Cosign(text, 100 + i, witnesses_[i]);
    return note::MakeReceipt(log_.records[3], LogIndex(3), log_.Proof(3, 21), note);
  }

  absl::StatusOr<ReceiptVerdict> Check(const std::string& file) const {
    return CheckReceipt(file, std::span(&log_.key.verifier(), 1), policy_);
  }

  static std::vector<note::SignerKey> Witnesses() {
    std::vector<note::SignerKey> keys;
    for (const char* name : {"a.example", "b.example", "c.example"}) {
      keys.push_back(*note::SignerKey::Generate(name, note::KeyType::kCosignature, SystemRandom()));
    }
    return keys;
  }

  const std::vector<note::SignerKey> witnesses_ = Witnesses();
  const note::Policy policy_ = *note::Policy::Parse(
      fmt::format("witness a {}\nwitness b {}\nwitness c {}\ngroup two 2 a b c\nquorum two\n",
                  witnesses_[0].verifier().Format(), witnesses_[1].verifier().Format(),
                  witnesses_[2].verifier().Format()));
};

TEST_F(CosignedReceiptTest, QuorumMakesItCosignedAndLessLeavesItPublished) {
  for (int cosigners = 0; cosigners <= 3; ++cosigners) {
    const auto verdict = Check(Receipt(cosigners));
    ASSERT_TRUE(verdict.ok()) << verdict.status();
    EXPECT_EQ(verdict->level, cosigners >= 2 ? ReceiptLevel::kCosigned : ReceiptLevel::kPublished);
    EXPECT_EQ(verdict->cosigners.size(), cosigners);
    EXPECT_TRUE(verdict->unknown_signers.empty());
  }
}

TEST_F(CosignedReceiptTest, QuorumOfNoneIsNoMoreThanPublished) {
  const auto verdict = CheckReceipt(Receipt(3), std::span(&log_.key.verifier(), 1),
                                    *note::Policy::Parse("quorum none\n"));
  ASSERT_TRUE(verdict.ok()) << verdict.status();
  EXPECT_EQ(verdict->level, ReceiptLevel::kPublished);
  EXPECT_EQ(verdict->unknown_signers.size(), 3);
}

TEST_F(CosignedReceiptTest, EveryBitFlipInACosignatureIsNoticed) {
  const std::string file = Receipt(2);
  const size_t line = file.find("a.example ") + 10;
  int noticed = 0;
  // Behind the key id, of which another one would make it a stranger's line.
  for (size_t i = line + 8; file[i] != '\n'; ++i) {
    std::string damaged = file;
    damaged[i] = damaged[i] == 'A' ? 'B' : 'A';
    const auto verdict = Check(damaged);
    EXPECT_FALSE(verdict.ok() && verdict->level == ReceiptLevel::kCosigned) << i;
    if (verdict.status().code() == absl::StatusCode::kDataLoss) ++noticed;
  }
  EXPECT_GT(noticed, 50);
}

}  // namespace
}  // namespace graven::verify
