#include "engine/index_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sched.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "base/idle_priority.h"
#include "base/sha256.h"
#include "engine/engine_fixture_test.h"
#include "graven/v1/event.pb.h"
#include "index/index_checker.h"
#include "io/durable_file.h"
#include "ledger/ledger_fixture_test.h"
#include "query/parser.h"

namespace graven::engine {
namespace {

using ::testing::HasSubstr;

class IndexBuilderTest : public ledger::LedgerTest {
 protected:
  IndexBuilderTest() {
    options.journal_file_bytes = uint64_t{8} << 20;
    options.journal_files_max = 16;
    builder_options_.folder = "/data";
    builder_options_.clock = &clock;
  }

  // Until the log has so many. Actor a<i % 10>.
  void Grow(ledger::LogRef log, uint64_t size) {
    v1::Event event;
    event.set_action("read");
    event.mutable_occurred_at()->set_seconds(1);
    for (uint64_t at = PublishedSize(log); at < size;) {
      std::vector<ledger::TestEvent> events;
      for (; at < size && events.size() < 4000; ++at) {
        event.set_event_id("e" + std::to_string(at));
        event.mutable_actor()->set_id("a" + std::to_string(at % 10));
        events.push_back({event.event_id(), event.SerializeAsString()});
      }
      const ledger::Outcome outcome = Append(log, std::move(events));
      ASSERT_TRUE(outcome.status.ok()) << outcome.status;
      Publish();
      SealAll();
    }
  }

  void MakeBuilder() {
    builder_ = std::make_unique<IndexBuilder>(
        *ledger, disk, builder_options_,
        [this](const std::string& text) { reports_.push_back(text); });
  }
  // After a second, in which anything may have been published.
  void StepAll() {
    clock.steady_ns += kSecondNs;
    builder_->Notify(ledger->Logs());
    for (int i = 0; i < 1000; ++i) {
      const absl::StatusOr<bool> worked = builder_->Step();
      ASSERT_TRUE(worked.ok()) << worked.status();
      if (!*worked) return;
    }
    FAIL() << "does not come to an end";
  }

  // {first, level} of what there is.
  std::vector<std::pair<uint64_t, int>> Shape(ledger::LogRef log) {
    std::vector<std::pair<uint64_t, int>> shape;
    const auto chunks = builder_->Chunks(log);
    for (const auto& chunk : chunks->chunks()) {
      shape.emplace_back(chunk->first(), chunk->level());
    }
    return shape;
  }

  // How many the index finds, and how many it leaves to be scanned.
  std::pair<uint64_t, uint64_t> Ask(ledger::LogRef log, const char* text) {
    const query::Query query = *query::Parse(text);
    const auto chunks = builder_->Chunks(log);
    uint64_t found = 0;
    uint64_t scanned = 0;
    const uint64_t size = PublishedSize(log);
    for (uint64_t low = 0; low < size;) {
      const auto candidates = index::Find(*chunks, query.root, chunks->From(low, size));
      if (candidates.chunk != nullptr) found += candidates.found.possible.count();
      if (candidates.chunk == nullptr) scanned += candidates.high - candidates.low;
      low = candidates.high;
    }
    return {found, scanned};
  }

  // A bit of the first file, in the postings of an actor.
  void FlipBehindWhatOpeningReads() {
    const index::Extent postings =
        builder_->Chunks(Default())->chunks()[0]->header().section(index::Section::kPostings);
    const uint64_t place = postings.offset + postings.bytes / 10 * 9;
    ASSERT_GT(place, index::kBlockBytes);
    ASSERT_TRUE(disk.FlipBit(first_file_, place * 8).ok());
  }

