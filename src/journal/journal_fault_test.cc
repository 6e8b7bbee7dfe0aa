#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "base/seeded_random_test.h"
#include "fmt/format.h"
#include "gtest/gtest.h"
#include "io/simulated_file_system.h"
#include "journal/journal.h"
#include "journal/journal_test_frames.h"

// Runs of the journal that are a function of their seed: appends, syncs, retired and recycled
// files, power loss and failing operations at any moment, and after each the question whether what
// is read back is exactly the beginning of what was appended, with all that was synced.

namespace graven::journal {
namespace {

using io::Fault;
using io::FaultKind;
using io::SimulatedFileSystem;

constexpr char kFaultDir[] = "/journal";

// What happened in all runs together: a test that never met a case has not tested it.
struct Tally {
  uint64_t recoveries = 0;
  uint64_t torn_tails = 0;  // damage reported after a crash
  uint64_t later_frames = 0;
  uint64_t lost_frames = 0;  // appended, not synced, gone
  uint64_t kept_frames = 0;  // appended, not synced, there
  uint64_t rollovers = 0;
  uint64_t retired = 0;
  uint64_t dead_writers = 0;
  uint64_t refused = 0;
  io::FaultCounts faults;
};

class JournalRun {
 public:
  JournalRun(uint64_t seed, Tally& tally) : seed_(seed), random_(seed), fs_(seed), tally_(tally) {
    options_.file_bytes = (16 << 10) << random_.Below(3);
    options_.files_max = 8;
  }

  void Go() {
    Reopen();
    for (int life = 0; life < 5 && !testing::Test::HasFailure(); ++life) {
      if (random_.Below(4) != 0) AddFault();
      const uint64_t steps = 5 + random_.Below(40);
      for (uint64_t i = 0; i < steps && !journal_->dead() && !fs_.crashed(); ++i) Step();
      if (journal_->dead()) ++tally_.dead_writers;
      End();
      Reopen();
    }
    const io::FaultCounts& counts = fs_.Counts();
    tally_.faults.crashes += counts.crashes;
    tally_.faults.kills += counts.kills;
    tally_.faults.errors += counts.errors;
    tally_.faults.errors_but_done += counts.errors_but_done;
    tally_.faults.partial_writes += counts.partial_writes;
    tally_.faults.disk_full += counts.disk_full;
    tally_.faults.sectors_lost += counts.sectors_lost;
    tally_.faults.files_torn += counts.files_torn;
    tally_.faults.entries_lost += counts.entries_lost;
    tally_.faults.sync_sectors_lost += counts.sync_sectors_lost;
  }

 private:
  void AddFault() {
    constexpr FaultKind kKinds[] = {FaultKind::kError,        FaultKind::kErrorButDone,
                                    FaultKind::kPartialWrite, FaultKind::kDiskFull,
                                    FaultKind::kCrash,        FaultKind::kCrash};
    fs_.AddFault(
        {kKinds[random_.Below(std::size(kKinds))], std::nullopt, 1 + random_.Below(60), ""});
  }

  // The process ends in one of three ways; operations after a crash have failed already.
  void End() {
    fs_.ClearFaults();
    const uint64_t way = random_.Below(3);
    if (fs_.crashed()) {
      journal_.reset();
    } else if (way == 0) {
      journal_.reset();  // stopped without a last sync: nothing is lost yet
      return;
    } else if (way == 1) {
      fs_.Kill();
    } else {
      fs_.Crash();
    }
    journal_.reset();
    fs_.Restart();
  }

  void Step() {
    switch (random_.Below(10)) {
      case 0:
      case 1:
      case 2:
      case 3:
        Append();
        break;
      case 4:
      case 5:
      case 6:
        if (journal_->Sync().ok()) frames_.Acknowledge();
        break;
      case 7:
        (void)journal_->PrepareSpare();
        break;
      case 8:
        RetireOldest();
        break;
      default:
        (void)journal_->RemoveRetired();
    }
  }

  void Append() {
    TestFrame frame;
    const uint64_t logs = 1 + random_.Below(3);
    for (uint64_t log = 0; log < logs; ++log) {
      const uint64_t bytes = random_.Below(8) == 0 ? random_.Below(4000) : random_.Below(200);
      frame.push_back(
          frames_.MakeSection(static_cast<uint32_t>(log), 1 + random_.Below(4), bytes, random_));
    }
    TestFrames::Build(frame, &builder_);
    const absl::StatusOr<FramePosition> position = journal_->Append(builder_);
    if (absl::IsResourceExhausted(position.status()) ||
        absl::IsInvalidArgument(position.status())) {
      ++tally_.refused;
      return;
    }
    // After a failed write the frame may be there.
    frames_.push_back(frame);
    if (!position.ok()) return;
    if (!file_of_.empty() && file_of_.back() != position->file) ++tally_.rollovers;
    file_of_.resize(frames_.size() - 1, position->file);
    file_of_.push_back(position->file);
  }

  // As the sealer: only what was synced, and only whole files.
  void RetireOldest() {
    const std::vector<JournalFileInfo> files = journal_->Files();
    if (files.size() < 2) return;
    const auto end = std::upper_bound(file_of_.begin(), file_of_.end(), files[0].number);
    const size_t frames = static_cast<size_t>(end - file_of_.begin());
    if (frames > frames_.synced()) return;
    ASSERT_EQ(journal_->Retire(files[0].number), absl::OkStatus()) << "seed " << seed_;
    retired_ = std::max(retired_, frames);
    ++tally_.retired;
  }

