// What the ledger makes of a folder that is damaged, full or odd, while it runs and when it is
// opened again: single cases, each by hand. Whole lives of a server are simulated in tests/crash.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/seeded_random_test.h"
#include "io/durable_file.h"
#include "io/simulated_file_system.h"
#include "ledger/ledger.h"
#include "ledger/test_event.h"
#include "merkle/leaf.h"
#include "note/checkpoint.h"
#include "note/keys.h"
#include "record/record.h"
#include "store/checkpoints_file.h"

namespace graven::ledger {
namespace {

constexpr char kFolder[] = "/data";

class CountingClock final : public Clock {
 public:
  int64_t WallNs() override { return now_ns_ += 1000; }
  int64_t SteadyNs() override { return now_ns_ += 1000; }

 private:
  int64_t now_ns_ = 1'700'000'000'000'000'000;
};

class LedgerRecovery : public testing::Test {
 protected:
  LedgerRecovery() : fs_(1, 1000) {
    options_.folder = kFolder;
    options_.effective_user = 1000;
    options_.journal_file_bytes = 64 << 10;
    options_.journal_files_max = 8;
    options_.disk_reserve_bytes = 0;
  }

  void Open() {
    auto opened = Ledger::Open(fs_, clock_, random_, options_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    ledger_ = *std::move(opened);
  }
  void Kill() {
    fs_.Kill();
    ledger_.reset();
    fs_.Restart();
  }
  void CloseAndReset() {
    ASSERT_TRUE(ledger_->Close().ok());
    ledger_.reset();
  }

  struct Event {
    std::string id;
    std::string action = "b";
  };
  // One request, made durable and published. The receipts, or why there are none.
  absl::StatusOr<std::vector<EventReceipt>> Append(const char* log,
                                                   const std::vector<Event>& sent) {
    std::vector<std::string> bodies;
    for (const Event& event : sent) bodies.push_back(EventBytes(event.id, event.action));
    std::vector<sequencer::NewEvent> events;
    for (size_t i = 0; i < sent.size(); ++i) {
      events.push_back({record::BodyKind::kEvent, bodies[i], sent[i].id, false, false});
    }
    sequencer::Request request;
    request.log_number = ledger_->FindLog(log).number();
    request.proposed_at_ns = clock_.WallNs();
    request.written_by = "anonymous";
    request.events = events;
    sequencer::Request* requests[] = {&request};
    std::vector<RequestResult> results;
    ledger_->Apply(requests, &results);
    if (!results[0].status.ok()) return results[0].status;
    std::vector<EventReceipt> receipts(results[0].receipts.begin(), results[0].receipts.end());
    if (absl::Status synced = ledger_->MakeDurable(); !synced.ok()) return synced;
    if (auto published = ledger_->Publish(); !published.ok()) return published.status();
    return receipts;
  }
  absl::Status AppendMany(const char* log, const std::string& prefix, size_t count) {
    std::vector<Event> events;
    for (size_t i = 0; i < count; ++i) events.push_back({prefix + std::to_string(i)});
    return Append(log, events).status();
  }

  // Background work until there is none: what the last step said.
  absl::StatusOr<bool> SealAll() {
    for (int steps = 0; steps < 1000; ++steps) {
      absl::Status prepared = ledger_->PrepareJournal(false);
      if (!prepared.ok()) return prepared;
      auto sealed = ledger_->Seal(true);
      if (!sealed.ok() || !*sealed) return sealed;
    }
    return absl::InternalError("the work does not end");
  }

  std::vector<std::string> Names(const std::string& directory) {
    auto names = fs_.List(directory);
    EXPECT_TRUE(names.ok()) << names.status();
    return names.ok() ? *std::move(names) : std::vector<std::string>();
  }

  // Turns one bit of the only place in the files of `directory` where `bytes` stand.
  void Damage(const std::string& directory, std::string_view bytes) {
    int found = 0;
    for (const std::string& name : Names(directory)) {
      const std::string path = io::JoinPath(directory, name);
      auto content = io::ReadWholeFile(fs_, path, 1 << 30);
      ASSERT_TRUE(content.ok());
      size_t at = content->find(bytes);
      if (at == std::string::npos) continue;
      ++found;
      ASSERT_TRUE(fs_.FlipBit(path, at * 8).ok());
    }
    ASSERT_EQ(found, 1);
  }

  size_t CountRecords(const char* log, absl::Status* status) {
    size_t count = 0;
    *status = ledger_->ReadRecords(ledger_->FindLog(log), LogIndex(0), 1'000'000,
                                   [&](LogIndex, std::string_view, const Hash&) {
                                     ++count;
                                     return true;
                                   });
    return count;
  }

  io::SimulatedFileSystem fs_;
  CountingClock clock_;
  SeededRandom random_{1};
  LedgerOptions options_;
  std::unique_ptr<Ledger> ledger_;
};

TEST_F(LedgerRecovery, AnIdThatComesTwiceIsOneEventAlsoWhereTheWindowEnds) {
  Open();
  ASSERT_TRUE(ledger_->CreateLog("small", "", 4).ok());
  ASSERT_TRUE(AppendMany("small", "e", 4).ok());
  // e0 is the last one in the window; the event between pushes it out.
  auto receipts = Append("small", {{"e0"}, {"new"}, {"e0"}});
  ASSERT_TRUE(receipts.ok()) << receipts.status();
  EXPECT_TRUE((*receipts)[0].duplicate);
  EXPECT_FALSE((*receipts)[1].duplicate);
  EXPECT_TRUE((*receipts)[2].duplicate);
  EXPECT_EQ((*receipts)[2].index, LogIndex(0));
  EXPECT_EQ(ledger_->DurableSize(ledger_->FindLog("small")), TreeSize(5));
  // In the next request it is out.
  receipts = Append("small", {{"e0"}});
  ASSERT_TRUE(receipts.ok()) << receipts.status();
  EXPECT_FALSE((*receipts)[0].duplicate);
}

TEST_F(LedgerRecovery, AnIdThatComesTwiceInARequestWithDifferentEventsIsRefused) {
  Open();
  ASSERT_TRUE(AppendMany("default", "e", 1).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(Append("default", {{"x"}, {"x", "other"}}).status()));
  EXPECT_TRUE(absl::IsAlreadyExists(Append("default", {{"e0"}, {"e0", "other"}}).status()));
  EXPECT_EQ(ledger_->DurableSize(ledger_->FindLog("default")), TreeSize(1));
}

TEST_F(LedgerRecovery, ADuplicateOfWhatTheTableDroppedAndNoSegmentHasIsFound) {
  options_.duplicate_table_bytes_max = 1024;  // 8 generations of 12 entries
  Open();
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(AppendMany("default", std::to_string(i) + "-", 100).ok());
  }
  ASSERT_EQ(ledger_->status().unsealed_records, 400u);
  auto receipts = Append("default", {{"0-7"}, {"3-99"}, {"fresh"}});
  ASSERT_TRUE(receipts.ok()) << receipts.status();
  EXPECT_TRUE((*receipts)[0].duplicate);
  EXPECT_EQ((*receipts)[0].index, LogIndex(7));
  EXPECT_TRUE((*receipts)[1].duplicate);
  EXPECT_FALSE((*receipts)[2].duplicate);
  // The background work puts them where they are found fast.
  ASSERT_TRUE(SealAll().ok());
  EXPECT_EQ(ledger_->status().unsealed_records, 0u);
  receipts = Append("default", {{"0-7"}});
  ASSERT_TRUE(receipts.ok()) << receipts.status();
  EXPECT_TRUE((*receipts)[0].duplicate);
}

TEST_F(LedgerRecovery, ADuplicateOfWhatTheTableDroppedWithinTheSameBatchIsFound) {
  options_.duplicate_table_bytes_max = 1024;
  Open();
  std::string first = EventBytes("e0");
  std::vector<std::string> ids, bodies;
  for (int i = 0; i < 200; ++i) {
    ids.push_back("e" + std::to_string(i));
    bodies.push_back(EventBytes(ids.back()));
  }
  std::vector<sequencer::NewEvent> events;
  for (int i = 0; i < 200; ++i) {
    events.push_back({record::BodyKind::kEvent, bodies[i], ids[i], false, false});
  }
  sequencer::Request many, again;
  many.log_number = again.log_number = ledger_->FindLog("default").number();
  many.written_by = again.written_by = "anonymous";
  many.events = events;
  again.events = std::span(events).first(1);
  sequencer::Request* requests[] = {&many, &again};
  std::vector<RequestResult> results;
  ledger_->Apply(requests, &results);
  ASSERT_TRUE(results[1].status.ok()) << results[1].status;
  EXPECT_EQ(results[1].duplicate_count, 1u);
  EXPECT_TRUE(ledger_->MakeDurable().ok());
}

TEST_F(LedgerRecovery, TooManyUnsealedRecordsAreCarriedAwayAlsoFromOneJournalFile) {
  options_.journal_file_bytes = 1 << 20;
  options_.unsealed_records_max = 300;
  Open();
  absl::Status appended;
  for (int i = 0; i < 10 && appended.ok(); ++i) {
    appended = AppendMany("default", std::to_string(i) + "-", 100);
  }
  ASSERT_TRUE(absl::IsResourceExhausted(appended)) << appended;
  Kill();
  Open();
  EXPECT_EQ(ledger_->status().unsealed_records, 400u);
  EXPECT_TRUE(absl::IsResourceExhausted(AppendMany("default", "more-", 1)));
  ASSERT_TRUE(SealAll().ok());
  EXPECT_TRUE(AppendMany("default", "more-", 1).ok());
}

TEST_F(LedgerRecovery, ADamagedRecordFoundBySealingStopsWritingAndIsNamed) {
  options_.unsealed_records_max = 100;
  Open();
  ASSERT_TRUE(AppendMany("default", "event-number-", 60).ok());
  Damage("/data/journal", "event-number-42");
  absl::StatusOr<bool> sealed = SealAll();
  EXPECT_TRUE(absl::IsDataLoss(sealed.status())) << sealed.status();
  LedgerStatus status = ledger_->status();
  EXPECT_EQ(status.write_state, WriteState::kReadOnly);
  EXPECT_NE(status.write_state_reason.find("record 42"), std::string::npos)
      << status.write_state_reason;
  EXPECT_TRUE(absl::IsFailedPrecondition(AppendMany("default", "more", 1)));
  // Nothing more is tried, and what is whole is still read.
  sealed = SealAll();
  ASSERT_TRUE(sealed.ok()) << sealed.status();
  EXPECT_FALSE(*sealed);
  EXPECT_TRUE(ledger_->Receipt(ledger_->FindLog("default"), LogIndex(41)).ok());
}

TEST_F(LedgerRecovery, AReadOnlyLogKeepsItsJournalFileAndTheOthersGoOn) {
  options_.unsealed_records_max = 100;
  Open();
  ASSERT_TRUE(ledger_->CreateLog("other", "", 0).ok());
  ASSERT_TRUE(AppendMany("default", "sealed", 60).ok());
  ASSERT_TRUE(SealAll().ok());
  ASSERT_EQ(ledger_->status().unsealed_records, 0u);
  ASSERT_TRUE(AppendMany("default", "unsealed", 5).ok());
  CloseAndReset();

  const std::string segments = "/data/logs/default/segments";
  const std::string path = io::JoinPath(segments, Names(segments).at(0));
  ASSERT_TRUE(fs_.FlipBit(path, (fs_.Stat(path)->size - 20) * 8).ok());  // in the footer
  options_.unsealed_records_max = 3'000'000;
  Open();
  EXPECT_TRUE(ledger_->Info(ledger_->FindLog("default")).read_only);
  EXPECT_EQ(ledger_->status().write_state, WriteState::kActive);

  // Until the journal is full.
  absl::Status appended;
  absl::StatusOr<bool> sealed = false;
  for (int i = 0; i < 100 && appended.ok(); ++i) {
    appended = AppendMany("other", std::to_string(i) + "-", 100);
    sealed = SealAll();
  }
  EXPECT_TRUE(absl::IsResourceExhausted(appended)) << appended;
  EXPECT_TRUE(absl::IsFailedPrecondition(sealed.status())) << sealed.status();
  EXPECT_NE(sealed.status().message().find("log default"), absl::string_view::npos);
}

TEST_F(LedgerRecovery, ADamagedProvisionalSegmentLeavesTheFinalOnesReadable) {
  options_.journal_file_bytes = 16 << 20;
  options_.unsealed_records_max = 20'000;
  Open();
  for (int i = 0; i < 16; ++i) {
    ASSERT_TRUE(AppendMany("default", std::to_string(i) + "-", 4096).ok());
    ASSERT_TRUE(SealAll().ok());
  }
  std::vector<Event> events;
  for (int i = 0; i < 10'100; ++i) events.push_back({"last-" + std::to_string(i)});
  auto receipts = Append("default", events);
  ASSERT_TRUE(receipts.ok()) << receipts.status();
  ASSERT_TRUE(SealAll().ok());
  CloseAndReset();
  ASSERT_EQ(Names("/data/logs/default/segments").size(), 2u);
  // The hash of a record behind the last whole chunk is read at the start.
  Damage("/data/logs/default/segments", receipts->back().record_hash.view());

  Open();
  LogInfo info = ledger_->Info(ledger_->FindLog("default"));
  EXPECT_TRUE(info.read_only);
  absl::Status read;
  EXPECT_EQ(CountRecords("default", &read), 65536u);
  EXPECT_TRUE(read.ok()) << read;
}

TEST_F(LedgerRecovery, ABatchThatGrewByManyAppliesIsOneFrameAndReadBackWhole) {
  Open();
  ASSERT_TRUE(ledger_->CreateLog("other", "", 0).ok());
  const std::vector<std::string> ids = {"event-a", "event-b", "event-c", "event-a", "event-d"};
  std::vector<std::string> bodies;
  for (const std::string& id : ids) bodies.push_back(EventBytes(id));
  std::vector<sequencer::NewEvent> events;
  for (size_t i = 0; i < ids.size(); ++i) {
    events.push_back({record::BodyKind::kEvent, bodies[i], ids[i], false, false});
  }
  // Each event alone, for two logs in turn; the fourth is the first once more.
  std::vector<std::vector<RequestResult>> results(2 * ids.size());
  std::vector<sequencer::Request> requests(2 * ids.size());
  const uint64_t before = fs_.ChangingOperations();
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].log_number = ledger_->FindLog(i % 2 == 0 ? "default" : "other").number();
    requests[i].written_by = "anonymous";
    requests[i].events = std::span(events).subspan(i / 2, 1);
    // Of records that are not durable yet, too.
    if (i == 2) requests[i].expected_last_hash = results[0][0].receipts[0].record_hash;
    sequencer::Request* one[] = {&requests[i]};
    ledger_->Apply(one, &results[i]);
  }
  ASSERT_TRUE(ledger_->MakeDurable().ok());
  EXPECT_EQ(fs_.ChangingOperations() - before, 2u + 1u);  // the file's header, the frame, a sync
  const uint64_t indexes[] = {0, 1, 2, 0, 3};
  for (size_t i = 0; i < requests.size(); ++i) {
    ASSERT_TRUE(results[i][0].status.ok()) << results[i][0].status;
    EXPECT_EQ(results[i][0].receipts[0].index, LogIndex(indexes[i / 2]));
    EXPECT_EQ(results[i][0].receipts[0].duplicate, i / 2 == 3);
  }
  const Hash third = results[4][0].receipts[0].record_hash;
  Kill();
  Open();
  ASSERT_TRUE(ledger_->Publish().ok());
  absl::Status read;
  EXPECT_EQ(CountRecords("default", &read), 4u);
  EXPECT_EQ(CountRecords("other", &read), 4u);
  EXPECT_TRUE(read.ok()) << read;
  Kill();
  // A damaged record is named, in whichever section of its log it stands.
  Damage("/data/journal", third.view());  // the link in the fourth record
  Open();
  EXPECT_NE(ledger_->status().write_state_reason.find("bad record is 3"), std::string::npos)
      << ledger_->status().write_state_reason;
}

TEST_F(LedgerRecovery, AMissingJournalFileOpensReadOnly) {
  Open();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(AppendMany("default", std::to_string(i) + "-", 100).ok());
    ASSERT_TRUE(ledger_->PrepareJournal(false).ok());
  }
  CloseAndReset();
  const std::vector<std::string> files = Names("/data/journal");
  ASSERT_GT(files.size(), 3u);
  ASSERT_TRUE(fs_.Remove(io::JoinPath("/data/journal", files[1])).ok());
  Open();
  EXPECT_EQ(ledger_->status().write_state, WriteState::kReadOnly);
  absl::Status read;
  EXPECT_GT(CountRecords("default", &read), 0u);
  EXPECT_TRUE(read.ok()) << read;
}