  static constexpr int64_t kSecondNs = 1'000'000'000;
  const std::string folder_ = "/data/logs/default/index/";
  const std::string first_file_ = folder_ + index::ChunkFileName(0, index::kMiddleLevel);
  IndexBuilderOptions builder_options_;
  std::vector<std::string> reports_;
  std::unique_ptr<IndexBuilder> builder_;
};

TEST_F(IndexBuilderTest, GrowsWithTheLogAndLeavesLessThanASmallChunkToBeScanned) {
  Open();
  Grow(Default(), 4095);
  MakeBuilder();
  StepAll();
  EXPECT_TRUE(Shape(Default()).empty());
  Grow(Default(), 10'000);
  StepAll();
  EXPECT_THAT(Shape(Default()), ::testing::ElementsAre(std::pair(0, 12), std::pair(4096, 12)));
  EXPECT_EQ(Ask(Default(), "actor:a3"), std::pair(uint64_t{819}, uint64_t{10'000 - 8192}));
  // Nothing on the disk yet.
  EXPECT_TRUE(absl::IsNotFound(disk.List(folder_).status()));
  Grow(Default(), 70'000);
  StepAll();
  EXPECT_THAT(Shape(Default()), ::testing::ElementsAre(std::pair(0, 16), std::pair(65536, 12)));
  EXPECT_THAT(*disk.List(folder_), ::testing::SizeIs(1));
  EXPECT_EQ(Ask(Default(), "event_id:e66000").first, 1U);
  EXPECT_EQ(Ask(Default(), "actor:a3").first, 6554U + 410U - 1U + 0U);

  // Another start has the file and makes the small ones again; the file is the one that comes of
  // the records at once.
  const Hash root = builder_->Chunks(Default())->chunks()[0]->root();
  KillAndOpen();
  MakeBuilder();
  StepAll();
  EXPECT_THAT(Shape(Default()), ::testing::ElementsAre(std::pair(0, 16), std::pair(65536, 12)));
  EXPECT_EQ(builder_->Chunks(Default())->chunks()[0]->root(), root);
  ASSERT_TRUE(disk.Remove(first_file_).ok());
  MakeBuilder();
  StepAll();
  EXPECT_EQ(builder_->Chunks(Default())->chunks()[0]->root(), root);
  EXPECT_TRUE(reports_.empty());
}

TEST_F(IndexBuilderTest, DamageIsScannedThenBuiltAnew) {
  Open();
  Grow(Default(), 65'536);
  MakeBuilder();
  StepAll();
  const Hash root = builder_->Chunks(Default())->chunks()[0]->root();
  FlipBehindWhatOpeningReads();
  MakeBuilder();  // with an empty cache
  StepAll();
  EXPECT_EQ(disk.Counts().bit_flips, 1U);
  ASSERT_TRUE(reports_.empty()) << reports_[0];
  EXPECT_EQ(Ask(Default(), "actor:a*"), std::pair(uint64_t{0}, uint64_t{65'536}));
  EXPECT_TRUE(builder_->Chunks(Default())->chunks()[0]->distrusted());
  StepAll();
  ASSERT_EQ(reports_.size(), 1U);
  EXPECT_THAT(reports_[0], HasSubstr("set aside"));
  EXPECT_EQ(Ask(Default(), "actor:a3"), std::pair(uint64_t{6554}, uint64_t{0}));
  EXPECT_EQ(builder_->Chunks(Default())->chunks()[0]->root(), root);
  EXPECT_THAT(*disk.List(folder_), ::testing::SizeIs(2));
}

TEST_F(IndexBuilderTest, DamageIsFoundBeforeAQueryMeetsIt) {
  Open();
  Grow(Default(), 65'536 + 5000);
  MakeBuilder();
  StepAll();
  EXPECT_EQ(builder_->RecordsBehind(), 5000U - 4096U);
  const Hash root = builder_->Chunks(Default())->chunks()[0]->root();
  FlipBehindWhatOpeningReads();
  MakeBuilder();
  StepAll();
  EXPECT_EQ(disk.Counts().bit_flips, 1U);
  EXPECT_FALSE(builder_->Chunks(Default())->chunks()[0]->distrusted());
  builder_->CheckNextFile();
  EXPECT_TRUE(builder_->Chunks(Default())->chunks()[0]->distrusted());
  StepAll();
  EXPECT_EQ(builder_->files_replaced(), 1U);
  EXPECT_EQ(builder_->Chunks(Default())->chunks()[0]->root(), root);
  EXPECT_EQ(builder_->RecordsBehind(), 5000U - 4096U);
  // The new one is read once, and again the next day, not before.
  clock.steady_ns += 10 * kSecondNs;
  builder_->CheckNextFile();
  FlipBehindWhatOpeningReads();
  clock.steady_ns += 3600 * kSecondNs;
  builder_->CheckNextFile();
  EXPECT_FALSE(builder_->Chunks(Default())->chunks()[0]->distrusted());
  clock.steady_ns += 24 * 3600 * kSecondNs;
  builder_->CheckNextFile();
  EXPECT_TRUE(builder_->Chunks(Default())->chunks()[0]->distrusted());
}

// No handle is left, the disk does not answer: that says nothing of the file.
TEST_F(IndexBuilderTest, AFileThatCannotBeReadNowIsNeitherReplacedNorBelieved) {
  Open();
  Grow(Default(), 70'000);
  MakeBuilder();
  StepAll();
  ASSERT_EQ(Shape(Default()).size(), 2U);
  io::Fault fault;
  fault.operation = io::Operation::kOpen;
  fault.path_part = "/index/";
  disk.AddFault(fault);
  MakeBuilder();
  const uint64_t before = disk.ChangingOperations();
  StepAll();
  EXPECT_EQ(disk.Counts().errors, 1U);
  // What comes behind it is built all the same.
  EXPECT_THAT(Shape(Default()), ::testing::ElementsAre(std::pair(65536, 12)));
  EXPECT_EQ(Ask(Default(), "actor:a3").second, 65'536U + 70'000U - 65'536U - 4096U);
  ASSERT_EQ(reports_.size(), 1U);
  EXPECT_THAT(reports_[0], HasSubstr("read again later"));
  StepAll();
  EXPECT_THAT(Shape(Default()), ::testing::ElementsAre(std::pair(0, 16), std::pair(65536, 12)));
  EXPECT_EQ(disk.ChangingOperations(), before);
  // The same while it is asked.
  MakeBuilder();
  StepAll();
  disk.AddFault(fault);
  EXPECT_EQ(Ask(Default(), "actor:a*").second, 70'000U - 4096U);
  EXPECT_EQ(disk.Counts().errors, 2U);
  StepAll();
  EXPECT_EQ(Ask(Default(), "actor:a*").second, 70'000U - 65'536U - 4096U);
  EXPECT_EQ(reports_.size(), 1U);
}

TEST_F(IndexBuilderTest, FilesOfOtherRecordsAreNotBelieved) {
  Open();
  Grow(Default(), 65'536);
  const ledger::LogRef other = *ledger->CreateLog("other", "", 0);
  Grow(other, 65'536);
  MakeBuilder();
  StepAll();
  const std::string bytes = *io::ReadWholeFile(disk, first_file_, 1 << 30);
  const std::string theirs = "/data/logs/other/index/" + index::ChunkFileName(0, 16);
  const std::string own = *io::ReadWholeFile(disk, theirs, 1 << 30);
  ASSERT_NE(own, bytes);
  ASSERT_TRUE(io::WriteFileDurably(disk, theirs, bytes).ok());
  MakeBuilder();
  StepAll();
  ASSERT_EQ(reports_.size(), 1U);
  EXPECT_THAT(reports_[0], HasSubstr("other records"));
  EXPECT_EQ(*io::ReadWholeFile(disk, theirs, 1 << 30), own);
  EXPECT_EQ(Ask(other, "actor:a3"), std::pair(uint64_t{6554}, uint64_t{0}));
}

TEST_F(IndexBuilderTest, WithoutMemoryWholeRangesStillComeIntoFiles) {
  builder_options_.memory_bytes_max = 1;
  Open();
  Grow(Default(), 20'000);
  MakeBuilder();
  StepAll();
  // The first one found room.
  EXPECT_THAT(Shape(Default()), ::testing::ElementsAre(std::pair(0, 12)));
  Grow(Default(), 65'536);
  StepAll();
  EXPECT_THAT(Shape(Default()), ::testing::ElementsAre(std::pair(0, 16)));
}

// Strangers can fill chunks up so that sixteen of them would be too much for one.
TEST_F(IndexBuilderTest, SixteenThatHoldTooMuchTogetherStaySixteenAndTheLogGoesOn) {
  builder_options_.merged_content_bytes_max = 1;
  Open();
  Grow(Default(), 20'000);
  MakeBuilder();
  StepAll();
  Grow(Default(), 65'535);
  StepAll();
  Grow(Default(), 70'000);
  StepAll();
  std::vector<std::pair<uint64_t, int>> small;
  for (uint64_t first = 0; first < 69'632; first += 4096) small.emplace_back(first, 12);
  EXPECT_EQ(Shape(Default()), small);
  EXPECT_EQ(Ask(Default(), "actor:a3"), std::pair(uint64_t{6963}, uint64_t{70'000 - 69'632}));
  EXPECT_TRUE(reports_.empty());
}

TEST_F(IndexBuilderTest, AFullDiskLeavesAnswersExact) {
  Open();
  Grow(Default(), 65'536);
  MakeBuilder();
  io::Fault fault;
  fault.kind = io::FaultKind::kDiskFull;
  fault.operation = io::Operation::kWrite;
  fault.path_part = "/index/";
  disk.AddFault(fault);
  const absl::StatusOr<bool> worked = builder_->Step();
  EXPECT_EQ(worked.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(disk.Counts().disk_full, 1U);
  EXPECT_EQ(Ask(Default(), "actor:a3"), std::pair(uint64_t{0}, uint64_t{65'536}));
  EXPECT_TRUE(disk.List(folder_)->empty());
  StepAll();
  EXPECT_EQ(Ask(Default(), "actor:a3"), std::pair(uint64_t{6554}, uint64_t{0}));
}

TEST_F(IndexBuilderTest, AfterAnErrorALogRestsLongerEachTime) {
  Open();
  Grow(Default(), 65'536);
  MakeBuilder();
  io::Fault fault;
  fault.kind = io::FaultKind::kDiskFull;
  fault.operation = io::Operation::kWrite;
  fault.path_part = "/index/";
  uint64_t tries = 0;
  // After how many seconds it is tried again.
  for (const int rest : {1, 2, 4, 8, 16, 32, 60, 60}) {
    disk.AddFault(fault);
    EXPECT_EQ(builder_->Step().status().code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(disk.Counts().disk_full, ++tries);
    const uint64_t operations = disk.ChangingOperations();
    builder_->Notify(ledger->Logs());
    EXPECT_EQ(builder_->Step().value(), false);
    clock.steady_ns += rest * kSecondNs - 1;
    builder_->Notify(ledger->Logs());
    EXPECT_EQ(builder_->Step().value(), false);
    EXPECT_EQ(disk.ChangingOperations(), operations);
    clock.steady_ns += 1;
  }
  EXPECT_EQ(reports_.size(), 1U);
  EXPECT_EQ(builder_->Step().value(), true);
  EXPECT_EQ(Ask(Default(), "actor:a3"), std::pair(uint64_t{6554}, uint64_t{0}));
}

TEST_F(IndexBuilderTest, ALogOfWhichNothingWasPublishedIsNotLookedAt) {
  Open();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(ledger->CreateLog("l" + std::to_string(i), "", 0).ok());
  const ledger::LogRef busy = *ledger->CreateLog("busy", "", 0);
  LedgerWithRoom counting(*ledger);
  IndexBuilder builder(counting, disk, builder_options_, [](const std::string&) {});
  ASSERT_FALSE(builder.Step().value());
  EXPECT_GE(counting.published_reads.exchange(0), 51U);
  Grow(busy, 5'000);
  builder.Notify({busy});
  ASSERT_TRUE(builder.Step().value());
  ASSERT_FALSE(builder.Step().value());
  EXPECT_EQ(builder.Chunks(busy)->chunks().size(), 1U);
  EXPECT_GT(counting.published_reads, 0U);
  EXPECT_LT(counting.published_reads, 6U);
}

TEST_F(IndexBuilderTest, ABurstPassesBeforeAnythingIsBuilt) {
  Open();
  Grow(Default(), 5000);
  MakeBuilder();
  builder_->LetBurstPass(true);
  builder_->Start();
  builder_->Notify(ledger->Logs());
  // Long enough for a builder that does not wait.
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_TRUE(Shape(Default()).empty());
  builder_->LetBurstPass(false);
  while (Shape(Default()).empty()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_THAT(Shape(Default()), ::testing::ElementsAre(std::pair(0, 12)));
  builder_->Stop();
}

// With both processors taken by others a thread at idle priority may stand still with a lock in its
// hands. The locks of the log are taken where it is read.
TEST_F(IndexBuilderTest, AtIdlePriorityItNeitherReadsTheLogNorTellsAnybody) {
  if (!MayRaiseAgain()) GTEST_SKIP() << "skipped: priorities cannot be raised again here";
  Open();
  Grow(Default(), 70'000);
  std::atomic<int> log_reads = 0, idle_log_reads = 0, index_writes = 0, idle_index_writes = 0;
  std::atomic<int> told = 0, idle_told = 0;
  const auto is_idle = [] { return sched_getscheduler(0) == SCHED_IDLE; };
  builder_options_.on_file = [&](ledger::LogRef, const index::Chunk&, const Hash&) {
    ++told;
    if (is_idle()) ++idle_told;
  };
  MakeBuilder();
  disk.SetTrace([&](const std::string& line) {
    if (line.find("read") != std::string::npos && line.find("/segments/") != std::string::npos) {
      ++log_reads;
      if (is_idle()) ++idle_log_reads;
    }
    if (line.find(" write ") != std::string::npos && line.find("/index/") != std::string::npos) {
      ++index_writes;
      if (is_idle()) ++idle_index_writes;
    }
  });
  builder_->Start();
  while (told == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  builder_->Stop();
  disk.SetTrace(nullptr);
  EXPECT_GT(log_reads, 0);
  EXPECT_EQ(idle_log_reads, 0);
  EXPECT_EQ(told, 1);
  EXPECT_EQ(idle_told, 0);
  // What takes long goes by idle priority as before.
  EXPECT_GT(index_writes, 0);
  EXPECT_EQ(idle_index_writes, index_writes);
}

// Made from nothing at one time or with the log as it grows: the same files lead to the same hash.
TEST_F(IndexBuilderTest, TellsTheManifestOfAllFilesWithEach) {
  std::vector<Hash> grown, anew;
  std::vector<Hash>* told = &grown;
  builder_options_.on_file = [&](ledger::LogRef, const index::Chunk&, const Hash& manifest) {
    told->push_back(manifest);
  };
  Open();
  Grow(Default(), 65'536);
  MakeBuilder();
  StepAll();
  Grow(Default(), 131'072);
  StepAll();
  ASSERT_EQ(grown.size(), 2U);
  std::vector<index::ManifestEntry> entries;
  for (const auto& chunk : builder_->Chunks(Default())->chunks()) {
    entries.push_back({chunk->first(), chunk->end(), chunk->header().subtree_root, chunk->root()});
  }
  EXPECT_EQ(grown[1], Sha256(index::FormatManifest(ledger->Info(Default()).origin, entries)));
  EXPECT_NE(grown[0], grown[1]);
  ASSERT_TRUE(disk.Remove(first_file_).ok());
  ASSERT_TRUE(disk.Remove(folder_ + index::ChunkFileName(65'536, index::kMiddleLevel)).ok());
  told = &anew;
  MakeBuilder();
  StepAll();
  EXPECT_EQ(anew, grown);
}

TEST_F(IndexBuilderTest, StopWaitsForAPieceOfWorkOnly) {
  Open();
  Grow(Default(), 65'536);
  MakeBuilder();
  uint64_t writes = 0;
  disk.SetTrace([&](const std::string& line) {
    if (line.find(" write ") == std::string::npos) return;
    if (line.find("/index/") == std::string::npos) return;
    ++writes;
    builder_->Stop();
  });
  const absl::StatusOr<bool> stopped = builder_->Step();
  disk.SetTrace(nullptr);
  EXPECT_EQ(stopped.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(writes, 1U);
  EXPECT_TRUE(disk.List(folder_)->empty());
  EXPECT_TRUE(reports_.empty());
}

}  // namespace
}  // namespace graven::engine
