#include <span>

#include "fmt/format.h"
#include "ledger/ledger_fixture_test.h"
#include "note/cosignature.h"
#include "note/note.h"
#include "note/policy.h"
#include "verify/receipt.h"

namespace graven::ledger {
namespace {

// A log with two witnesses, both of whom a checkpoint needs.
class CosignedTest : public LedgerTest {
 protected:
  CosignedTest() {
    std::string text;
    for (const char* name : {"a.example", "b.example"}) {
      witnesses_.push_back(
          *note::SignerKey::Generate(name, note::KeyType::kCosignature, SystemRandom()));
      text += fmt::format("witness {} {}\n", name, witnesses_.back().verifier().Format());
    }
    options.policy =
        *note::Policy::Parse(text + "group both all a.example b.example\nquorum both\n");
  }

  // The newest signed checkpoint with the lines of so many witnesses.
  std::string Cosigned(size_t count, uint64_t time_s = 1'700'000'000) {
    std::string note = ledger->GetPublished(Default())->checkpoint;
    const std::string text = note::ParseNote(note)->text;
    for (size_t i = 0; i < count; ++i) note += *note::Cosign(text, time_s, witnesses_[i]);
    return note;
  }

  uint64_t ServedSize() {
    const auto served = ledger->GetCheckpoint(Default(), CheckpointLevel::kServed);
    return served == nullptr ? UINT64_MAX : served->size.value;
  }

  void AppendAndPublish(const std::string& prefix, int count) {
    ASSERT_TRUE(Apply(Default(), Events(prefix, count)).status.ok());
    ASSERT_TRUE(ledger->MakeDurable().ok());
    ASSERT_TRUE(ledger->Publish().ok());
  }

