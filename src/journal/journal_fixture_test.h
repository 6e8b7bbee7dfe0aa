#pragma once

#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/seeded_random_test.h"
#include "fmt/format.h"
#include "gtest/gtest.h"
#include "io/simulated_file_system.h"
#include "journal/journal.h"
#include "journal/journal_test_frames.h"

namespace graven::journal {

inline constexpr char kDir[] = "/journal";

class JournalTest : public testing::Test {
 protected:
  JournalTest() { options_.file_bytes = 64 << 10; }

  // Reads and opens the folder; `damage_allowed`: as the ledger does when it cuts.
  void Reopen(bool damage_allowed = false) {
    journal_.reset();
    read_.clear();
    absl::StatusOr<JournalRecovery> recovery = Recover();
    ASSERT_TRUE(recovery.ok()) << recovery.status();
    if (!damage_allowed) {
      ASSERT_FALSE(recovery->damage) << recovery->damage->reason;
    }
    recovery_ = *std::move(recovery);
    absl::StatusOr<std::unique_ptr<Journal>> journal =
        Journal::Open(fs_, kDir, options_, random_, recovery_);
    ASSERT_TRUE(journal.ok()) << journal.status();
    journal_ = *std::move(journal);
  }

  absl::StatusOr<JournalRecovery> Recover() {
    if (fs_.Stat(kDir).status().code() == absl::StatusCode::kNotFound) return JournalRecovery{};
    return ReadJournal(fs_, kDir, [this](const FrameSection& section) {
      read_.push_back(CopyOf(section));
      return absl::OkStatus();
    });
  }

  void Prepare() { ASSERT_EQ(journal_->PrepareSpare(), absl::OkStatus()); }

  // One frame with one section of `count` records of `bytes` bytes.
  FramePosition Append(uint32_t log, size_t count, size_t bytes) {
    FrameBuilder frame;
    frames_.push_back({frames_.MakeSection(log, count, bytes, random_)});
    frames_.Build(frames_.back(), &frame);
    const absl::StatusOr<FramePosition> position = journal_->Append(frame);
    EXPECT_TRUE(position.ok()) << position.status();
    return position.ok() ? *position : FramePosition{};
  }

  void Sync() {
    ASSERT_EQ(journal_->Sync(), absl::OkStatus());
    frames_.Acknowledge();
  }

  // A journal of one durable frame.
  FramePosition OneFrame() {
    Reopen();
    Prepare();
    const FramePosition position = Append(1, 1, 100);
    Sync();
    return position;
  }

  // So many files of one durable frame each.
  std::vector<uint64_t> FillFiles(int count) {
    std::vector<uint64_t> files;
    for (int i = 0; i < count; ++i) {
      Prepare();
      files.push_back(Append(1, 1, 50000).file);
      Sync();
    }
    return files;
  }

  std::string PathOf(uint64_t file) { return fmt::format("{}/{:016x}", kDir, file); }

  io::SimulatedFileSystem fs_{7};
  SeededRandom random_{11};
  JournalOptions options_;
  std::unique_ptr<Journal> journal_;
  JournalRecovery recovery_;
  TestFrames frames_;
  std::vector<TestSection> read_;
};

}  // namespace graven::journal
