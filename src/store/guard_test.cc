#include "store/guard.h"

#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/encoding.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "io/durable_file.h"
#include "io/simulated_file_system.h"

namespace graven::store {
namespace {

using io::Fault;
using io::FaultKind;
using io::Operation;
using io::SimulatedFileSystem;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kGuardPath[] = "/guard";

Hash RootOf(uint32_t log, uint64_t size) {
  Hash root;
  root.bytes[0] = static_cast<uint8_t>(log);
  std::memcpy(&root.bytes[8], &size, sizeof size);
  return root;
}

GuardEntry Entry(uint32_t log, uint64_t size) {
  return GuardEntry{log, TreeSize(size), RootOf(log, size)};
}

std::unique_ptr<Guard> MustOpenGuard(SimulatedFileSystem& fs) {
  absl::StatusOr<std::unique_ptr<Guard>> guard = Guard::Open(fs, kGuardPath);
  EXPECT_TRUE(guard.ok()) << guard.status();
  return guard.ok() ? *std::move(guard) : nullptr;
}

std::vector<GuardEntry> Entries(const Guard& guard) {
  return {guard.entries().begin(), guard.entries().end()};
}

TEST(Guard, MissingIsNotFoundAndASecondIsRefused) {
  SimulatedFileSystem fs(1);
  EXPECT_EQ(Guard::Open(fs, kGuardPath).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Guard::Read(fs, kGuardPath).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(Guard::Create(fs, kGuardPath).ok());
  EXPECT_EQ(Guard::Create(fs, kGuardPath).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(MustOpenGuard(fs)->entries(), IsEmpty());
}

TEST(Guard, RaisedEntriesAreThereAfterReopen) {
  SimulatedFileSystem fs(1);
  ASSERT_TRUE(Guard::Create(fs, kGuardPath).ok());
  std::unique_ptr<Guard> guard = MustOpenGuard(fs);
  ASSERT_TRUE(guard->Raise(std::vector{Entry(7, 0), Entry(3, 5)}).ok());
  ASSERT_TRUE(guard->Raise(std::vector{Entry(7, 9)}).ok());
  EXPECT_EQ(guard->Find(7), Entry(7, 9));
  EXPECT_EQ(guard->Find(4), std::nullopt);
  EXPECT_THAT(Entries(*MustOpenGuard(fs)), ElementsAre(Entry(3, 5), Entry(7, 9)));
  EXPECT_THAT(*Guard::Read(fs, kGuardPath), ElementsAre(Entry(3, 5), Entry(7, 9)));
}

TEST(Guard, SmallerSizeOrOtherRootIsRefusedAndNothingWritten) {
  SimulatedFileSystem fs(1);
  ASSERT_TRUE(Guard::Create(fs, kGuardPath).ok());
  std::unique_ptr<Guard> guard = MustOpenGuard(fs);
  ASSERT_TRUE(guard->Raise(std::vector{Entry(1, 5)}).ok());
  const uint64_t before = fs.ChangingOperations();
  EXPECT_EQ(guard->Raise(std::vector{Entry(2, 1), Entry(1, 4)}).code(),
            absl::StatusCode::kFailedPrecondition);
  GuardEntry other = Entry(1, 5);
  other.root.bytes[31] = 1;
  EXPECT_EQ(guard->Raise(std::vector{other}).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(fs.ChangingOperations(), before);
  // A refused call harms nothing; the same again costs nothing.
  EXPECT_THAT(Entries(*guard), ElementsAre(Entry(1, 5)));
  EXPECT_TRUE(guard->Raise(std::vector{Entry(1, 5)}).ok());
  EXPECT_EQ(fs.ChangingOperations(), before);
  EXPECT_TRUE(guard->Raise(std::vector{Entry(1, 6)}).ok());
}

TEST(Guard, OneRaiseIsOneWriteAndOneSync) {
  SimulatedFileSystem fs(1);
  ASSERT_TRUE(Guard::Create(fs, kGuardPath).ok());
  std::unique_ptr<Guard> guard = MustOpenGuard(fs);
  std::vector<std::string> story;
  fs.SetTrace([&](const std::string& line) { story.push_back(line.substr(line.find(' ') + 1)); });
  ASSERT_TRUE(guard->Raise(std::vector{Entry(1, 1), Entry(2, 1), Entry(3, 1)}).ok());
  ASSERT_TRUE(guard->Raise(std::vector{Entry(1, 2), Entry(2, 2), Entry(3, 2)}).ok());
  EXPECT_THAT(story, ElementsAre("write /guard at 4096, 172 bytes", "sync /guard",
                                 "write /guard at 0, 172 bytes", "sync /guard"));
}

TEST(Guard, GrowsBeyondItsSlots) {
  SimulatedFileSystem fs(1);
  ASSERT_TRUE(Guard::Create(fs, kGuardPath).ok());
  std::unique_ptr<Guard> guard = MustOpenGuard(fs);
  std::vector<GuardEntry> expected;
  for (uint32_t log = 1; log <= 1000; ++log) {
    ASSERT_TRUE(guard->Raise(std::vector{Entry(log, log)}).ok());
    expected.push_back(Entry(log, log));
  }
  EXPECT_EQ(Entries(*MustOpenGuard(fs)), expected);
  EXPECT_LE(fs.Stat(kGuardPath)->size, 4u * 1000 * 44 + 4 * 4096);
}

TEST(Guard, OneFlippedSlotLeavesTheOtherAndTwoAreDataLoss) {
  SimulatedFileSystem fs(1);
  ASSERT_TRUE(Guard::Create(fs, kGuardPath).ok());
  std::unique_ptr<Guard> guard = MustOpenGuard(fs);
  ASSERT_TRUE(guard->Raise(std::vector{Entry(1, 1)}).ok());  // slot 1
  ASSERT_TRUE(guard->Raise(std::vector{Entry(1, 2)}).ok());  // slot 0
  ASSERT_TRUE(fs.FlipBit(kGuardPath, 4096 * 8 + 300).ok());
  EXPECT_THAT(*Guard::Read(fs, kGuardPath), ElementsAre(Entry(1, 2)));
  ASSERT_TRUE(fs.FlipBit(kGuardPath, 300).ok());
  EXPECT_EQ(fs.Counts().bit_flips, 2u);
  EXPECT_EQ(Guard::Read(fs, kGuardPath).status().code(), absl::StatusCode::kDataLoss);
  const absl::Status status = Guard::Open(fs, kGuardPath).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr(kGuardPath));
}

TEST(Guard, EveryFlippedBitOfASlotIsFound) {
  const std::string slot = EncodeGuardSlot({5, {Entry(1, 2), Entry(9, 3)}});
  ASSERT_TRUE(DecodeGuardSlot(slot).ok());
  for (size_t bit = 0; bit < slot.size() * 8; ++bit) {
    std::string flipped = slot;
    flipped[bit / 8] ^= static_cast<char>(1 << (bit % 8));
    ASSERT_EQ(DecodeGuardSlot(flipped).status().code(), absl::StatusCode::kDataLoss) << bit;
  }
}

TEST(Guard, SlotIsTheGoldenOne) {
  GuardEntry entry{7, TreeSize(1), {}};
  entry.root.bytes.fill(0xaa);
  EXPECT_EQ(HexEncode(EncodeGuardSlot({2, {entry}})),
            "4752564e4752443102000000000000000100000000000000070000000100000000000000" +
                std::string(64, 'a') + "fa7ddfac635c28e178489dd21affd106");
}

TEST(Guard, OddLengthIsDataLoss) {
  SimulatedFileSystem fs(1);
  for (const size_t size : {0u, 1u, 4096u, 12'288u}) {
    ASSERT_TRUE(io::WriteFileDurably(fs, kGuardPath, std::string(size, 'x')).ok());
    EXPECT_EQ(Guard::Read(fs, kGuardPath).status().code(), absl::StatusCode::kDataLoss) << size;
  }
}

TEST(Guard, FailedSyncStopsItUntilReopened) {
  SimulatedFileSystem fs(1);
  ASSERT_TRUE(Guard::Create(fs, kGuardPath).ok());
  std::unique_ptr<Guard> guard = MustOpenGuard(fs);
  ASSERT_TRUE(guard->Raise(std::vector{Entry(1, 1)}).ok());
  fs.AddFault({.kind = FaultKind::kError, .operation = Operation::kSync});
  EXPECT_EQ(guard->Raise(std::vector{Entry(1, 2)}).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(fs.Counts().errors, 1u);
  EXPECT_EQ(guard->Raise(std::vector{Entry(1, 3)}).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(guard->Find(1), Entry(1, 1));
  guard = MustOpenGuard(fs);
  EXPECT_TRUE(guard->Raise(std::vector{Entry(1, 3)}).ok());
}

// Several lives of a guard on a disk that fails and crashes. After each the guard holds exactly
// what the last Raise that returned OK made, or what one after it was making.
class GuardLives {
 public:
  explicit GuardLives(uint64_t seed) : dice_(seed), fs_(seed * 31 + 7) {
    EXPECT_TRUE(Guard::Create(fs_, kGuardPath).ok());
  }

  void Run() {
    for (int life = 0; life < 8 && !testing::Test::HasFailure(); ++life) {
      AddRandomFault();
      LiveOnce();
      fs_.ClearFaults();
      switch (Roll(3)) {
        case 0:
          fs_.Crash();
          break;
        case 1:
          fs_.Kill();
          break;
        default:
          break;  // opened again by the same process
      }
      fs_.Restart();
    }
    // What is on disk must stand without any process.
    fs_.Crash();
    fs_.Restart();
    CheckState(Guard::Read(fs_, kGuardPath));
  }

  const SimulatedFileSystem& fs() const { return fs_; }

 private:
  using State = std::vector<GuardEntry>;

  uint64_t Roll(uint64_t n) {
    dice_ = dice_ * 6364136223846793005 + 1442695040888963407;
    return (dice_ >> 33) % n;
  }

  void AddRandomFault() {
    static constexpr FaultKind kKinds[] = {FaultKind::kError,        FaultKind::kErrorButDone,
                                           FaultKind::kPartialWrite, FaultKind::kDiskFull,
                                           FaultKind::kCrash,        FaultKind::kCrash};
    fs_.AddFault({.kind = kKinds[Roll(6)], .nth = 1 + Roll(30)});
  }

  void CheckState(const absl::StatusOr<State>& state) {
    ASSERT_TRUE(state.ok()) << state.status();
    ASSERT_TRUE(*state == done_ || *state == tried_)
        << "entries " << state->size() << ", done " << done_.size();
  }

  void LiveOnce() {
    absl::StatusOr<std::unique_ptr<Guard>> guard = Guard::Open(fs_, kGuardPath);
    if (!guard.ok()) {
      // Of all errors only the fault's own: never DataLoss, never NotFound.
      ASSERT_THAT(guard.status().code(), testing::AnyOf(absl::StatusCode::kUnavailable,
                                                        absl::StatusCode::kResourceExhausted))
          << guard.status();
      return;
    }
    CheckState(Entries(**guard));
    done_ = Entries(**guard);
    tried_ = done_;
    for (int i = 0; i < 12; ++i) {
      std::vector<GuardEntry> raised;
      const uint64_t count = 1 + Roll(40);
      for (uint64_t k = 0; k < count; ++k) {
        const auto log = static_cast<uint32_t>(1 + Roll(120));
        size_ += 1;
        raised.push_back(Entry(log, size_));
      }
      std::map<uint32_t, GuardEntry> next;
      for (const GuardEntry& entry : done_) next[entry.log] = entry;
      for (const GuardEntry& entry : raised) next[entry.log] = entry;
      tried_.clear();
      for (const auto& [log, entry] : next) tried_.push_back(entry);
      if (!(*guard)->Raise(raised).ok()) return;
      done_ = tried_;
    }
  }

  uint64_t dice_;
  SimulatedFileSystem fs_;
  State done_;
  State tried_;
  uint64_t size_ = 0;
};

TEST(GuardCrash, IsNeverOlderThanTheLastRaise) {
  io::FaultCounts total;
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    GuardLives lives(seed);
    lives.Run();
    if (testing::Test::HasFailure()) return;
    const io::FaultCounts counts = lives.fs().Counts();
    total.errors += counts.errors;
    total.errors_but_done += counts.errors_but_done;
    total.partial_writes += counts.partial_writes;
    total.disk_full += counts.disk_full;
    total.crashes += counts.crashes;
    total.kills += counts.kills;
    total.files_torn += counts.files_torn;
    total.entries_lost += counts.entries_lost;
    total.sync_sectors_lost += counts.sync_sectors_lost;
  }
  EXPECT_GT(total.errors, 0u);
  EXPECT_GT(total.errors_but_done, 0u);
  EXPECT_GT(total.partial_writes, 0u);
  EXPECT_GT(total.disk_full, 0u);
  EXPECT_GT(total.crashes, 0u);
  EXPECT_GT(total.kills, 0u);
  EXPECT_GT(total.files_torn, 0u);
  EXPECT_GT(total.entries_lost, 0u);
  EXPECT_GT(total.sync_sectors_lost, 0u);
}

}  // namespace
}  // namespace graven::store
