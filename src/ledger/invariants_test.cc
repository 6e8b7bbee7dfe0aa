// The invariants of ARCHITECTURE.md that the ledger holds, each under its name.
#include "ledger/ledger_fixture_test.h"
#include "merkle/frontier.h"
#include "merkle/leaf.h"
#include "note/checkpoint.h"

namespace graven::ledger {
namespace {

using InvariantsTest = LedgerTest;

TEST_F(InvariantsTest, Invariant1_BytesHashedAreBytesReturned) {
  Open();
  TestEvent odd = Reordered("odd");
  record::AppendBytesField(999, "a field that nobody knows", &odd.body);
  ASSERT_TRUE(Append({Event("plain"), odd}).status.ok());
  Publish();
  const std::vector<std::string> before = Records(Default());
  ASSERT_EQ(before.size(), 2u);
  EXPECT_EQ(record::Decode(before[1])->body, odd.body);

  merkle::Frontier frontier;
  frontier.AppendAll(Hashes(Default()));
  EXPECT_EQ(frontier.Root(), ledger->GetPublished(Default())->root);

  CrashAndOpen();
  Publish();
  EXPECT_EQ(Records(Default()), before);
}

TEST_F(InvariantsTest, Invariant2_NothingIsAcknowledgedBeforeItIsDurable) {
  Open();
  ASSERT_TRUE(Append(Events("first", 3)).status.ok());
  ASSERT_TRUE(Apply(Default(), Events("applied only", 3)).status.ok());
  EXPECT_EQ(ledger->DurableSize(Default()).value, 3u);
  CrashAndOpen();
  // What MakeDurable said OK to is there; what was only applied never was.
  EXPECT_EQ(ledger->DurableSize(Default()).value, 3u);
}

TEST_F(InvariantsTest, Invariant2_AFailedSyncIsNotAnAcknowledgement) {
  Open();
  ASSERT_TRUE(Append(Events("first", 3)).status.ok());
  disk.AddFault({io::FaultKind::kError, io::Operation::kSync, 1, "journal"});
  EXPECT_EQ(Append(Events("lost", 3)).status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(disk.Counts().errors, 1u);
  EXPECT_EQ(ledger->DurableSize(Default()).value, 3u);
}

TEST_F(InvariantsTest, Invariant2_NothingIsSignedBeforeTheGuardIsSynced) {
  Open();
  ASSERT_TRUE(Append(Events("first", 3)).status.ok());
  Publish();
  ASSERT_TRUE(Append(Events("second", 3)).status.ok());
  disk.AddFault({io::FaultKind::kError, io::Operation::kSync, 1, "guard"});
  EXPECT_EQ(ledger->Publish().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(disk.Counts().errors, 1u);
  EXPECT_EQ(PublishedSize(Default()), 3u);
  EXPECT_EQ(ledger->status().write_state, WriteState::kStopped);
}

TEST_F(InvariantsTest, Invariant2_ReadersNeverSeeMoreThanIsPublished) {
  Open();
  ASSERT_TRUE(Append(Events("e", 3)).status.ok());
  const LogRef log = Default();
  EXPECT_TRUE(Records(log).empty());
  EXPECT_EQ(ledger->FindEvent(log, "e0").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ledger->Receipt(log, LogIndex(0)).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ledger->InclusionProof(log, LogIndex(0), TreeSize(3)).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(ledger->ConsistencyProof(log, TreeSize(1), TreeSize(3)).status().code(),
            absl::StatusCode::kNotFound);
  Publish();
  EXPECT_EQ(Records(log).size(), 3u);
  EXPECT_EQ(ledger->FindEvent(log, "e2")->value, 2u);
  EXPECT_TRUE(ledger->Receipt(log, LogIndex(0)).ok());
  EXPECT_TRUE(ledger->InclusionProof(log, LogIndex(0), TreeSize(3)).ok());
}

TEST_F(InvariantsTest, Invariant3_PublishedDurableAndSequencedOnlyGrow) {
  Open();
  uint64_t durable = 0, published = 0;
  auto look = [&] {
    EXPECT_GE(ledger->DurableSize(Default()).value, durable);
    EXPECT_GE(PublishedSize(Default()), published);
    durable = ledger->DurableSize(Default()).value;
    published = PublishedSize(Default());
    EXPECT_LE(published, durable);
  };
  for (int round = 0; round < 12; ++round) {
    ASSERT_TRUE(Apply(Default(), Events("r" + std::to_string(round) + "-", 5)).status.ok());
    look();
    if (round % 2 == 0) Publish();
    look();
    ASSERT_TRUE(ledger->MakeDurable().ok());
    look();
    if (round % 3 == 0) Publish();
    if (round % 5 == 4) CrashAndOpen();
    look();
  }
  Publish();
  look();
  EXPECT_EQ(published, 60u);
}

TEST_F(InvariantsTest, Invariant3_TimeNeverRunsBackwardsWithinALog) {
  Open();
  int64_t last_ns = 0;
  for (int round = 0; round < 6; ++round) {
    if (round == 3) CrashAndOpen();
    const Outcome outcome = Append(Events("r" + std::to_string(round) + "-", 2));
    ASSERT_TRUE(outcome.status.ok());
    for (const EventReceipt& receipt : outcome.receipts) {
      EXPECT_GT(receipt.received_at_ns, last_ns);
      last_ns = receipt.received_at_ns;
    }
    clock.wall_ns -= 3'600'000'000'000;
  }
  EXPECT_EQ(last_ns, 1'700'000'000'000'000'011);
}

TEST_F(InvariantsTest, Invariant4_ALogNeverSignsTwoHistories) {
  Open();
  ASSERT_TRUE(Append(Events("shown", 4)).status.ok());
  Publish();
  const std::string shown = ledger->GetPublished(Default())->checkpoint;
  // The guard reaches the disk, the power goes before the answer does.
  ASSERT_TRUE(Append(Events("guarded", 4)).status.ok());
  disk.AddFault({io::FaultKind::kErrorButDone, io::Operation::kSync, 1, "guard"});
  EXPECT_FALSE(ledger->Publish().ok());
  EXPECT_EQ(disk.Counts().errors_but_done, 1u);
  EXPECT_EQ(ledger->GetPublished(Default())->checkpoint, shown);

  CrashAndOpen();
  // Exactly what the guard names is signed, before anything new; and it goes on from there.
  const std::string again = ledger->GetPublished(Default())->checkpoint;
  EXPECT_EQ(PublishedSize(Default()), 8u);
  ASSERT_TRUE(Append(Events("later", 1)).status.ok());
  CrashAndOpen();
  EXPECT_EQ(ledger->GetPublished(Default())->checkpoint, again);
  Publish();
  const std::vector<Hash> hashes = Hashes(Default());
  ASSERT_EQ(hashes.size(), 9u);
  auto key = note::VerifierKey::Parse(ledger->Info(Default()).vkey);
  for (const std::string& signed_note : {shown, again}) {
    auto checkpoint = note::OpenCheckpoint(signed_note, *key);
    ASSERT_TRUE(checkpoint.ok());
    merkle::Frontier frontier;
    frontier.AppendAll(std::span(hashes).first(checkpoint->size.value));
    EXPECT_EQ(frontier.Root(), checkpoint->root);
  }
}

TEST_F(InvariantsTest, Invariant5_AfterAFailedWriteNothingIsTakenUntilReopened) {
  Open();
  ASSERT_TRUE(Append(Events("kept", 2)).status.ok());
  disk.AddFault({io::FaultKind::kPartialWrite, io::Operation::kWrite, 1, "journal"});
  EXPECT_EQ(Append(Events("torn", 2)).status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(disk.Counts().partial_writes, 1u);
  EXPECT_EQ(ledger->status().write_state, WriteState::kStopped);
  EXPECT_FALSE(ledger->status().write_state_reason.empty());
  EXPECT_EQ(Append(Events("refused", 2)).status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ledger->CreateLog("other", "", 0).status().code(),
            absl::StatusCode::kFailedPrecondition);
  // Readers go on.
  Publish();
  EXPECT_EQ(Records(Default()).size(), 2u);

  Open();
  EXPECT_EQ(ledger->status().write_state, WriteState::kActive);
  EXPECT_TRUE(Append(Events("refused", 2)).status.ok());
}

TEST_F(InvariantsTest, Invariant6_EveryWaiterIsAnswered) {
  Open();
  const int64_t now = clock.wall_ns;
  TestRequest good(Default(), Events("good", 2), now),
      conflict(Default(), {Event("good0", "x")}, now),
      nowhere(Default(), Events("nowhere", 1), now), stale(Default(), Events("s", 1), now, Hash{});
  nowhere.request.log_number = 77;
  std::vector<sequencer::Request*> batch = {&good.request, &nowhere.request, &conflict.request,
                                            &stale.request};
  std::vector<RequestResult> results;
  ledger->Apply(batch, &results);
  ASSERT_EQ(results.size(), 4u);
  EXPECT_EQ(results[0].status.code(), absl::StatusCode::kOk);
  EXPECT_EQ(results[0].receipts.size(), 2u);
  EXPECT_EQ(results[1].status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(results[2].status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(results[3].status.code(), absl::StatusCode::kAborted);
  disk.AddFault({io::FaultKind::kError, io::Operation::kSync, 1, "journal"});
  EXPECT_EQ(ledger->MakeDurable().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(disk.Counts().errors, 1u);
  ledger->Apply(batch, &results);
  ASSERT_EQ(results.size(), 4u);
  for (const RequestResult& result : results) {
    EXPECT_EQ(result.status.code(), absl::StatusCode::kFailedPrecondition);
  }
  EXPECT_EQ(ledger->status().write_state, WriteState::kStopped);
}

TEST_F(InvariantsTest, Invariant7_NothingPublishedIsEverChanged) {
  Open();
  std::vector<std::string> records;
  for (int round = 0; round < 60; ++round) {
    std::vector<TestEvent> events = Events("r" + std::to_string(round) + "-", 20);
    events[0] = Event(events[0].id, std::string(2000, 'x'));
    const Outcome outcome = Append(events);
    ASSERT_TRUE(outcome.status.ok()) << outcome.status;
    Publish();
    SealAll();
    const std::vector<std::string> now = Records(Default());
    ASSERT_EQ(now.size(), records.size() + 20);
    ASSERT_TRUE(std::equal(records.begin(), records.end(), now.begin()));
    records = now;
    if (round % 20 == 19) CrashAndOpen();
  }
  // They had left the journal by then.
  EXPECT_FALSE(disk.List("/data/logs/default/segments")->empty());
}

TEST_F(InvariantsTest, Invariant8_ATornEndAboveTheFloorIsCutAndSaidSo) {
  Open();
  ASSERT_TRUE(Append(Events("kept", 3)).status.ok());
  disk.AddFault({io::FaultKind::kPartialWrite, io::Operation::kWrite, 1, "journal"});
  EXPECT_EQ(Append({Event("torn", std::string(20'000, 'x'))}).status.code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(disk.Counts().partial_writes, 1u);
  KillAndOpen();
  EXPECT_EQ(ledger->status().write_state, WriteState::kActive);
  EXPECT_THAT(ledger->status().recovery_report, testing::HasSubstr("torn end"));
  EXPECT_EQ(ledger->DurableSize(Default()).value, 3u);
  EXPECT_TRUE(Append(Events("next", 1)).status.ok());
}

TEST_F(InvariantsTest, Invariant8_DamageBelowTheFloorIsReadOnlyAndNamesTheRecord) {
  Open();
  ASSERT_TRUE(Append(Events("a", 3)).status.ok());
  ASSERT_TRUE(Append({Event("victim")}).status.ok());
  ASSERT_TRUE(Append(Events("c", 2)).status.ok());
  // Only the frame behind says that the fourth record was acknowledged: nothing was published.
  disk.Kill();
  ledger.reset();
  disk.Restart();
  FlipIn(JournalFiles().back(), "victim");
  Open();
  EXPECT_EQ(ledger->status().write_state, WriteState::kReadOnly);
  EXPECT_THAT(ledger->status().write_state_reason, testing::HasSubstr("the first bad record is 3"));
  EXPECT_TRUE(ledger->Info(Default()).read_only);
  EXPECT_EQ(Append(Events("refused", 1)).status.code(), absl::StatusCode::kFailedPrecondition);
  // What is whole can still be read.
  EXPECT_EQ(Records(Default()).size(), PublishedSize(Default()));
}

TEST_F(InvariantsTest, Invariant9_TheSameEventsGiveTheSameRecordsTreeAndCheckpoint) {
  auto write = [this](int batch_events, bool seal) {
    disk.Crash();
    io::SimulatedFileSystem fresh(3);
    SetRandom same_random(5);
    auto opened = Ledger::Open(fresh, clock, same_random, options);
    EXPECT_TRUE(opened.ok()) << opened.status();
    ledger = *std::move(opened);
    std::vector<TestEvent> events = Events("e", 240);
    for (size_t i = 0; i < events.size(); i += static_cast<size_t>(batch_events)) {
      std::vector<TestEvent> batch(events.begin() + static_cast<ptrdiff_t>(i),
                                   events.begin() + static_cast<ptrdiff_t>(i) + batch_events);
      EXPECT_TRUE(Append(batch).status.ok());
      if (seal) {
        Publish();
        SealAll();
      }
    }
    Publish();
    auto result = std::make_pair(Records(Default()), ledger->GetPublished(Default())->checkpoint);
    ledger.reset();
    return result;
  };
  const auto one = write(240, false);
  EXPECT_EQ(one.first.size(), 240u);
  EXPECT_EQ(write(1, true), one);
  EXPECT_EQ(write(12, false), one);
}

}  // namespace
}  // namespace graven::ledger
