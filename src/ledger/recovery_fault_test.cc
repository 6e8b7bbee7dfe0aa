// What stands in the way of opening a folder, what recovery makes of it, and a full disk.
#include "io/durable_file.h"
#include "ledger/ledger_fixture_test.h"

namespace graven::ledger {
namespace {

class RecoveryFaultTest : public LedgerTest {
 protected:
  // A folder with records, closed cleanly.
  void SetUp() override {
    Open();
    ASSERT_TRUE(Append(Events("e", 5)).status.ok());
    auto other = ledger->CreateLog("other", "example.org/other", 100);
    ASSERT_TRUE(other.ok()) << other.status();
    ASSERT_TRUE(Append(*other, Events("o", 1)).status.ok());
    ASSERT_TRUE(ledger->Close().ok());
    ledger.reset();
  }
};

TEST_F(RecoveryFaultTest, ACleanStopLeavesNothingToReport) {
  Open();
  EXPECT_EQ(ledger->status().recovery_report, "");
  EXPECT_EQ(PublishedSize(Default()), 5u);
  CrashAndOpen();
  EXPECT_THAT(ledger->status().recovery_report, testing::HasSubstr("not clean"));
}

TEST_F(RecoveryFaultTest, AMissingGuardBesideRecordsIsRefused) {
  ASSERT_TRUE(disk.Remove("/data/guard").ok());
  const absl::Status opened = TryOpen();
  EXPECT_EQ(opened.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(opened.message()), testing::HasSubstr("guard"));
}

TEST_F(RecoveryFaultTest, AMissingKeyIsRefused) {
  ASSERT_TRUE(disk.Remove("/data/keys/other").ok());
  EXPECT_EQ(TryOpen().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(RecoveryFaultTest, AForeignKeyIsRefused) {
  auto key = io::ReadWholeFile(disk, "/data/keys/other", 4096);
  ASSERT_TRUE(key.ok());
  ASSERT_TRUE(io::WriteFileDurably(disk, "/data/keys/default", *key, 0600).ok());
  const absl::Status opened = TryOpen();
  EXPECT_EQ(opened.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(opened.message()), testing::HasSubstr("default"));
}

TEST_F(RecoveryFaultTest, AKeyThatOthersMayReadIsRefused) {
  auto key = io::ReadWholeFile(disk, "/data/keys/other", 4096);
  ASSERT_TRUE(key.ok());
  for (const uint32_t mode : {0644u, 0640u, 0604u}) {
    ASSERT_TRUE(disk.Remove("/data/keys/other").ok());
    ASSERT_TRUE(io::WriteFileDurably(disk, "/data/keys/other", *key, mode).ok());
    const absl::Status opened = TryOpen();
    EXPECT_EQ(opened.code(), absl::StatusCode::kFailedPrecondition) << mode;
    EXPECT_THAT(std::string(opened.message()), testing::HasSubstr("must be 0600"));
  }
}

TEST_F(RecoveryFaultTest, ASecondOpenerIsRefused) {
  Open();
  auto second = Ledger::Open(disk, clock, random, options);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(RecoveryFaultTest, AFolderOfANewerVersionIsRefused) {
  ASSERT_TRUE(io::WriteFileDurably(disk, "/data/version", "graven data folder, format 9\n").ok());
  EXPECT_EQ(TryOpen().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(RecoveryFaultTest, AnotherUsersFolderIsRefused) {
  options.effective_user = 1001;
  EXPECT_EQ(TryOpen().code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(RecoveryFaultTest, AMissingFolderThatMustNotBeMadeIsNotFound) {
  options.folder = "/nowhere";
  options.create_if_missing = false;
  EXPECT_EQ(TryOpen().code(), absl::StatusCode::kNotFound);
}

TEST_F(RecoveryFaultTest, RecordsBehindTheGuardAreMissedAndTheLogIsReadOnly) {
  for (const std::string& path : JournalFiles()) ASSERT_TRUE(disk.Remove(path).ok());
  Open();
  const LogInfo info = ledger->Info(Default());
  EXPECT_TRUE(info.read_only);
  EXPECT_THAT(info.read_only_reason, testing::ContainsRegex("first missing .*record is 0"));
  EXPECT_EQ(Append(Events("refused", 1)).status.code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(RecoveryFaultTest, AFrameThatCannotBeReadMakesTheFolderReadOnlyAndNamesTheRecord) {
  const std::string path = JournalFiles().front();
  ASSERT_TRUE(disk.MakeUnreadable(path, PlaceIn(path, "o0"), 1).ok());
  Open();
  EXPECT_GT(disk.Counts().unreadable_reads, 0u);
  EXPECT_EQ(ledger->status().write_state, WriteState::kReadOnly);
  EXPECT_THAT(ledger->status().recovery_report,
              testing::ContainsRegex("log other: .*first missing or bad record is 0"));
  EXPECT_THAT(ledger->status().write_state_reason, testing::HasSubstr("cannot be read"));
  EXPECT_EQ(Records(Default()).size(), 5u);
  EXPECT_EQ(Append(Events("refused", 1)).status.code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(RecoveryFaultTest, FramesBehindOneThatCannotBeReadStillSayWhatWasPromised) {
  Open();
  ASSERT_TRUE(Append(ledger->FindLog("other"), Events("behind", 3)).status.ok());
  ledger.reset();
  const std::string path = JournalFiles().front();
  ASSERT_TRUE(disk.MakeUnreadable(path, PlaceIn(path, "e0"), 1).ok());
  Open();
  EXPECT_GT(disk.Counts().unreadable_reads, 0u);
  EXPECT_EQ(ledger->status().write_state, WriteState::kReadOnly);
  EXPECT_THAT(ledger->Info(ledger->FindLog("other")).read_only_reason,
              testing::HasSubstr("says so"));
  EXPECT_THAT(ledger->Info(Default()).read_only_reason, testing::HasSubstr("bad record is 0"));
}

TEST_F(RecoveryFaultTest, AJournalHeaderThatCannotBeReadCutsNothing) {
  const std::string path = JournalFiles().back();
  ASSERT_TRUE(disk.MakeUnreadable(path, 0, 512).ok());
  Open();
  EXPECT_GT(disk.Counts().unreadable_reads, 0u);
  EXPECT_EQ(ledger->status().write_state, WriteState::kReadOnly);
  EXPECT_THAT(ledger->status().write_state_reason, testing::HasSubstr("cannot be read"));
  EXPECT_TRUE(disk.Stat(path).ok());
}

TEST_F(RecoveryFaultTest, AReadOnlyLogThatHoldsTheJournalIsReportedAtTheStart) {
  options.unsealed_records_max = 10;
  Open();
  ASSERT_TRUE(Append(ledger->FindLog("other"), Events("more", 20)).status.ok());
  SealAll();
  ASSERT_TRUE(Append(ledger->FindLog("other"), Events("tail", 2)).status.ok());
  ASSERT_TRUE(ledger->Close().ok());
  ledger.reset();
  auto segments = disk.List("/data/logs/other/segments");
  ASSERT_TRUE(segments.ok());
  ASSERT_EQ(segments->size(), 1u);
  const std::string path = "/data/logs/other/segments/" + segments->front();
  ASSERT_TRUE(disk.FlipBit(path, disk.Stat(path)->size * 8 - 1).ok());
  Open();
  EXPECT_TRUE(ledger->Info(ledger->FindLog("other")).read_only);
  EXPECT_THAT(ledger->status().recovery_report, testing::HasSubstr("raise journal_files"));
  EXPECT_TRUE(Append(Events("goes-on", 1)).status.ok());
}

TEST_F(RecoveryFaultTest, AGuardOfAnotherFolderIsRefused) {
  auto guard = io::ReadWholeFile(disk, "/data/guard", 1 << 20);
  options.folder = "/fresh";
  Open();
  ledger.reset();
  ASSERT_TRUE(io::WriteFileDurably(disk, "/fresh/guard", *guard).ok());
  EXPECT_EQ(TryOpen().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(RecoveryFaultTest, ALogWhoseCreationWasCutOffCanBeCreatedAgain) {
  Open();
  disk.AddFault({io::FaultKind::kCrash, io::Operation::kRename, 1, "logs/third"});
  EXPECT_FALSE(ledger->CreateLog("third", "example.org/third", 0).ok());
  EXPECT_EQ(disk.Counts().crashes, 1u);
  ledger.reset();
  disk.Restart();
  Open();
  if (!ledger->FindLog("third")) {
    ASSERT_TRUE(ledger->CreateLog("third", "example.org/third", 0).ok());
  }
  EXPECT_TRUE(Append(ledger->FindLog("third"), Events("t", 2)).status.ok());
  CrashAndOpen();
  EXPECT_EQ(ledger->DurableSize(ledger->FindLog("third")).value, 2u);
}

TEST_F(RecoveryFaultTest, AFailedCreationStopsWritingSoThatNoSecondKeyIsMade) {
  Open();
  disk.AddFault({io::FaultKind::kErrorButDone, io::Operation::kSyncDirectory, 1, "logs/third"});
  EXPECT_EQ(ledger->CreateLog("third", "example.org/third", 0).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(disk.Counts().errors_but_done, 1u);
  EXPECT_EQ(ledger->CreateLog("third", "example.org/third", 0).status().code(),
            absl::StatusCode::kFailedPrecondition);
  KillAndOpen();
  EXPECT_EQ(ledger->status().write_state, WriteState::kActive);
}

TEST_F(RecoveryFaultTest, WhatAKilledProcessLeftInThePageCacheSurvivesThePowerLossAfter) {
  Open();
  disk.AddFault({io::FaultKind::kError, io::Operation::kSync, 1, "journal"});
  EXPECT_EQ(Append({Event("unknown")}).status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(disk.Counts().errors, 1u);
  KillAndOpen();
  Publish();
  const std::vector<std::string> shown = Records(Default());
  CrashAndOpen();
  Publish();
  EXPECT_EQ(ledger->status().write_state, WriteState::kActive);
  EXPECT_EQ(Records(Default()), shown);
}

TEST_F(RecoveryFaultTest, AFullDiskRefusesBeforeTheReserveAndResumesByItself) {
  options.disk_reserve_bytes = 512 * 1024;
  Open();
  const std::vector<std::string> before = Records(Default());
  disk.SetCapacity(disk.UsedBytes() + 256 * 1024);
  ASSERT_TRUE(ledger->PrepareJournal(false).ok());
  EXPECT_EQ(ledger->status().write_state, WriteState::kDiskFull);
  EXPECT_EQ(Append(Events("refused", 1)).status.code(), absl::StatusCode::kResourceExhausted);
  // Reads and proofs go on, and so does a clean stop.
  EXPECT_EQ(Records(Default()), before);
  EXPECT_TRUE(ledger->InclusionProof(Default(), LogIndex(2), TreeSize(0)).ok());
  disk.SetCapacity(std::nullopt);
  ASSERT_TRUE(ledger->PrepareJournal(false).ok());
  EXPECT_EQ(ledger->status().write_state, WriteState::kActive);
  EXPECT_TRUE(Append(Events("accepted", 1)).status.ok());
}

}  // namespace
}  // namespace graven::ledger
