#include "journal/journal.h"

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "journal/journal_fixture_test.h"

namespace graven::journal {
namespace {

using io::FaultKind;
using io::Operation;

TEST_F(JournalTest, WhatWasSyncedIsReadBackInOrder) {
  Reopen();
  Prepare();
  Append(1, 3, 100);
  Append(2, 1, 5000);
  Append(1, 2, 0);
  Sync();
  fs_.Crash();
  fs_.Restart();
  Reopen();
  EXPECT_EQ(read_, frames_.Sections());
  EXPECT_EQ(recovery_.frames, 3u);
  ASSERT_EQ(recovery_.files.size(), 1u);
  ASSERT_EQ(recovery_.files[0].logs.size(), 2u);
  EXPECT_EQ(recovery_.files[0].logs[0].log_number, 1u);
  EXPECT_EQ(recovery_.files[0].logs[0].end, LogIndex(5));
}

// A frame that grows: what stands is handed over early, and again when there is more.
TEST_F(JournalTest, FrameWrittenAheadIsTheSameFrame) {
  options_.write_ahead_bytes = 4096;
  Reopen();
  Prepare();
  Append(1, 1, 100);
  FrameBuilder frame;
  TestFrame sections;
  for (int i = 0; i < 3; ++i) {
    sections.push_back(frames_.MakeSection(static_cast<uint32_t>(2 + i), 10, 1000, random_));
    TestFrames::Add(sections.back(), &frame);
    ASSERT_EQ(journal_->WriteAhead(frame), absl::OkStatus());
  }
  EXPECT_EQ(fs_.Counts().writebacks_asked, 3u);
  frames_.push_back(sections);
  ASSERT_TRUE(journal_->Append(frame).ok());
  Append(1, 1, 100);
  Sync();
  fs_.Crash();
  fs_.Restart();
  Reopen();
  EXPECT_EQ(read_, frames_.Sections());
  EXPECT_EQ(recovery_.frames, 3u);
}

TEST_F(JournalTest, FrameWrittenAheadAndNotAppendedIsNothing) {
  options_.write_ahead_bytes = 4096;
  Reopen();
  Prepare();
  Append(1, 1, 100);
  Sync();
  FrameBuilder frame;
  TestFrames::Add(frames_.MakeSection(2, 10, 1000, random_), &frame);
  ASSERT_EQ(journal_->WriteAhead(frame), absl::OkStatus());
  EXPECT_EQ(fs_.Counts().writebacks_asked, 1u);
  journal_.reset();
  fs_.Kill();
  fs_.Restart();
  Reopen();
  EXPECT_EQ(read_, frames_.Sections());
}

// What was written ahead stays behind in the file that the frame outgrew.
TEST_F(JournalTest, FrameWrittenAheadThatOutgrowsItsFileGoesIntoTheNext) {
  options_.write_ahead_bytes = 4096;
  Reopen();
  Prepare();
  Prepare();
  Append(1, 1, 20'000);
  FrameBuilder frame;
  TestFrame sections{frames_.MakeSection(2, 10, 2'000, random_)};
  TestFrames::Add(sections[0], &frame);
  ASSERT_EQ(journal_->WriteAhead(frame), absl::OkStatus());
  EXPECT_EQ(fs_.Counts().writebacks_asked, 1u);
  sections.push_back(frames_.MakeSection(3, 10, 3'000, random_));
  TestFrames::Add(sections[1], &frame);
  frames_.push_back(sections);
  const absl::StatusOr<FramePosition> position = journal_->Append(frame);
  ASSERT_TRUE(position.ok()) << position.status();
  EXPECT_EQ(position->file, 2u);
  Sync();
  fs_.Crash();
  fs_.Restart();
  Reopen();
  EXPECT_EQ(read_, frames_.Sections());
}

TEST_F(JournalTest, RecordsAreReadAtTheirPlace) {
  Reopen();
  Prepare();
  FrameBuilder frame;
  frame.BeginSection(4, LogIndex(0), TreeSize(0));
  std::memcpy(frame.AddRecord(5), "first", 5);
  std::memcpy(frame.AddRecord(300), std::string(300, 'x').data(), 300);
  const uint32_t offset = frame.last_record_offset();
  frame.EndSection(Hash{});
  const absl::StatusOr<FramePosition> position = journal_->Append(frame);
  ASSERT_TRUE(position.ok());
  std::string record;
  ASSERT_EQ(journal_->Read({position->file, position->offset + offset, 300}, &record),
            absl::OkStatus());
  EXPECT_EQ(record, std::string(300, 'x'));
  Sync();
  std::vector<RecordLocation> locations;
  ASSERT_EQ(journal_->ReadFile(position->file,
                               [&](const FrameSection& section) {
                                 RecordCursor cursor(section);
                                 std::string_view bytes;
                                 RecordLocation location;
                                 while (cursor.Next(&bytes, &location)) {
                                   locations.push_back(location);
                                 }
                                 return absl::OkStatus();
                               }),
            absl::OkStatus());
  ASSERT_EQ(locations.size(), 2u);
  EXPECT_EQ(locations[1].offset, position->offset + offset);
  EXPECT_EQ(locations[1].length, 300u);
}

TEST_F(JournalTest, FrameLargerThanAFileIsInvalidArgument) {
  Reopen();
  Prepare();
  FrameBuilder frame;
  frames_.Build({frames_.MakeSection(1, 1, 64 << 10, random_)}, &frame);
  EXPECT_EQ(journal_->Append(frame).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(journal_->dead());
}

TEST_F(JournalTest, FailedSyncKillsTheWriter) {
  Reopen();
  Prepare();
  Append(1, 1, 10);
  fs_.AddFault({FaultKind::kError, Operation::kSync, 1, ""});
  EXPECT_EQ(journal_->Sync().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(fs_.Counts().errors, 1u);
  EXPECT_EQ(journal_->Sync().code(), absl::StatusCode::kFailedPrecondition);
  FrameBuilder frame;
  frames_.Build({frames_.MakeSection(1, 1, 10, random_)}, &frame);
  EXPECT_EQ(journal_->Append(frame).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(journal_->HasRoomFor(512));
}

TEST_F(JournalTest, FullDiskInAppendKillsTheWriter) {
  Reopen();
  Prepare();
  fs_.AddFault({FaultKind::kDiskFull, Operation::kWrite, 1, ""});
  FrameBuilder frame;
  frames_.Build({frames_.MakeSection(1, 1, 10, random_)}, &frame);
  EXPECT_EQ(journal_->Append(frame).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(fs_.Counts().disk_full, 1u);
  EXPECT_TRUE(journal_->dead());
}

// After a failed sync the page cache shows frames that are not on the disk. Whoever opens the
// folder again sees them, and from then on they must be there.
TEST_F(JournalTest, FramesSeenAfterAFailedSyncAreMadeDurableByOpen) {
  Reopen();
  Prepare();
  Append(1, 4, 3000);
  fs_.AddFault({FaultKind::kError, Operation::kSync, 1, ""});
  EXPECT_EQ(journal_->Sync().code(), absl::StatusCode::kUnavailable);
  ASSERT_GT(fs_.Counts().sync_sectors_lost, 0u);
  Reopen();
  EXPECT_EQ(read_, frames_.Sections());
  fs_.Crash();
  fs_.Restart();
  Reopen();
  EXPECT_EQ(read_, frames_.Sections());
}

TEST_F(JournalTest, FramesOfAKilledProcessAreMadeDurableByOpen) {
  Reopen();
  Prepare();
  Append(1, 4, 3000);
  journal_.reset();
  fs_.Kill();
  fs_.Restart();
  Reopen();
  EXPECT_EQ(read_, frames_.Sections());
  fs_.Crash();
  fs_.Restart();
  Reopen();
  EXPECT_EQ(read_, frames_.Sections());
}

TEST_F(JournalTest, FileIsFullAndTheNextGoesOn) {
  Reopen();
  Prepare();
  for (int i = 0; i < 6; ++i) {
    if (journal_->NeedsSpare()) Prepare();
    Append(1, 1, 20000);
    Sync();
  }
  EXPECT_EQ(journal_->Files().size(), 2u);
  Reopen();
  EXPECT_EQ(read_, frames_.Sections());
}

TEST_F(JournalTest, BitFlipInASyncedFrameIsDamageThatWasDurable) {
  Reopen();
  Prepare();
  Append(1, 1, 100);
  Sync();
  const FramePosition second = Append(2, 1, 100);
  Sync();
  Append(1, 1, 100);
  Sync();
  ASSERT_EQ(fs_.FlipBit(PathOf(second.file), (second.offset + 150) * 8), absl::OkStatus());
  absl::StatusOr<JournalRecovery> recovery = Recover();
  ASSERT_TRUE(recovery.ok());
  ASSERT_TRUE(recovery->damage);
  EXPECT_EQ(recovery->damage->file, second.file);
  EXPECT_EQ(recovery->damage->offset, second.offset);
  EXPECT_TRUE(recovery->damage->was_durable);
  ASSERT_EQ(recovery->later.size(), 1u);
  EXPECT_EQ(recovery->later[0].log_number, 1u);
  EXPECT_EQ(recovery->later[0].acknowledged, TreeSize(1));
  EXPECT_EQ(read_.size(), 1u);
}

TEST_F(JournalTest, DamageWithoutASyncBehindItWasNotDurable) {
  Reopen();
  Prepare();
  Append(1, 1, 100);
  Sync();
  const FramePosition second = Append(1, 1, 100);
  Append(1, 1, 100);
  ASSERT_EQ(fs_.FlipBit(PathOf(second.file), (second.offset + 150) * 8), absl::OkStatus());
  absl::StatusOr<JournalRecovery> recovery = Recover();
  ASSERT_TRUE(recovery.ok());
  ASSERT_TRUE(recovery->damage);
  EXPECT_FALSE(recovery->damage->was_durable);
  ASSERT_EQ(recovery->later.size(), 1u);
  EXPECT_EQ(recovery->later[0].acknowledged, TreeSize(1));
  EXPECT_EQ(recovery->later[0].end, LogIndex(3));
}

TEST_F(JournalTest, FramesBehindTheCutAreNeverReadAgain) {
  Reopen();
  Prepare();
  Append(1, 1, 100);
  Sync();
  const FramePosition torn = Append(1, 1, 100);
  Append(1, 1, 100);
  ASSERT_EQ(fs_.FlipBit(PathOf(torn.file), (torn.offset + 150) * 8), absl::OkStatus());
  Reopen(true);
  ASSERT_TRUE(recovery_.damage);
  frames_.Truncate(1);
  Prepare();
  Append(1, 1, 77);
  Sync();
  // The flip undone, the cut frames would be whole again.
  ASSERT_EQ(fs_.FlipBit(PathOf(torn.file), (torn.offset + 150) * 8), absl::OkStatus());
  Reopen();
  EXPECT_EQ(read_, frames_.Sections());
}

TEST_F(JournalTest, DamagedHeaderCopyIsReplacedByTheOther) {
  const FramePosition position = OneFrame();
  ASSERT_EQ(fs_.FlipBit(PathOf(position.file), 100), absl::OkStatus());
  Reopen();
  EXPECT_EQ(read_, frames_.Sections());
}

TEST_F(JournalTest, DamagedHeaderIsDamage) {
  const FramePosition position = OneFrame();
  ASSERT_EQ(fs_.FlipBit(PathOf(position.file), 100), absl::OkStatus());
  ASSERT_EQ(fs_.FlipBit(PathOf(position.file), 2048 * 8 + 100), absl::OkStatus());
  absl::StatusOr<JournalRecovery> recovery = Recover();
  ASSERT_TRUE(recovery.ok());
  ASSERT_TRUE(recovery->damage);
  EXPECT_EQ(recovery->damage->file, position.file);
  EXPECT_EQ(recovery->damage->offset, 0u);
}

TEST_F(JournalTest, MissingFileInTheMiddleIsDamageThatWasDurable) {
  Reopen();
  const std::vector<uint64_t> files = FillFiles(3);
  ASSERT_EQ(fs_.Remove(PathOf(files[1])), absl::OkStatus());
  absl::StatusOr<JournalRecovery> recovery = Recover();
  ASSERT_TRUE(recovery.ok());
  ASSERT_TRUE(recovery->damage);
  EXPECT_EQ(recovery->damage->file, files[1]);
  EXPECT_TRUE(recovery->damage->was_durable);
  ASSERT_EQ(recovery->later.size(), 1u);
  EXPECT_EQ(recovery->later[0].acknowledged, TreeSize(2));
}

// Two files written and neither synced: of the first not even the header reached the disk. What the
// second holds must not be believed without it.
TEST_F(JournalTest, FramesBehindALostFileAreCut) {
  Reopen();
  Prepare();
  const uint64_t first = Append(1, 1, 50000).file;
  Prepare();
  Append(1, 1, 50000);
  const std::string zeros(4096, '\0');
  ASSERT_EQ((*fs_.Open(PathOf(first), io::OpenMode::kReadWrite))->WriteAt(0, zeros),
            absl::OkStatus());
  absl::StatusOr<JournalRecovery> recovery = Recover();
  ASSERT_TRUE(recovery.ok());
  EXPECT_TRUE(read_.empty());
  ASSERT_TRUE(recovery->damage);
  EXPECT_EQ(recovery->damage->file, first);
  EXPECT_FALSE(recovery->damage->was_durable);
  ASSERT_EQ(recovery->later.size(), 1u);
  EXPECT_EQ(recovery->later[0].acknowledged, TreeSize(0));
}

TEST_F(JournalTest, ReadOnlyJournalReadsAndRefusesToWrite) {
  const FramePosition position = OneFrame();
  journal_.reset();
  absl::StatusOr<JournalRecovery> recovery = Recover();
  ASSERT_TRUE(recovery.ok());
  const uint64_t before = fs_.ChangingOperations();
  absl::StatusOr<std::unique_ptr<Journal>> journal = Journal::OpenReadOnly(fs_, kDir, *recovery);
  ASSERT_TRUE(journal.ok()) << journal.status();
  size_t sections = 0;
  EXPECT_EQ((*journal)->ReadFile(position.file,
                                 [&](const FrameSection&) {
                                   ++sections;
                                   return absl::OkStatus();
                                 }),
            absl::OkStatus());
  EXPECT_EQ(sections, 1u);
  EXPECT_EQ((*journal)->Sync().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ((*journal)->PrepareSpare().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(fs_.ChangingOperations(), before);
}

TEST_F(JournalTest, APlaceThatCannotBeReadIsDamageAndFramesOnBothSidesAreFound) {
  Reopen();
  const std::vector<uint64_t> files = FillFiles(3);
  ASSERT_EQ(fs_.MakeUnreadable(PathOf(files[1]), 20000, 1), absl::OkStatus());
  const absl::StatusOr<JournalRecovery> recovery = Recover();
  ASSERT_TRUE(recovery.ok()) << recovery.status();
  EXPECT_GT(fs_.Counts().unreadable_reads, 0u);
  ASSERT_TRUE(recovery->damage);
  EXPECT_EQ(recovery->damage->file, files[1]);
  EXPECT_TRUE(recovery->damage->was_durable);
  EXPECT_EQ(read_.size(), 1u);
  ASSERT_EQ(recovery->later.size(), 1u);
  EXPECT_EQ(recovery->later[0].acknowledged, TreeSize(2));
}

TEST_F(JournalTest, DamageInASealedReadIsDataLoss) {
  const FramePosition position = OneFrame();
  ASSERT_EQ(fs_.FlipBit(PathOf(position.file), (position.offset + 150) * 8), absl::OkStatus());
  const absl::Status read =
      journal_->ReadFile(position.file, [](const FrameSection&) { return absl::OkStatus(); });
  EXPECT_EQ(read.code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace graven::journal
