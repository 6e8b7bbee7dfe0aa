// The server's own log among those of the ledger.
#include "ledger/ledger_fixture_test.h"

namespace graven::ledger {
namespace {

class SystemLogTest : public LedgerTest {};

TEST_F(SystemLogTest, FolderFromBeforeGetsOneAtTheNextStartAndKeepsIt) {
  Open();
  ASSERT_TRUE(Append({Event("a")}).status.ok());
  Publish();
  ASSERT_FALSE(ledger->FindLog(kSystemLogName));
  options.system_log = true;
  CrashAndOpen();
  const LogRef log = ledger->FindLog(kSystemLogName);
  ASSERT_TRUE(log);
  EXPECT_EQ(ledger->GetPublished(log)->size, TreeSize(0));
  EXPECT_FALSE(ledger->GetPublished(log)->checkpoint.empty());
  const std::string origin = log.origin();
  EXPECT_TRUE(origin.starts_with("graven.local/") && origin.ends_with("/_system")) << origin;
  ASSERT_TRUE(Append(log, {Event("start")}).status.ok());
  Publish();
  CrashAndOpen();
  EXPECT_EQ(ledger->FindLog(kSystemLogName).origin(), origin);
  EXPECT_EQ(PublishedSize(ledger->FindLog(kSystemLogName)), 1u);
  EXPECT_EQ(PublishedSize(Default()), 1u);
}

TEST_F(SystemLogTest, NewFolderHasItBesideDefault) {
  options.system_log = true;
  Open();
  EXPECT_TRUE(Default());
  EXPECT_TRUE(ledger->FindLog(kSystemLogName));
  EXPECT_EQ(ledger->Logs().size(), 2u);
}

TEST_F(SystemLogTest, CrashWhileItIsMadeLeavesAFolderThatOpens) {
  bool opened = false;
  for (uint64_t nth = 1; !opened; ++nth) {
    ASSERT_LT(nth, 200u) << "there is no end of crashes";
    options.folder = "/folder-" + std::to_string(nth);
    options.system_log = false;
    Open();
    ASSERT_TRUE(Append({Event("a")}).status.ok());
    Publish();
    ledger.reset();
    options.system_log = true;
    disk.AddFault({io::FaultKind::kCrash, std::nullopt, nth, ""});
    opened = TryOpen().ok();
    disk.ClearFaults();
    ledger.reset();
    if (disk.crashed()) disk.Restart();
    ASSERT_TRUE(TryOpen().ok()) << "operation " << nth;
    EXPECT_TRUE(ledger->FindLog(kSystemLogName));
    EXPECT_EQ(PublishedSize(Default()), 1u);
  }
  EXPECT_GT(disk.Counts().crashes, 10u);
}

TEST_F(SystemLogTest, NobodyMakesALogWithAReservedName) {
  Open();
  EXPECT_EQ(ledger->CreateLog("_system", "", 0).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(SystemLogTest, FullDiskIsNoReasonNotToStart) {
  Open();
  ASSERT_TRUE(Append({Event("a")}).status.ok());
  Publish();
  options.system_log = true;
  options.disk_reserve_bytes = uint64_t{1} << 40;
  disk.SetCapacity(uint64_t{64} << 20);
  ledger.reset();
  ASSERT_TRUE(TryOpen().ok());
  EXPECT_EQ(ledger->status().write_state, WriteState::kDiskFull);
  EXPECT_FALSE(ledger->FindLog(kSystemLogName));
  EXPECT_EQ(PublishedSize(Default()), 1u);
}

}  // namespace
}  // namespace graven::ledger
