// Duplicates, conflicts and preconditions.
#include "ledger/ledger_fixture_test.h"

namespace graven::ledger {
namespace {

class AppendRulesTest : public LedgerTest {
 protected:
  void SetUp() override {
    Open();
    log = *ledger->CreateLog("small", "example.org/small", 4);
  }
  uint64_t IndexOf(const Outcome& outcome, size_t event = 0) {
    EXPECT_TRUE(outcome.status.ok()) << outcome.status;
    return outcome.receipts.at(event).index.value;
  }

  LogRef log;  // its window is 4 records
};

TEST_F(AppendRulesTest, ADuplicateGetsTheReceiptOfThen) {
  const Outcome first = Append(log, {Event("a")});
  clock.wall_ns += 1'000'000;
  const Outcome again = Append(log, {Event("a")});
  ASSERT_EQ(IndexOf(again), 0u);
  EXPECT_TRUE(again.receipts[0].duplicate);
  EXPECT_EQ(again.receipts[0].record_hash, first.receipts[0].record_hash);
  EXPECT_EQ(again.receipts[0].received_at_ns, first.receipts[0].received_at_ns);
  EXPECT_EQ(ledger->DurableSize(log).value, 1u);
}

TEST_F(AppendRulesTest, TheSameMessageInOtherBytesIsADuplicate) {
  ASSERT_TRUE(Append(log, {Event("a")}).status.ok());
  ASSERT_NE(Event("a").body, Reordered("a").body);
  const Outcome again = Append(log, {Reordered("a")});
  EXPECT_EQ(IndexOf(again), 0u);
  EXPECT_TRUE(again.receipts[0].duplicate);
}

TEST_F(AppendRulesTest, AtTheWindowsEdgeADuplicateBeyondItANewRecord) {
  ASSERT_TRUE(Append(log, Events("e", 4)).status.ok());
  // Size 4, window 4: record 0 is the oldest within.
  EXPECT_EQ(IndexOf(Append(log, {Event("e0")})), 0u);
  ASSERT_TRUE(Append(log, {Event("more")}).status.ok());
  const Outcome beyond = Append(log, {Event("e0", "something else")});
  EXPECT_EQ(IndexOf(beyond), 5u);
  EXPECT_FALSE(beyond.receipts[0].duplicate);
  // The newest with an id is the one that counts.
  EXPECT_EQ(Append(log, {Event("e0")}).status.code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(AppendRulesTest, TheWindowMovesWithinARequest) {
  ASSERT_TRUE(Append(log, Events("e", 4)).status.ok());
  // Behind the new event e0 is one record too old.
  const Outcome outcome = Append(log, {Event("new"), Event("e0"), Event("e3")});
  EXPECT_EQ(IndexOf(outcome, 0), 4u);
  EXPECT_EQ(IndexOf(outcome, 1), 5u);
  EXPECT_EQ(IndexOf(outcome, 2), 3u);
  EXPECT_TRUE(outcome.receipts[2].duplicate);
}

TEST_F(AppendRulesTest, TheSecondWithinARequestIsADuplicateOfTheFirst) {
  const Outcome outcome = Append(log, {Event("a"), Event("b"), Event("a")});
  EXPECT_EQ(IndexOf(outcome, 0), 0u);
  EXPECT_EQ(IndexOf(outcome, 2), 0u);
  EXPECT_FALSE(outcome.receipts[0].duplicate);
  EXPECT_TRUE(outcome.receipts[2].duplicate);
  EXPECT_EQ(ledger->DurableSize(log).value, 2u);
}

TEST_F(AppendRulesTest, AMixedRequestAppendsTheNewAndNamesTheOld) {
  ASSERT_TRUE(Append(log, {Event("a")}).status.ok());
  const Outcome outcome = Append(log, {Event("b"), Event("a"), Event("c")});
  EXPECT_EQ(IndexOf(outcome, 0), 1u);
  EXPECT_EQ(IndexOf(outcome, 1), 0u);
  EXPECT_EQ(IndexOf(outcome, 2), 2u);
}

TEST_F(AppendRulesTest, OneConflictRefusesAll) {
  ASSERT_TRUE(Append(log, {Event("a")}).status.ok());
  const Outcome stored = Append(log, {Event("b"), Event("a", "logout"), Event("c")});
  EXPECT_EQ(stored.status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(stored.status.message()), testing::HasSubstr("events[1]"));
  const Outcome within = Append(log, {Event("b"), Event("b", "logout")});
  EXPECT_EQ(within.status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ledger->DurableSize(log).value, 1u);
  // Nothing is left behind: the ids of a refused request are free.
  EXPECT_EQ(IndexOf(Append(log, {Event("b", "logout")})), 1u);
}

TEST_F(AppendRulesTest, ADuplicateOfAnEventInTheSameBatchIsFound) {
  TestRequest first(log, {Event("a")}, clock.wall_ns), second(log, {Event("a")}, clock.wall_ns),
      other(log, {Event("a", "x")}, clock.wall_ns);
  std::vector<sequencer::Request*> batch = {&first.request, &second.request, &other.request};
  std::vector<RequestResult> results;
  ledger->Apply(batch, &results);
  ASSERT_TRUE(results[1].status.ok());
  EXPECT_TRUE(results[1].receipts[0].duplicate);
  EXPECT_EQ(results[1].receipts[0].record_hash, results[0].receipts[0].record_hash);
  EXPECT_EQ(results[2].status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(ledger->MakeDurable().ok());
}

TEST_F(AppendRulesTest, DuplicatesAreFoundAcrossARestart) {
  ASSERT_TRUE(Append(log, Events("e", 3)).status.ok());
  CrashAndOpen();
  log = ledger->FindLog("small");
  const Outcome again = Append(log, {Event("e1")});
  EXPECT_EQ(IndexOf(again), 1u);
  EXPECT_TRUE(again.receipts[0].duplicate);
  EXPECT_EQ(Append(log, {Event("e2", "x")}).status.code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(AppendRulesTest, LogsDoNotShareIds) {
  ASSERT_TRUE(Append(log, {Event("a")}).status.ok());
  const Outcome other = Append(Default(), {Event("a", "x")});
  EXPECT_EQ(IndexOf(other), 0u);
  EXPECT_FALSE(other.receipts[0].duplicate);
}

TEST_F(AppendRulesTest, CollidingFingerprintsAreToldApartByTheRecords) {
  options.folder = "/colliding";
  options.fingerprint = [](const store::FingerprintKey&, std::string_view) -> uint64_t {
    return 42;
  };
  Open();
  ASSERT_TRUE(Append(Events("e", 50)).status.ok());
  const Outcome mixed = Append({Event("e7"), Event("new"), Event("e49")});
  EXPECT_EQ(IndexOf(mixed, 0), 7u);
  EXPECT_EQ(IndexOf(mixed, 1), 50u);
  EXPECT_EQ(IndexOf(mixed, 2), 49u);
  CrashAndOpen();
  EXPECT_EQ(IndexOf(Append({Event("e13")})), 13u);
  EXPECT_EQ(Append({Event("e13", "x")}).status.code(), absl::StatusCode::kAlreadyExists);
  Publish();
  EXPECT_EQ(ledger->FindEvent(Default(), "e20")->value, 20u);
}

TEST_F(AppendRulesTest, IdsThatLeftMemoryAreFoundInJournalAndSegment) {
  options.folder = "/little-memory";
  options.duplicate_table_bytes_max = 8 * 1024;
  Open();
  // Far more than the table holds, and nothing sealed.
  for (int batch = 0; batch < 20; ++batch) {
    ASSERT_TRUE(Append(Events("b" + std::to_string(batch) + "-", 100)).status.ok());
    ASSERT_TRUE(ledger->PrepareJournal(false).ok());
  }
  EXPECT_EQ(IndexOf(Append({Event("b0-0")})), 0u);
  EXPECT_EQ(Append({Event("b3-7", "x")}).status.code(), absl::StatusCode::kAlreadyExists);
  SealAll();
  ASSERT_TRUE(ledger->PrepareJournal(false).ok());
  EXPECT_EQ(IndexOf(Append({Event("b0-0")})), 0u);
  EXPECT_EQ(IndexOf(Append({Event("new")})), 2000u);
}

TEST_F(AppendRulesTest, TheRightPreconditionHoldsAndAStaleOneIsAborted) {
  const Outcome first = Append(log, {Event("a")}, ledger->Info(log).genesis_hash);
  ASSERT_TRUE(first.status.ok()) << first.status;
  const Hash last = first.receipts[0].record_hash;
  EXPECT_TRUE(Append(log, {Event("b")}, last).status.ok());
  EXPECT_EQ(Append(log, {Event("c")}, last).status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Append(log, {Event("c")}, ledger->Info(log).genesis_hash).status.code(),
            absl::StatusCode::kAborted);
  EXPECT_EQ(ledger->DurableSize(log).value, 2u);
}

TEST_F(AppendRulesTest, ARetryWithAStalePreconditionGetsItsReceipt) {
  const Hash empty = ledger->Info(log).genesis_hash;
  ASSERT_TRUE(Append(log, {Event("a")}, empty).status.ok());
  ASSERT_TRUE(Append(log, {Event("b")}).status.ok());
  const Outcome retry = Append(log, {Event("a")}, empty);
  EXPECT_EQ(IndexOf(retry), 0u);
  EXPECT_TRUE(retry.receipts[0].duplicate);
}

}  // namespace
}  // namespace graven::ledger
