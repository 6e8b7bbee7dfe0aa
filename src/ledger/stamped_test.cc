#include "fmt/format.h"
#include "ledger/ledger_fixture_test.h"
#include "note/receipt_file.h"
#include "note/tlog_proof.h"
#include "verify/folder_checker.h"

namespace graven::ledger {
namespace {

// What a token is worth is not the ledger's to judge: any bytes are one here.
class StampedTest : public LedgerTest {
 protected:
  void AppendAndPublish(const std::string& prefix, int count) {
    ASSERT_TRUE(Apply(Default(), Events(prefix, count)).status.ok());
    ASSERT_TRUE(ledger->MakeDurable().ok());
    ASSERT_TRUE(ledger->Publish().ok());
  }

  std::string Newest() { return ledger->GetPublished(Default())->checkpoint; }

  uint64_t StampedSize() {
    const auto stamped = ledger->GetCheckpoint(Default(), CheckpointLevel::kStamped);
    return stamped == nullptr ? 0 : stamped->size.value;
  }

  // The token in a receipt.
  std::string TokenIn(const absl::StatusOr<std::string>& receipt) {
    if (!receipt.ok()) return "no receipt";
    const auto proof = note::ParseTlogProof(*receipt);
    return note::DecodeReceiptExtra(*proof->extra)->time_stamp_token;
  }
};

TEST_F(StampedTest, ReceiptsUnderTheStampedTreeHoldTheTokenAlsoAfterACrash) {
  Open();
  AppendAndPublish("a", 3);
  EXPECT_EQ(ledger->Receipt(Default(), LogIndex(0), CheckpointLevel::kStamped).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(TokenIn(ledger->Receipt(Default(), LogIndex(0))), "");
  ASSERT_TRUE(ledger->AddTimeStamp(Default(), Newest(), "token of 3").ok());
  EXPECT_EQ(TokenIn(ledger->Receipt(Default(), LogIndex(0))), "token of 3");
  AppendAndPublish("b", 2);
  EXPECT_EQ(TokenIn(ledger->Receipt(Default(), LogIndex(0))), "") << "the newest tree has none";
  CrashAndOpen();
  EXPECT_EQ(StampedSize(), 3);
  EXPECT_EQ(TokenIn(ledger->Receipt(Default(), LogIndex(2), CheckpointLevel::kStamped)),
            "token of 3");
  EXPECT_EQ(ledger->Receipt(Default(), LogIndex(3), CheckpointLevel::kStamped).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(StampedTest, WhatThisLogDidNotPublishIsNotKept) {
  Open();
  AppendAndPublish("a", 3);
  const note::SignerKey stranger =
      *note::SignerKey::Generate(Default().origin(), note::KeyType::kEd25519, SystemRandom());
  const std::string forged =
      *note::SignCheckpoint({Default().origin(), TreeSize(3), Hash(), {}}, stranger);
  EXPECT_EQ(ledger->AddTimeStamp(Default(), forged, "token").code(),
            absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(ledger->AddTimeStamp(Default(), Newest(), "").code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ledger->AddTimeStamp(Default(), Newest(), std::string(70'000, 't')).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(StampedSize(), 0);
  EXPECT_EQ(disk.Stat("/data/logs/default/time-stamps").status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(StampedTest, EveryCrashWhileKeepingLeavesTheTokenOrTheOneBefore) {
  Open();
  AppendAndPublish("a", 3);
  ASSERT_TRUE(ledger->AddTimeStamp(Default(), Newest(), "first").ok());
  uint64_t crashes = 0;
  for (uint64_t nth = 1; nth <= 12; ++nth) {
    SealAll();
    AppendAndPublish(fmt::format("r{}-", nth), 1);
    const uint64_t before = StampedSize();
    const uint64_t size = ledger->GetPublished(Default())->size.value;
    disk.AddFault({io::FaultKind::kCrash, std::nullopt, 1 + nth % 4, "time-stamps"});
    const bool added = ledger->AddTimeStamp(Default(), Newest(), "token").ok();
    EXPECT_EQ(StampedSize(), added ? size : before);
    crashes += disk.crashed() ? 1 : 0;
    disk.ClearFaults();
    CrashAndOpen();
    EXPECT_GE(StampedSize(), added ? size : before);
    EXPECT_LE(StampedSize(), size);
  }
  EXPECT_GT(crashes, 3);
}

TEST_F(StampedTest, DamagedFileOfTimeStampsIsNamedByVerifyAndServedAround) {
  Open();
  AppendAndPublish("a", 3);
  ASSERT_TRUE(ledger->AddTimeStamp(Default(), Newest(), "first").ok());
  AppendAndPublish("b", 1);
  ASSERT_TRUE(ledger->AddTimeStamp(Default(), Newest(), "second").ok());
  ASSERT_TRUE(ledger->Close().ok());
  ledger.reset();
  const std::string path = "/data/logs/default/time-stamps";
  const auto file = disk.Open(path, io::OpenMode::kReadWrite);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->WriteAt(20, "X").ok());  // within the first frame
  verify::FolderOptions folder;
  folder.folder = "/data";
  const auto verdict = verify::CheckFolder(disk, folder);
  ASSERT_TRUE(verdict.ok()) << verdict.status();
  ASSERT_EQ(verdict->logs.size(), 1);
  EXPECT_EQ(verdict->logs[0].status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(verdict->logs[0].status.message()), testing::HasSubstr("stamped"));
  Open();
  EXPECT_EQ(StampedSize(), 4) << "the newest frame is whole";
  AppendAndPublish("c", 1);
  EXPECT_EQ(ledger->AddTimeStamp(Default(), Newest(), "third").code(), absl::StatusCode::kDataLoss);
  AppendAndPublish("d", 1);
}

}  // namespace
}  // namespace graven::ledger