  std::vector<note::SignerKey> witnesses_;
};

TEST_F(CosignedTest, NothingIsServedBeforeTheQuorumAndOnlyWhatMetItAfter) {
  Open();
  AppendAndPublish("a", 3);
  EXPECT_EQ(ServedSize(), UINT64_MAX);
  EXPECT_EQ(ledger->Receipt(Default(), LogIndex(0)).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ledger->InclusionProof(Default(), LogIndex(0), TreeSize(0)).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(ledger->ConsistencyProof(Default(), TreeSize(1), TreeSize(0)).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_TRUE(ledger->Receipt(Default(), LogIndex(0), CheckpointLevel::kPublished).ok());
  EXPECT_TRUE(ledger->InclusionProof(Default(), LogIndex(0), TreeSize(3)).ok());

  const std::string note = Cosigned(2);
  ASSERT_TRUE(ledger->AddCosigned(Default(), note).ok());
  AppendAndPublish("b", 2);
  EXPECT_EQ(ServedSize(), 3);
  EXPECT_EQ(ledger->GetCheckpoint(Default(), CheckpointLevel::kPublished)->size.value, 5);
  EXPECT_EQ(ledger->Info(Default()).cosigned_size, TreeSize(3));
  EXPECT_EQ(ledger->InclusionProof(Default(), LogIndex(0), TreeSize(0))->checkpoint, note);
  EXPECT_EQ(ledger->ConsistencyProof(Default(), TreeSize(1), TreeSize(0))->tree_size.value, 3);
  EXPECT_EQ(ledger->Receipt(Default(), LogIndex(4)).status().code(), absl::StatusCode::kNotFound);
  const auto verdict = verify::CheckReceipt(
      *ledger->Receipt(Default(), LogIndex(2)),
      std::vector{*note::VerifierKey::Parse(ledger->Info(Default()).vkey)}, options.policy);
  ASSERT_TRUE(verdict.ok()) << verdict.status();
  EXPECT_EQ(verdict->level, verify::ReceiptLevel::kCosigned);
}

TEST_F(CosignedTest, WhatIsNoQuorumOrNotOursIsNotServed) {
  Open();
  AppendAndPublish("a", 3);
  EXPECT_EQ(ledger->AddCosigned(Default(), Cosigned(1)).code(),
            absl::StatusCode::kFailedPrecondition);
  std::string damaged = Cosigned(2);
  char& digit = damaged[damaged.size() - 10];
  digit = digit == 'A' ? 'B' : 'A';  // still base64
  EXPECT_EQ(ledger->AddCosigned(Default(), damaged).code(), absl::StatusCode::kDataLoss);
  const note::SignerKey stranger =
      *note::SignerKey::Generate(Default().origin(), note::KeyType::kEd25519, SystemRandom());
  EXPECT_EQ(
      ledger
          ->AddCosigned(Default(), *note::SignCheckpoint(
                                       {Default().origin(), TreeSize(3), Hash(), {}}, stranger))
          .code(),
      absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(ServedSize(), UINT64_MAX);
}

TEST_F(CosignedTest, SmallerOneIsPassedOverAndFresherOneIsServed) {
  Open();
  AppendAndPublish("a", 3);
  const std::string small = Cosigned(2);
  AppendAndPublish("b", 2);
  const std::string large = Cosigned(2);
  ASSERT_TRUE(ledger->AddCosigned(Default(), large).ok());
  ASSERT_TRUE(ledger->AddCosigned(Default(), small).ok());
  EXPECT_EQ(ServedSize(), 5);
  const std::string fresher = Cosigned(2, 1'700'000'060);
  ASSERT_TRUE(ledger->AddCosigned(Default(), fresher).ok());
  EXPECT_EQ(ledger->GetCheckpoint(Default(), CheckpointLevel::kServed)->checkpoint, fresher);
}

TEST_F(CosignedTest, ServedCheckpointIsThereAgainAfterACrash) {
  Open();
  AppendAndPublish("a", 3);
  const std::string note = Cosigned(2);
  ASSERT_TRUE(ledger->AddCosigned(Default(), note).ok());
  AppendAndPublish("b", 2);
  while (*ledger->Seal(false)) {  // plain checkpoints are kept behind it
  }
  CrashAndOpen();
  ASSERT_EQ(ServedSize(), 3);
  EXPECT_EQ(ledger->GetCheckpoint(Default(), CheckpointLevel::kServed)->checkpoint, note);
  EXPECT_EQ(ledger->GetPublished(Default())->size.value, 5);
  // Another policy, which this one does not meet.
  options.policy = *note::Policy::Parse(
      fmt::format("witness c {}\nquorum c\n",
                  note::SignerKey::Generate("c", note::KeyType::kCosignature, SystemRandom())
                      ->verifier()
                      .Format()));
  CrashAndOpen();
  EXPECT_EQ(ServedSize(), UINT64_MAX);
  options.policy = note::Policy();
  CrashAndOpen();
  EXPECT_EQ(ServedSize(), 5);
}

TEST_F(CosignedTest, EveryCrashWhileKeepingLeavesWhatWasServed) {
  Open();
  AppendAndPublish("a", 3);
  const std::string note = Cosigned(2);
  ASSERT_TRUE(ledger->AddCosigned(Default(), note).ok());
  uint64_t crashes = 0;
  for (uint64_t nth = 1; nth <= 12; ++nth) {
    SealAll();
    AppendAndPublish(fmt::format("r{}-", nth), 1);
    const uint64_t before = ServedSize();
    disk.AddFault({io::FaultKind::kCrash, std::nullopt, 1 + nth % 4, "checkpoints"});
    const uint64_t size = ledger->GetPublished(Default())->size.value;
    const bool added = ledger->AddCosigned(Default(), Cosigned(2)).ok();
    EXPECT_EQ(ServedSize(), added ? size : before);
    crashes += disk.crashed() ? 1 : 0;
    disk.ClearFaults();
    CrashAndOpen();
    EXPECT_GE(ServedSize(), added ? size : before);
    EXPECT_LE(ServedSize(), size);
  }
  EXPECT_GT(crashes, 3);
}

TEST_F(CosignedTest, AfterStopSigningNothingIsSignedOrTaken) {
  Open();
  AppendAndPublish("a", 3);
  ASSERT_TRUE(Apply(Default(), Events("b", 1)).status.ok());
  ASSERT_TRUE(ledger->MakeDurable().ok());
  ledger->StopSigning("a witness has seen more");
  EXPECT_EQ(ledger->Publish().status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Apply(Default(), Events("c", 1)).status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ledger->CreateLog("other", "", 0).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ledger->GetPublished(Default())->size.value, 3);
  EXPECT_EQ(ledger->status().write_state_reason, "a witness has seen more");
  EXPECT_TRUE(ledger->Close().ok());
}

}  // namespace
}  // namespace graven::ledger
