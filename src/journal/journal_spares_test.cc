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

TEST_F(JournalTest, NoPreparedFileIsResourceExhaustedAndWritesNothing) {
  Reopen();
  FrameBuilder frame;
  frames_.Build({frames_.MakeSection(1, 1, 10, random_)}, &frame);
  EXPECT_FALSE(journal_->HasRoomFor(frame.size_bytes()));
  const uint64_t before = fs_.ChangingOperations();
  EXPECT_EQ(journal_->Append(frame).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(fs_.ChangingOperations(), before);
  Prepare();
  EXPECT_TRUE(journal_->HasRoomFor(frame.size_bytes()));
  EXPECT_TRUE(journal_->Append(frame).ok());
}

TEST_F(JournalTest, StaleFramesOfARecycledFileAreNotBelieved) {
  Reopen();
  Prepare();
  const uint64_t first = Append(1, 1, 100).file;
  for (int i = 0; i < 100; ++i) Append(1, 1, 100);
  Sync();
  Prepare();
  Append(1, 1, 50000);
  Sync();
  ASSERT_EQ(journal_->Retire(first), absl::OkStatus());
  std::string record;
  EXPECT_EQ(journal_->Read({first, 4096, 10}, &record).code(), absl::StatusCode::kNotFound);
  Prepare();
  EXPECT_EQ(fs_.Stat(PathOf(first)).status().code(), absl::StatusCode::kNotFound);
  Append(1, 1, 20000);
  Append(1, 1, 100);
  Sync();
  ASSERT_EQ(fs_.List(kDir)->size(), 2u);
  Reopen();
  std::vector<TestSection> expected = frames_.Sections();
  expected.erase(expected.begin(), expected.begin() + 101);
  EXPECT_EQ(read_, expected);
}

TEST_F(JournalTest, CurrentFileCannotBeRetired) {
  Reopen();
  Prepare();
  const uint64_t file = Append(1, 1, 100).file;
  EXPECT_EQ(journal_->Retire(file).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(journal_->Retire(file + 7).code(), absl::StatusCode::kNotFound);
}

TEST_F(JournalTest, FilesGoAwayOldestFirst) {
  Reopen();
  const std::vector<uint64_t> files = FillFiles(3);
  Prepare();
  ASSERT_EQ(journal_->Retire(files[1]), absl::OkStatus());
  ASSERT_EQ(journal_->RemoveRetired(), absl::OkStatus());
  EXPECT_TRUE(fs_.Stat(PathOf(files[1])).ok());
  ASSERT_EQ(journal_->Retire(files[0]), absl::OkStatus());
  ASSERT_EQ(journal_->RemoveRetired(), absl::OkStatus());
  EXPECT_EQ(fs_.Stat(PathOf(files[0])).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(fs_.Stat(PathOf(files[1])).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(journal_->Files().size(), 1u);
}

TEST_F(JournalTest, FullDiskIsMetWhilePreparing) {
  options_.reserve_bytes = 100 << 10;
  Reopen();
  fs_.SetCapacity(160 << 10);
  EXPECT_EQ(journal_->PrepareSpare().code(), absl::StatusCode::kResourceExhausted);
  fs_.SetCapacity(170 << 10);
  EXPECT_EQ(journal_->PrepareSpare(), absl::OkStatus());
  EXPECT_FALSE(journal_->NeedsSpare());
}

TEST_F(JournalTest, FullDiskWhileZeroingLeavesNothingBehind) {
  Reopen();
  fs_.AddFault({FaultKind::kDiskFull, Operation::kWrite, 1, "spare.tmp"});
  EXPECT_EQ(journal_->PrepareSpare().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(fs_.Counts().disk_full, 1u);
  EXPECT_TRUE(fs_.List(kDir)->empty());
  EXPECT_EQ(journal_->PrepareSpare(), absl::OkStatus());
}

TEST_F(JournalTest, TooManyUnsealedFilesWaitForTheSealer) {
  options_.files_max = 2;
  Reopen();
  Prepare();
  const uint64_t first = Append(1, 1, 50000).file;
  Prepare();
  Append(1, 1, 50000);
  Sync();
  EXPECT_EQ(journal_->PrepareSpare().code(), absl::StatusCode::kResourceExhausted);
  ASSERT_EQ(journal_->Retire(first), absl::OkStatus());
  EXPECT_EQ(journal_->PrepareSpare(), absl::OkStatus());
}

TEST_F(JournalTest, OptionsOutOfRangeAreInvalidArgument) {
  options_.file_bytes = 5000;
  EXPECT_EQ(Journal::Open(fs_, kDir, options_, random_, {}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace graven::journal
