// The ledger as the server drives it: a writer, a publisher, a background thread and readers at
// once. What the simulation cannot show, because it interleaves whole steps, the thread sanitizer
// sees here.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "ledger/ledger.h"
#include "ledger/test_event.h"
#include "merkle/leaf.h"
#include "merkle/proof.h"
#include "note/checkpoint.h"
#include "note/receipt_file.h"
#include "note/tlog_proof.h"
#include "record/record.h"

namespace graven::ledger {
namespace {

class LedgerThreads : public testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "build/ledger-threads-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
    LedgerOptions options;
    options.folder = folder_ + "/data";
    options.effective_user = geteuid();
    options.journal_file_bytes = 256 << 10;
    options.journal_files_max = 8;
    options.disk_reserve_bytes = 0;
    auto opened = Ledger::Open(io::PosixFileSystem(), SystemClock(), SystemRandom(), options);
    ASSERT_TRUE(opened.ok()) << opened.status();
    ledger_ = *std::move(opened);
    for (const char* name : {"one", "two"}) ASSERT_TRUE(ledger_->CreateLog(name, "", 0).ok());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // One batch: `count` events for each of two logs. True when they were made durable.
  bool Append(uint64_t batch, size_t count) {
    std::vector<std::string> bodies, ids;
    for (size_t i = 0; i < count; ++i) {
      ids.push_back("id-" + std::to_string(batch) + "-" + std::to_string(i));
      bodies.push_back(EventBytes(ids.back()));
    }
    std::vector<sequencer::NewEvent> events;
    for (size_t i = 0; i < count; ++i) {
      events.push_back({record::BodyKind::kEvent, bodies[i], ids[i], false, false});
    }
    std::vector<sequencer::Request> requests(2);
    std::vector<sequencer::Request*> pointers;
    for (size_t i = 0; i < 2; ++i) {
      requests[i].log_number = ledger_->FindLog(i == 0 ? "one" : "two").number();
      requests[i].proposed_at_ns = SystemClock().WallNs();
      requests[i].written_by = "anonymous";
      requests[i].events = events;
      requests[i].bytes = count * 100;
      pointers.push_back(&requests[i]);
    }
    std::vector<RequestResult> results;
    ledger_->Apply(pointers, &results);
    if (absl::IsResourceExhausted(results[0].status)) return false;
    EXPECT_TRUE(results[0].status.ok()) << results[0].status;
    EXPECT_TRUE(results[1].status.ok()) << results[1].status;
    EXPECT_TRUE(ledger_->MakeDurable().ok());
    return true;
  }

  // Who has nothing to do leaves the processor to those who have.
  static void Pause() { std::this_thread::sleep_for(std::chrono::microseconds(100)); }

  // Follows a log from its first record and holds every record against the chain.
  void Follow(const char* name) {
    LogRef log = ledger_->FindLog(name);
    Hash previous = ledger_->Info(log).genesis_hash;
    uint64_t next = 0;
    while (!stop_ || next < ledger_->GetPublished(log)->size.value) {
      absl::Status read = ledger_->ReadRecords(
          log, LogIndex(next), 500, [&](LogIndex index, std::string_view record, const Hash& hash) {
            auto header = record::Decode(record);
            EXPECT_TRUE(header.ok());
            EXPECT_EQ(index.value, next);
            EXPECT_EQ(header->previous_hash, previous);
            previous = hash;
            ++next;
            return true;
          });
      ASSERT_TRUE(read.ok()) << read;
    }
    followed_ += next;
  }

  static void ExpectHolds(const std::string& receipt, const note::VerifierKey& key) {
    auto proof = note::ParseTlogProof(receipt);
    ASSERT_TRUE(proof.ok()) << proof.status();
    auto extra = note::DecodeReceiptExtra(*proof->extra);
    ASSERT_TRUE(extra.ok()) << extra.status();
    auto checkpoint = note::OpenCheckpoint(proof->checkpoint, key);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    absl::Status included =
        merkle::CheckInclusion(proof->index, checkpoint->size, merkle::HashLeaf(extra->record),
                               proof->hashes, checkpoint->root);
    EXPECT_TRUE(included.ok()) << included;
  }

  // Asks for receipts and ids of whatever is published.
  void Question(const char* name) {
    LogRef log = ledger_->FindLog(name);
    auto key = note::VerifierKey::Parse(ledger_->Info(log).vkey);
    ASSERT_TRUE(key.ok());
    for (uint64_t i = 0; !stop_; ++i) {
      uint64_t size = ledger_->GetPublished(log)->size.value;
      if (size == 0) continue;
      auto receipt = ledger_->Receipt(log, LogIndex(i * 7919 % size));
      ASSERT_TRUE(receipt.ok()) << receipt.status();
      ExpectHolds(*receipt, *key);
      auto found = ledger_->FindEvent(log, "id-0-0");
      ASSERT_TRUE(found.ok()) << found.status();
      EXPECT_EQ(found->value, 0u);
      ++answered_;
    }
  }

  std::string folder_;
  std::unique_ptr<Ledger> ledger_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> followed_{0};
  std::atomic<uint64_t> answered_{0};
};

TEST_F(LedgerThreads, WriterPublisherSealerAndReadersAtOnce) {
  constexpr uint64_t kBatches = 300;
  constexpr size_t kEvents = 20;
  std::thread publisher([&] {
    while (!stop_) {
      auto published = ledger_->Publish();
      ASSERT_TRUE(published.ok()) << published.status();
      if (published->empty()) Pause();
    }
  });
  std::thread background([&] {
    while (!stop_) {
      ASSERT_TRUE(ledger_->PrepareJournal(false).ok());
      auto sealed = ledger_->Seal(true);
      ASSERT_TRUE(sealed.ok()) << sealed.status();
      if (!*sealed) Pause();
    }
  });
  std::thread follower([&] { Follow("one"); });
  std::thread questioner([&] { Question("two"); });
  for (uint64_t batch = 0; batch < kBatches;) batch += Append(batch, kEvents) ? 1 : 0;
  for (const char* name : {"one", "two"}) {
    LogRef log = ledger_->FindLog(name);
    while (ledger_->GetPublished(log)->size < ledger_->DurableSize(log)) std::this_thread::yield();
  }
  stop_ = true;
  for (std::thread* thread : {&publisher, &background, &follower, &questioner}) thread->join();
  EXPECT_EQ(followed_, kBatches * kEvents);
  EXPECT_GT(answered_, 0u);
  EXPECT_TRUE(ledger_->Close().ok());
}

}  // namespace
}  // namespace graven::ledger
