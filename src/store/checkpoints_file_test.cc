#include "store/checkpoints_file.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/encoding.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "io/durable_file.h"
#include "io/simulated_file_system.h"

namespace graven::store {
namespace {

using io::FaultKind;
using io::Operation;
using io::SimulatedFileSystem;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kPath[] = "/checkpoints";

CheckpointsFile MustOpen(SimulatedFileSystem& fs) {
  absl::StatusOr<CheckpointsFile> file = CheckpointsFile::Open(fs, kPath);
  EXPECT_TRUE(file.ok()) << file.status();
  return *std::move(file);
}

absl::StatusOr<std::vector<std::string>> All(SimulatedFileSystem& fs) {
  std::vector<std::string> notes;
  const absl::Status status = CheckpointsFile::ForEach(fs, kPath, [&](std::string_view note) {
    notes.emplace_back(note);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return notes;
}

uint64_t SizeOf(SimulatedFileSystem& fs) { return fs.Stat(kPath)->size; }

TEST(CheckpointsFile, AppendedNotesComeBackInOrder) {
  SimulatedFileSystem fs(1);
  EXPECT_EQ(All(fs).status().code(), absl::StatusCode::kNotFound);
  CheckpointsFile file = MustOpen(fs);
  EXPECT_EQ(file.last(), std::nullopt);
  EXPECT_EQ(fs.Stat(kPath).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(file.Append("one\n").ok());
  ASSERT_TRUE(file.Append("two\n").ok());
  EXPECT_EQ(file.last(), "two\n");
  EXPECT_EQ(MustOpen(fs).last(), "two\n");
  EXPECT_EQ(MustOpen(fs).torn_bytes(), 0u);
  EXPECT_THAT(*All(fs), ElementsAre("one\n", "two\n"));
}

TEST(CheckpointsFile, NoteOfNoLengthOrTooLongIsInvalid) {
  SimulatedFileSystem fs(1);
  CheckpointsFile file = MustOpen(fs);
  EXPECT_EQ(file.Append("").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(file.Append(std::string(kCheckpointNoteBytesMax + 1, 'x')).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(file.Append(std::string(kCheckpointNoteBytesMax, 'x')).ok());
  EXPECT_EQ(MustOpen(fs).last()->size(), kCheckpointNoteBytesMax);
}

TEST(CheckpointsFile, LongFileOpensByItsEnd) {
  SimulatedFileSystem fs(1);
  CheckpointsFile file = MustOpen(fs);
  for (int i = 0; i < 3000; ++i) {
    ASSERT_TRUE(file.Append(std::to_string(i) + std::string(300, 'n')).ok());
  }
  ASSERT_GT(SizeOf(fs), 600'000u);
  // Damage far from the end is not for Open to find, but for those who read all.
  ASSERT_TRUE(fs.FlipBit(kPath, 8 * 1000).ok());
  uint64_t read_bytes = 0;
  fs.SetTrace([&](const std::string& line) {
    if (line.find(" read ") != std::string::npos) {
      read_bytes += std::stoull(line.substr(line.rfind(", ") + 2));
    }
  });
  EXPECT_EQ(MustOpen(fs).last(), "2999" + std::string(300, 'n'));
  EXPECT_LT(read_bytes, 600'000u);
  const absl::Status status = All(fs).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  // The fourth frame, of 316 + 1 digit bytes each, begins here.
  EXPECT_THAT(std::string(status.message()), HasSubstr("byte " + std::to_string(8 + 3 * 317)));
}

TEST(CheckpointsFile, NewestWantedNoteIsFoundFromTheEnd) {
  SimulatedFileSystem fs(1);
  const auto find = [&](std::string_view wanted) {
    return *CheckpointsFile::FindLast(
        fs, kPath, [&](std::string_view note) { return note.starts_with(wanted); });
  };
  EXPECT_EQ(find(""), std::nullopt);
  CheckpointsFile file = MustOpen(fs);
  // Far more than what is looked at in one go, and notes across each border of it.
  const std::string filler(20'000, 'x');
  ASSERT_TRUE(file.Append("a first\n").ok());
  for (int i = 0; i < 60; ++i) {
    const std::string kind = i == 30 ? "b" : i == 31 ? "b second" : "c";
    ASSERT_TRUE(file.Append(kind + std::to_string(i) + filler).ok());
  }
  EXPECT_EQ(find("a"), "a first\n");
  EXPECT_EQ(find("b"), "b second31" + filler);
  EXPECT_EQ(find(""), "c59" + filler);
  EXPECT_EQ(find("d"), std::nullopt);
  for (int i = 0; i < 60; ++i) {
    EXPECT_TRUE(find(i == 30 ? "b30" : i == 31 ? "b second31" : "c" + std::to_string(i))) << i;
  }
}

TEST(CheckpointsFile, EveryTornLastFrameIsCut) {
  const std::string frame = EncodeCheckpointFrame("second", 8 + 21);
  for (size_t size = 1; size < frame.size(); ++size) {
    SimulatedFileSystem fs(size);
    ASSERT_TRUE(
        io::WriteFileDurably(fs, kPath,
                             "GRVNCKP1" + EncodeCheckpointFrame("first", 8) + frame.substr(0, size))
            .ok());
    EXPECT_THAT(*All(fs), ElementsAre("first"));
    CheckpointsFile file = MustOpen(fs);
    EXPECT_EQ(file.torn_bytes(), size);
    EXPECT_EQ(file.last(), "first");
    ASSERT_TRUE(file.Append("2nd").ok());
    EXPECT_EQ(file.torn_bytes(), 0u);
    EXPECT_THAT(*All(fs), ElementsAre("first", "2nd"));
    EXPECT_EQ(SizeOf(fs), 8u + 21 + 19);
  }
}

TEST(CheckpointsFile, DamageBeforeAValidFrameIsDataLoss) {
  SimulatedFileSystem fs(1);
  CheckpointsFile file = MustOpen(fs);
  ASSERT_TRUE(file.Append("first").ok());
  const uint64_t second = SizeOf(fs);
  ASSERT_TRUE(file.Append("second").ok());
  ASSERT_TRUE(file.Append("third").ok());
  const uint64_t size = SizeOf(fs);
  ASSERT_TRUE(fs.FlipBit(kPath, second * 8 + 80).ok());
  EXPECT_EQ(fs.Counts().bit_flips, 1u);
  for (const absl::Status& status : {CheckpointsFile::Open(fs, kPath).status(), All(fs).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(status.message()), HasSubstr("byte " + std::to_string(second)));
  }
  EXPECT_EQ(SizeOf(fs), size);
}

TEST(CheckpointsFile, OtherFileIsDataLoss) {
  SimulatedFileSystem fs(1);
  for (const std::string& content : {std::string("GRVN"), std::string("GRVNGRD1 and more")}) {
    ASSERT_TRUE(io::WriteFileDurably(fs, kPath, content).ok());
    EXPECT_EQ(CheckpointsFile::Open(fs, kPath).status().code(), absl::StatusCode::kDataLoss);
    EXPECT_EQ(All(fs).status().code(), absl::StatusCode::kDataLoss);
  }
}

TEST(CheckpointsFile, FrameIsTheGoldenOne) {
  EXPECT_EQ(HexEncode(EncodeCheckpointFrame("note\n", 8)),
            "636b7074050000006e6f74650a4be1ba32b296a942");
}

TEST(CheckpointsFile, FrameMovedToAnotherOffsetIsNotBelieved) {
  const std::string frame = EncodeCheckpointFrame("note", 8);
  EXPECT_TRUE(DecodeCheckpointFrame(frame, 8).has_value());
  EXPECT_FALSE(DecodeCheckpointFrame(frame, 9).has_value());
}

TEST(CheckpointsFile, FailedSyncStopsItUntilReopened) {
  SimulatedFileSystem fs(1);
  CheckpointsFile file = MustOpen(fs);
  ASSERT_TRUE(file.Append("one").ok());
  fs.AddFault({.kind = FaultKind::kError, .operation = Operation::kSync});
  EXPECT_EQ(file.Append("two").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(fs.Counts().errors, 1u);
  EXPECT_EQ(file.Append("three").code(), absl::StatusCode::kFailedPrecondition);
  CheckpointsFile again = MustOpen(fs);
  EXPECT_TRUE(again.Append("three").ok());
}

// After any faults and crashes: every note whose Append returned OK is there, in order, and at most
// one more, whose Append failed, at the end.
class CheckpointLives {
 public:
  explicit CheckpointLives(uint64_t seed) : seed_(seed), fs_(seed) {}

  void Run() {
    for (uint64_t life = 0; life < 6 && !testing::Test::HasFailure(); ++life) {
      const FaultKind kinds[] = {FaultKind::kCrash, FaultKind::kError, FaultKind::kPartialWrite,
                                 FaultKind::kErrorButDone};
      fs_.AddFault({.kind = kinds[(seed_ + life) % 4], .nth = 1 + (seed_ * 7 + life * 5) % 17});
      LiveOnce();
      fs_.ClearFaults();
      if (life % 2 == 0) fs_.Crash();
      fs_.Restart();
    }
  }

  uint64_t torn() const { return torn_; }
  io::FaultCounts counts() const { return fs_.Counts(); }

 private:
  void LiveOnce() {
    CheckpointsFile file = MustOpen(fs_);
    torn_ += file.torn_bytes() != 0;
    std::vector<std::string> there;
    if (file.last().has_value()) {
      absl::StatusOr<std::vector<std::string>> notes = All(fs_);
      ASSERT_TRUE(notes.ok()) << notes.status();
      there = *notes;
      ASSERT_EQ(there.back(), file.last());
    }
    ASSERT_GE(there.size(), promised_.size());
    ASSERT_TRUE(std::equal(promised_.begin(), promised_.end(), there.begin()));
    for (size_t i = promised_.size(); i < there.size(); ++i) {
      ASSERT_THAT(failed_, testing::Contains(there[i]));
    }
    for (int i = 0; i < 6; ++i) {
      ++number_;
      const std::string note =
          "note " + std::to_string(number_) + std::string(number_ % 3 * 700, '.');
      if (!file.Append(note).ok()) {
        failed_.push_back(note);
        return;
      }
      // From now on the one that had failed is promised too.
      there.push_back(note);
      promised_ = there;
    }
  }

  const uint64_t seed_;
  SimulatedFileSystem fs_;
  std::vector<std::string> promised_;
  std::vector<std::string> failed_;
  uint64_t number_ = 0;
  uint64_t torn_ = 0;
};

TEST(CheckpointsFileCrash, PromisedNotesAreAllThere) {
  uint64_t crashes = 0;
  uint64_t torn = 0;
  uint64_t sync_sectors_lost = 0;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    CheckpointLives lives(seed);
    lives.Run();
    if (testing::Test::HasFailure()) return;
    torn += lives.torn();
    crashes += lives.counts().crashes;
    sync_sectors_lost += lives.counts().sync_sectors_lost;
  }
  EXPECT_GT(crashes, 0u);
  EXPECT_GT(torn, 0u);
  EXPECT_GT(sync_sectors_lost, 0u);
}

}  // namespace
}  // namespace graven::store
