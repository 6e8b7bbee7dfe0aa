// The scrubber finds what is done to the files of kept checkpoints and of time stamps.
#include "ledger/scrubber_fixture_test.h"
#include "store/checkpoints_file.h"
#include "store/time_stamps.h"

namespace graven::ledger {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

// Two notes are kept in each of the two files; both are known to the scrubber.
class KeptFilesTest : public ScrubberTest {
 protected:
  void SetUp() override {
    WriteSegmentAndJournal();
    for (const char* id : {"k1", "k2"}) KeepAndStamp(id);
    Round();
    scrubber_->Watch();
    ASSERT_THAT(found_, IsEmpty());
  }
  // One more note in each.
  void KeepAndStamp(const std::string& id) {
    clock.steady_ns += 61'000'000'000;
    clock.wall_ns += 61'000'000'000;
    ASSERT_TRUE(Append({Event(id)}).status.ok());
    Publish();
    SealAll();
    const std::string note = ledger->GetPublished(Default())->checkpoint;
    ASSERT_TRUE(ledger->AddTimeStamp(Default(), note, "token of " + id).ok());
  }
  // Where each frame of the file begins, and its end.
  std::vector<uint64_t> Frames(const std::string& path, const store::FrameWords& words) {
    std::vector<uint64_t> bounds{store::kFirstFrameOffset};
    const absl::Status read = store::CheckpointsFile::ForEach(
        disk, path,
        [&](std::string_view note) {
          bounds.push_back(bounds.back() + store::CheckpointFrameBytes(note.size()));
          return absl::OkStatus();
        },
        words);
    EXPECT_TRUE(read.ok()) << read;
    return bounds;
  }
  void CutTo(const std::string& path, uint64_t bytes) {
    const auto file = disk.Open(path, io::OpenMode::kReadWrite);
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_TRUE((*file)->Truncate(bytes).ok());
  }

  const std::string checkpoints_ = "/data/logs/default/checkpoints";
  const std::string stamps_ = "/data/logs/default/time-stamps";
  const std::pair<std::string, store::FrameWords> files_[2] = {
      {checkpoints_, store::kCheckpointWords}, {stamps_, store::kTimeStampWords}};
};

TEST_F(KeptFilesTest, LastFrameCutOffIsFoundAtTheNextLook) {
  for (const auto& [path, words] : files_) {
    const std::vector<uint64_t> bounds = Frames(path, words);
    ASSERT_GE(bounds.size(), 3u) << path;
    found_.clear();
    CutTo(path, bounds[bounds.size() - 2]);
    scrubber_->Watch();
    ASSERT_EQ(found_.size(), 1u) << path;
    EXPECT_EQ(found_[0].kind, scrub::FindingKind::kFile);
    EXPECT_EQ(found_[0].log, "default");
    EXPECT_EQ(found_[0].file, path);
    EXPECT_THAT(found_[0].what, HasSubstr("was cut"));
    // Cut to nothing, its first bytes too.
    CutTo(path, 0);
    scrubber_->Watch();
    ASSERT_EQ(found_.size(), 2u) << path;
    EXPECT_THAT(found_[1].what, HasSubstr("end at byte 0"));
  }
}

// What is left is valid, and as long as before: only memory tells.
TEST_F(KeptFilesTest, FrameTakenOutBeforeTheNextOneCameIsFoundByTheRotation) {
  for (const auto& [path, words] : files_) {
    const std::vector<uint64_t> bounds = Frames(path, words);
    CutTo(path, bounds[bounds.size() - 2]);
  }
  KeepAndStamp("k3");
  KeepAndStamp("k4");
  found_.clear();
  Round();
  for (const auto& [path, words] : files_) {
    const auto found =
        std::find_if(found_.begin(), found_.end(), [file = path](const scrub::Finding& one) {
          return one.file == file && one.kind == scrub::FindingKind::kCheckpoint;
        });
    ASSERT_NE(found, found_.end()) << path;
    EXPECT_THAT(found->what, HasSubstr("not those that it held"));
  }
}

TEST_F(KeptFilesTest, FlippedByteOfATimeStampIsFoundAndItsFrameNamed) {
  const std::vector<uint64_t> bounds = Frames(stamps_, store::kTimeStampWords);
  ASSERT_GE(bounds.size(), 3u);
  // The last frame has a test of its own: a bad one could be what a crash left.
  for (size_t i = 0; i + 2 < bounds.size(); ++i) {
    // In the note, in the token, in the checksum.
    for (const uint64_t byte : {bounds[i] + 40, bounds[i + 1] - 10, bounds[i + 1] - 1}) {
      Scrub();
      found_.clear();
      Flip(stamps_, byte);
      Round();
      ASSERT_EQ(found_.size(), 1u) << "byte " << byte;
      EXPECT_EQ(found_[0].kind, scrub::FindingKind::kCheckpoint);
      EXPECT_EQ(found_[0].file, stamps_);
      EXPECT_EQ(found_[0].offset, bounds[i]);
      Flip(stamps_, byte);
    }
  }
}

TEST_F(KeptFilesTest, FlippedByteOfTheLastFrameIsFoundByWhoHasSeenItWhole) {
  for (const auto& [path, words] : files_) {
    const std::vector<uint64_t> bounds = Frames(path, words);
    found_.clear();
    Flip(path, bounds.back() - 10);
    Round();
    ASSERT_EQ(found_.size(), 1u) << path;
    EXPECT_EQ(found_[0].kind, scrub::FindingKind::kCheckpoint);
    EXPECT_EQ(found_[0].file, path);
    EXPECT_THAT(found_[0].what, HasSubstr("some were taken away"));
  }
}

TEST_F(KeptFilesTest, RemovedTimeStampsAreFoundAtTheNextLook) {
  ASSERT_TRUE(disk.Remove(stamps_).ok());
  scrubber_->Watch();
  ASSERT_EQ(found_.size(), 1u);
  EXPECT_EQ(found_[0].kind, scrub::FindingKind::kFile);
  EXPECT_EQ(found_[0].file, stamps_);
}

TEST_F(KeptFilesTest, TornEndThatTheServerCutsIsNoFinding) {
  for (const auto& [path, words] : files_) {
    const auto file = disk.Open(path, io::OpenMode::kReadWrite);
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_TRUE((*file)->WriteAt(*(*file)->Size(), std::string(5000, 't')).ok());
    ASSERT_TRUE((*file)->Sync().ok());
  }
  scrubber_->Watch();
  const uint64_t torn_bytes = disk.Stat(stamps_)->size;
  KeepAndStamp("k3");
  ASSERT_LT(disk.Stat(stamps_)->size, torn_bytes) << "it was not cut";
  scrubber_->Watch();
  Round();
  EXPECT_THAT(found_, IsEmpty());
}

}  // namespace
}  // namespace graven::ledger