TEST_F(LedgerRecovery, ACleanStopReportsNothing) {
  Open();
  ASSERT_TRUE(AppendMany("default", "e", 60).ok());
  CloseAndReset();
  Open();
  EXPECT_EQ(ledger_->status().recovery_report, "");
}

TEST_F(LedgerRecovery, SealingLeavesTheReserveForACleanStop) {
  options_.unsealed_records_max = 100;
  options_.disk_reserve_bytes = 1 << 20;
  Open();
  ASSERT_TRUE(AppendMany("default", "e", 60).ok());
  fs_.SetCapacity(fs_.UsedBytes() + (400 << 10));
  EXPECT_TRUE(absl::IsResourceExhausted(SealAll().status()));
  EXPECT_EQ(ledger_->status().write_state, WriteState::kDiskFull);
  EXPECT_TRUE(Names("/data/logs/default/segments").empty());
  EXPECT_TRUE(absl::IsResourceExhausted(AppendMany("default", "more", 1)));
  fs_.SetCapacity(std::nullopt);
  ASSERT_TRUE(SealAll().ok());
  EXPECT_EQ(Names("/data/logs/default/segments").size(), 1u);
  EXPECT_TRUE(AppendMany("default", "more", 1).ok());
}

TEST_F(LedgerRecovery, PublishingManyLogsTakesOneWriteAndOneSync) {
  Open();
  for (int i = 0; i < 20; ++i)
    ASSERT_TRUE(ledger_->CreateLog("log-" + std::to_string(i), "", 0).ok());
  std::vector<std::string> bodies;
  std::vector<sequencer::NewEvent> events;
  std::string body = EventBytes("e");
  events.push_back({record::BodyKind::kEvent, body, "e", false, false});
  std::vector<sequencer::Request> requests(20);
  std::vector<sequencer::Request*> pointers;
  for (int i = 0; i < 20; ++i) {
    requests[i].log_number = ledger_->FindLog("log-" + std::to_string(i)).number();
    requests[i].written_by = "anonymous";
    requests[i].events = events;
    pointers.push_back(&requests[i]);
  }
  std::vector<RequestResult> results;
  ledger_->Apply(pointers, &results);
  uint64_t before = fs_.ChangingOperations();
  ASSERT_TRUE(ledger_->MakeDurable().ok());
  EXPECT_EQ(fs_.ChangingOperations() - before,
            2u + 1u);  // a new file's header, the frame, the sync
  before = fs_.ChangingOperations();
  auto published = ledger_->Publish();
  ASSERT_TRUE(published.ok()) << published.status();
  EXPECT_EQ(published->size(), 20u);
  EXPECT_EQ(fs_.ChangingOperations() - before, 2u);
  // The checkpoints are kept behind the scenes.
  ASSERT_TRUE(SealAll().ok());
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(fs_.Stat("/data/logs/log-" + std::to_string(i) + "/checkpoints").ok());
  }
}

TEST_F(LedgerRecovery, AKeptCheckpointOfAnotherHistoryMakesTheLogReadOnly) {
  Open();
  ASSERT_TRUE(AppendMany("default", "e", 60).ok());
  std::string origin = ledger_->Info(ledger_->FindLog("default")).origin;
  CloseAndReset();
  std::string key_text = *io::ReadWholeFile(fs_, "/data/keys/default", 4096);
  key_text.pop_back();
  auto key = note::SignerKey::Parse(key_text);
  ASSERT_TRUE(key.ok());
  note::Checkpoint other{origin, TreeSize(50), merkle::HashLeaf("not this tree"), {}};
  auto file = store::CheckpointsFile::Open(fs_, "/data/logs/default/checkpoints");
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(file->Append(*note::SignCheckpoint(other, *key)).ok());
  Open();
  LogInfo info = ledger_->Info(ledger_->FindLog("default"));
  EXPECT_TRUE(info.read_only);
  EXPECT_NE(info.read_only_reason.find("size 50"), std::string::npos) << info.read_only_reason;
}

}  // namespace
}  // namespace graven::ledger