  void Reopen() {
    while (true) {
      std::vector<TestSection> read;
      JournalRecovery recovery;
      if (fs_.Stat(kFaultDir).ok()) {
        absl::StatusOr<JournalRecovery> found =
            ReadJournal(fs_, kFaultDir, [&](const FrameSection& section) {
              read.push_back(CopyOf(section));
              return absl::OkStatus();
            });
        ASSERT_TRUE(found.ok()) << "seed " << seed_ << ": " << found.status();
        recovery = *std::move(found);
      }
      Judge(recovery, read);
      if (testing::Test::HasFailure()) return;
      // Now and then the power goes while the folder is opened.
      if (random_.Below(8) == 0) {
        fs_.AddFault({FaultKind::kCrash, std::nullopt, 1 + random_.Below(6), ""});
      }
      absl::StatusOr<std::unique_ptr<Journal>> journal =
          Journal::Open(fs_, kFaultDir, options_, random_, recovery);
      fs_.ClearFaults();
      if (journal.ok() && !fs_.crashed()) {
        journal_ = *std::move(journal);
        // All that was read is durable now, and may be acknowledged.
        frames_.Acknowledge();
        return;
      }
      if (journal.ok()) journal->reset();
      ASSERT_TRUE(fs_.crashed()) << "seed " << seed_ << ": " << journal.status();
      fs_.Restart();
    }
  }

  // What is read is what was appended, from somewhere at or before the first frame that was not
  // retired, to somewhere at or behind the last one that was synced.
  void Judge(const JournalRecovery& recovery, const std::vector<TestSection>& read) {
    ++tally_.recoveries;
    const size_t end = FirstUnread(read);
    ASSERT_GE(end, frames_.synced()) << "seed " << seed_ << ": synced frames are gone; damage: "
                                     << (recovery.damage ? recovery.damage->reason : "none");
    const std::vector<TestSection> all = frames_.Sections();
    const size_t cut = frames_.Sections(end).size();
    ASSERT_GE(all.size() - cut, read.size()) << "seed " << seed_;
    ASSERT_TRUE(std::equal(read.begin(), read.end(),
                           all.begin() + static_cast<ptrdiff_t>(all.size() - cut - read.size())))
        << "seed " << seed_ << ": not what was appended";
    const size_t not_retired = frames_.Sections(std::min(retired_, frames_.size())).size();
    ASSERT_GE(read.size() + cut, not_retired)
        << "seed " << seed_ << ": frames not retired are gone";
    tally_.lost_frames += frames_.size() - end;
    tally_.kept_frames += end - frames_.synced();
    if (recovery.damage) {
      ++tally_.torn_tails;
      ASSERT_FALSE(recovery.damage->was_durable) << "seed " << seed_;
    }
    frames_.Truncate(end);
    file_of_.resize(end, file_of_.empty() ? 0 : file_of_.back());
    for (const LaterSection& later : recovery.later) {
      ++tally_.later_frames;
      ASSERT_LE(later.acknowledged.value, frames_.EndOf(later.log_number)) << "seed " << seed_;
    }
  }

  // Behind the frame that ends with the last section read.
  size_t FirstUnread(const std::vector<TestSection>& read) const {
    if (read.empty()) return std::min(retired_, frames_.size());
    for (size_t frame = frames_.size(); frame > 0; --frame) {
      if (frames_.at(frame - 1).back() == read.back()) return frame;
    }
    return 0;
  }

  const uint64_t seed_;
  SeededRandom random_;
  SimulatedFileSystem fs_;
  Tally& tally_;
  JournalOptions options_;
  FrameBuilder builder_;
  std::unique_ptr<Journal> journal_;
  TestFrames frames_;
  std::vector<uint64_t> file_of_;  // of each frame
  size_t retired_ = 0;             // frames below it may be gone
};

// GRAVEN_SEEDS=N in the environment: as many runs. A failure names its seed.
uint64_t Seeds() {
  const char* const text = std::getenv("GRAVEN_SEEDS");
  return text == nullptr ? 3000 : std::strtoull(text, nullptr, 10);
}

TEST(JournalFault, SyncedFramesSurviveAnything) {
  Tally tally;
  const uint64_t seeds = Seeds();
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    JournalRun(seed, tally).Go();
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
  }
  EXPECT_GT(tally.torn_tails, seeds / 100);
  EXPECT_GT(tally.later_frames, seeds / 100);
  EXPECT_GT(tally.lost_frames, seeds / 10);
  EXPECT_GT(tally.kept_frames, seeds / 10);
  EXPECT_GT(tally.rollovers, seeds / 10);
  EXPECT_GT(tally.retired, seeds / 10);
  EXPECT_GT(tally.dead_writers, seeds / 100);
  EXPECT_GT(tally.refused, seeds / 10);
  EXPECT_GT(tally.faults.crashes, seeds);
  EXPECT_GT(tally.faults.kills, seeds / 10);
  EXPECT_GT(tally.faults.errors, seeds / 10);
  EXPECT_GT(tally.faults.errors_but_done, seeds / 10);
  EXPECT_GT(tally.faults.partial_writes, seeds / 10);
  EXPECT_GT(tally.faults.disk_full, seeds / 10);
  EXPECT_GT(tally.faults.sectors_lost, seeds);
  EXPECT_GT(tally.faults.files_torn, seeds / 100);
  EXPECT_GT(tally.faults.entries_lost, seeds / 100);
  EXPECT_GT(tally.faults.sync_sectors_lost, seeds / 100);
}

}  // namespace
}  // namespace graven::journal
