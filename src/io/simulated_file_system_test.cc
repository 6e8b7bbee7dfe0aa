#include "io/simulated_file_system.h"

#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "io/durable_file.h"

namespace graven::io {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr uint64_t kSeeds = 200;

std::unique_ptr<File> MustOpen(SimulatedFileSystem& fs, const std::string& path, OpenMode mode) {
  absl::StatusOr<std::unique_ptr<File>> file = fs.Open(path, mode);
  EXPECT_TRUE(file.ok()) << file.status();
  return file.ok() ? *std::move(file) : nullptr;
}

std::string Content(SimulatedFileSystem& fs, const std::string& path) {
  absl::StatusOr<std::string> bytes = ReadWholeFile(fs, path, 1 << 24);
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  return bytes.value_or("unreadable");
}

void CrashAndRestart(SimulatedFileSystem& fs) {
  fs.Crash();
  fs.Restart();
}

TEST(SimulatedCrash, SyncedBytesSurviveAlways) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimulatedFileSystem fs(seed);
    const std::string bytes(5000, 'd');
    std::unique_ptr<File> file = MustOpen(fs, "/f", OpenMode::kCreateNew);
    ASSERT_TRUE(file->WriteAt(0, bytes).ok());
    ASSERT_TRUE(file->Sync().ok());
    ASSERT_TRUE(fs.SyncDirectory("/").ok());
    CrashAndRestart(fs);
    ASSERT_EQ(Content(fs, "/f"), bytes) << "seed " << seed;
  }
}

TEST(SimulatedCrash, UnsyncedSectorsAreLostTornAndReordered) {
  uint64_t all = 0;
  uint64_t none = 0;
  uint64_t reordered = 0;
  FaultCounts total;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimulatedFileSystem fs(seed);
    ASSERT_TRUE(WriteFileDurably(fs, "/f", std::string(8 * 512, 'o')).ok());
    std::unique_ptr<File> file = MustOpen(fs, "/f", OpenMode::kReadWrite);
    ASSERT_TRUE(file->WriteAt(0, std::string(8 * 512, 'n')).ok());
    CrashAndRestart(fs);
    const std::string after = Content(fs, "/f");
    ASSERT_EQ(after.size(), 8u * 512);
    std::string sectors;
    for (size_t s = 0; s < 8; ++s) {
      // A sector is never torn.
      ASSERT_EQ(after.substr(s * 512, 512), std::string(512, after[s * 512]));
      sectors.push_back(after[s * 512]);
    }
    ASSERT_THAT(std::set<char>(sectors.begin(), sectors.end()),
                testing::Each(testing::AnyOf('o', 'n')));
    all += sectors == "nnnnnnnn";
    none += sectors == "oooooooo";
    reordered += sectors.find("on") != std::string::npos;
    total.sectors_kept += fs.Counts().sectors_kept;
    total.sectors_lost += fs.Counts().sectors_lost;
    total.files_torn += fs.Counts().files_torn;
    EXPECT_EQ(fs.Counts().crashes, 1u);
  }
  EXPECT_GT(all, 0u);
  EXPECT_GT(none, 0u);
  EXPECT_GT(reordered, 0u);
  EXPECT_EQ(total.files_torn, kSeeds - all - none);
  EXPECT_EQ(total.sectors_kept + total.sectors_lost, 8 * kSeeds);
}

TEST(SimulatedCrash, OverwrittenSectorMayHaveTheVersionBetween) {
  std::set<char> seen;
  uint64_t early = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimulatedFileSystem fs(seed);
    ASSERT_TRUE(WriteFileDurably(fs, "/f", std::string(512, '1')).ok());
    std::unique_ptr<File> file = MustOpen(fs, "/f", OpenMode::kReadWrite);
    ASSERT_TRUE(file->WriteAt(0, std::string(512, '2')).ok());
    ASSERT_TRUE(file->WriteAt(0, std::string(512, '3')).ok());
    CrashAndRestart(fs);
    seen.insert(Content(fs, "/f")[0]);
    early += fs.Counts().early_writebacks;
  }
  EXPECT_THAT(seen, ElementsAre('1', '2', '3'));
  EXPECT_GT(early, 0u);
}

TEST(SimulatedCrash, UnsyncedSizeIsOldNewOrBetween) {
  FaultCounts total;
  for (const bool grow : {true, false}) {
    for (uint64_t seed = 0; seed < kSeeds; ++seed) {
      SimulatedFileSystem fs(seed);
      ASSERT_TRUE(WriteFileDurably(fs, "/f", std::string(1000, 'o')).ok());
      std::unique_ptr<File> file = MustOpen(fs, "/f", OpenMode::kReadWrite);
      ASSERT_TRUE(file->Truncate(grow ? 3000 : 100).ok());
      CrashAndRestart(fs);
      const std::string after = Content(fs, "/f");
      if (grow) {
        ASSERT_GE(after.size(), 1000u);
        ASSERT_LE(after.size(), 3000u);
        ASSERT_EQ(after.substr(1000), std::string(after.size() - 1000, '\0'));
      } else {
        ASSERT_GE(after.size(), 100u);
        ASSERT_LE(after.size(), 1000u);
      }
      total.sizes_kept += fs.Counts().sizes_kept;
      total.sizes_lost += fs.Counts().sizes_lost;
      total.sizes_torn += fs.Counts().sizes_torn;
    }
  }
  EXPECT_GT(total.sizes_kept, 0u);
  EXPECT_GT(total.sizes_lost, 0u);
  EXPECT_GT(total.sizes_torn, 0u);
  EXPECT_EQ(total.sizes_kept + total.sizes_lost + total.sizes_torn, 2 * kSeeds);
}

TEST(SimulatedCrash, CreatedFileNeedsTheDirectorySync) {
  uint64_t kept = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimulatedFileSystem fs(seed);
    std::unique_ptr<File> file = MustOpen(fs, "/f", OpenMode::kCreateNew);
    ASSERT_TRUE(file->WriteAt(0, "x").ok());
    ASSERT_TRUE(file->Sync().ok());
    CrashAndRestart(fs);
    const bool there = fs.Stat("/f").ok();
    ASSERT_EQ(fs.Counts().entries_kept, there ? 1u : 0u);
    ASSERT_EQ(fs.Counts().entries_lost, there ? 0u : 1u);
    // When the name survived, so did what was synced.
    if (there) {
      ASSERT_EQ(Content(fs, "/f"), "x");
    }
    kept += there;
  }
  EXPECT_GT(kept, 0u);
  EXPECT_LT(kept, kSeeds);
}

TEST(SimulatedCrash, UnsyncedRemovalMayComeBack) {
  uint64_t back = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimulatedFileSystem fs(seed);
    ASSERT_TRUE(WriteFileDurably(fs, "/f", "x").ok());
    ASSERT_TRUE(fs.Remove("/f").ok());
    CrashAndRestart(fs);
    if (fs.Stat("/f").ok()) {
      ++back;
      ASSERT_EQ(Content(fs, "/f"), "x");
    }
  }
  EXPECT_GT(back, 0u);
  EXPECT_LT(back, kSeeds);
}

TEST(SimulatedCrash, UnsyncedRenameHappensWhollyOrNot) {
  uint64_t renamed = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimulatedFileSystem fs(seed);
    ASSERT_TRUE(MakeDirectoryDurably(fs, "/d").ok());
    ASSERT_TRUE(WriteFileDurably(fs, "/f", "new").ok());
    ASSERT_TRUE(WriteFileDurably(fs, "/d/g", "old").ok());
    ASSERT_TRUE(fs.Rename("/f", "/d/g").ok());
    CrashAndRestart(fs);
    const std::string after = Content(fs, "/d/g");
    ASSERT_EQ(fs.Stat("/f").ok(), after == "old") << "seed " << seed;
    ASSERT_THAT(after, testing::AnyOf("old", "new"));
    renamed += after == "new";
  }
  EXPECT_GT(renamed, 0u);
  EXPECT_LT(renamed, kSeeds);
}

TEST(SimulatedCrash, OneFileNeverHasTwoNames) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimulatedFileSystem fs(seed);
    ASSERT_TRUE(MakeDirectoryDurably(fs, "/d").ok());
    ASSERT_TRUE(WriteFileDurably(fs, "/a", "x").ok());
    ASSERT_TRUE(fs.Rename("/a", "/b").ok());
    ASSERT_TRUE(fs.Rename("/b", "/d/c").ok());
    if (seed % 2 == 0) {
      ASSERT_TRUE(fs.SyncDirectory("/d").ok());
    }
    CrashAndRestart(fs);
    const size_t names = fs.Stat("/a").ok() + fs.Stat("/b").ok() + fs.Stat("/d/c").ok();
    ASSERT_EQ(names, 1u) << "seed " << seed;
    if (seed % 2 == 0) {
      ASSERT_EQ(Content(fs, "/d/c"), "x");
    }
  }
}

TEST(SimulatedCrash, DurableWriteIsOldOrNewAtEveryCrashPoint) {
  uint64_t fired = 0;
  for (uint64_t nth = 1; nth <= 7; ++nth) {
    for (uint64_t seed = 0; seed < kSeeds; ++seed) {
      SimulatedFileSystem fs(seed);
      ASSERT_TRUE(WriteFileDurably(fs, "/f", std::string(3000, 'o')).ok());
      fs.AddFault({.kind = FaultKind::kCrash, .nth = nth});
      const absl::Status status = WriteFileDurably(fs, "/f", std::string(4000, 'n'));
      fired += fs.Counts().crashes;
      if (!fs.crashed()) {
        ASSERT_TRUE(status.ok());
        fs.Crash();
      }
      fs.Restart();
      const std::string after = Content(fs, "/f");
      if (status.ok()) {
        ASSERT_EQ(after, std::string(4000, 'n'));
      } else {
        ASSERT_EQ(status.code(), absl::StatusCode::kUnavailable);
        ASSERT_THAT(after, testing::AnyOf(std::string(3000, 'o'), std::string(4000, 'n')));
      }
    }
  }
  // Remove, create, write, sync, rename, directory sync: six operations.
  EXPECT_EQ(fired, 6 * kSeeds);
}

TEST(SimulatedCrash, EverythingIsUnavailableUntilRestart) {
  SimulatedFileSystem fs(1);
  ASSERT_TRUE(WriteFileDurably(fs, "/f", "x").ok());
  std::unique_ptr<File> file = MustOpen(fs, "/f", OpenMode::kReadWrite);
  absl::StatusOr<std::unique_ptr<FolderLock>> lock = fs.Lock("/lock");
  ASSERT_TRUE(lock.ok());
  fs.Crash();
  EXPECT_TRUE(fs.crashed());
  EXPECT_EQ(fs.Open("/f", OpenMode::kRead).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(fs.List("/").status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(file->WriteAt(0, "y").code(), absl::StatusCode::kUnavailable);
  fs.Restart();
  // Handles of the life before stay dead; its lock is free, and letting it go harms nobody.
  EXPECT_EQ(file->WriteAt(0, "y").code(), absl::StatusCode::kUnavailable);
  absl::StatusOr<std::unique_ptr<FolderLock>> again = fs.Lock("/lock");
  EXPECT_TRUE(again.ok()) << again.status();
  lock->reset();
  EXPECT_EQ(fs.Lock("/lock").status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Content(fs, "/f"), "x");
}

TEST(SimulatedKill, UnsyncedBytesStayAndTheLockIsFree) {
  SimulatedFileSystem fs(1);
  std::unique_ptr<File> file = MustOpen(fs, "/f", OpenMode::kCreateNew);
  ASSERT_TRUE(file->WriteAt(0, "unsynced").ok());
  absl::StatusOr<std::unique_ptr<FolderLock>> lock = fs.Lock("/lock");
  fs.Kill();
  fs.Restart();
  EXPECT_EQ(fs.Counts().kills, 1u);
  EXPECT_EQ(fs.Counts().crashes, 0u);
  EXPECT_EQ(Content(fs, "/f"), "unsynced");
  EXPECT_TRUE(fs.Lock("/lock").ok());
  EXPECT_EQ(file->Sync().code(), absl::StatusCode::kUnavailable);
}

TEST(SimulatedFault, ErrorLeavesTheFileAsItWas) {
  SimulatedFileSystem fs(1);
  std::unique_ptr<File> file = MustOpen(fs, "/f", OpenMode::kCreateNew);
  ASSERT_TRUE(file->WriteAt(0, "old").ok());
  fs.AddFault({.kind = FaultKind::kError, .operation = Operation::kWrite, .nth = 2});
  EXPECT_TRUE(file->WriteAt(0, "1st").ok());
  EXPECT_EQ(file->WriteAt(0, "2nd").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Content(fs, "/f"), "1st");
  EXPECT_TRUE(file->WriteAt(0, "3rd").ok());
  EXPECT_EQ(fs.Counts().errors, 1u);
}

TEST(SimulatedFault, ReadErrorsStrikeTheirFileOnly) {
  SimulatedFileSystem fs(1);
  ASSERT_TRUE(WriteFileDurably(fs, "/good", "x").ok());
  ASSERT_TRUE(WriteFileDurably(fs, "/bad", "x").ok());
  fs.AddFault({.kind = FaultKind::kError, .operation = Operation::kRead, .path_part = "bad"});
  EXPECT_EQ(Content(fs, "/good"), "x");
  EXPECT_EQ(ReadWholeFile(fs, "/bad", 10).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Content(fs, "/bad"), "x");
  EXPECT_EQ(fs.Counts().errors, 1u);
}

TEST(SimulatedFault, ErrorButDoneHasHappened) {
  SimulatedFileSystem fs(1);
  ASSERT_TRUE(WriteFileDurably(fs, "/f", "x").ok());
  fs.AddFault({.kind = FaultKind::kErrorButDone, .operation = Operation::kRename});
  EXPECT_EQ(fs.Rename("/f", "/g").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Content(fs, "/g"), "x");
  EXPECT_EQ(fs.Counts().errors_but_done, 1u);
  std::unique_ptr<File> file = MustOpen(fs, "/g", OpenMode::kReadWrite);
  ASSERT_TRUE(fs.SyncDirectory("/").ok());
  ASSERT_TRUE(file->WriteAt(0, "y").ok());
  fs.AddFault({.kind = FaultKind::kErrorButDone, .operation = Operation::kSync});
  EXPECT_EQ(file->Sync().code(), absl::StatusCode::kUnavailable);
  CrashAndRestart(fs);
  EXPECT_EQ(Content(fs, "/g"), "y");
  EXPECT_EQ(fs.Counts().errors_but_done, 2u);
}

TEST(SimulatedFault, PartialWriteLeavesAFirstPart) {
  std::set<size_t> sizes;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimulatedFileSystem fs(seed);
    std::unique_ptr<File> file = MustOpen(fs, "/f", OpenMode::kCreateNew);
    fs.AddFault({.kind = FaultKind::kPartialWrite});
    EXPECT_EQ(file->WriteAt(0, "12345").code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(fs.Counts().partial_writes, 1u);
    const std::string left = Content(fs, "/f");
    EXPECT_EQ(left, std::string("12345").substr(0, left.size()));
    sizes.insert(left.size());
  }
  EXPECT_THAT(sizes, ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST(SimulatedFault, FailedSyncMarksLostSectorsClean) {
  uint64_t lost_seeds = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimulatedFileSystem fs(seed);
    ASSERT_TRUE(WriteFileDurably(fs, "/f", std::string(8192, 'o')).ok());
    std::unique_ptr<File> file = MustOpen(fs, "/f", OpenMode::kReadWrite);
    ASSERT_TRUE(file->WriteAt(0, std::string(8192, 'n')).ok());
    fs.AddFault({.kind = FaultKind::kError, .operation = Operation::kSync});
    ASSERT_EQ(file->Sync().code(), absl::StatusCode::kUnavailable);
    ASSERT_EQ(fs.Counts().errors, 1u);
    ASSERT_EQ(fs.Counts().sync_sectors_kept + fs.Counts().sync_sectors_lost, 16u);
    // The lie: reads see the bytes, the next sync says OK, the crash tells the truth.
    ASSERT_EQ(Content(fs, "/f"), std::string(8192, 'n'));
    ASSERT_TRUE(file->Sync().ok());
    CrashAndRestart(fs);
    const std::string after = Content(fs, "/f");
    const auto lost = static_cast<uint64_t>(std::count(after.begin(), after.end(), 'o')) / 512;
    ASSERT_EQ(lost, fs.Counts().sync_sectors_lost);
    lost_seeds += lost != 0;
  }
  EXPECT_GT(lost_seeds, 0u);
  EXPECT_LT(lost_seeds, kSeeds);
}

TEST(SimulatedFault, WritingAgainAfterAFailedSyncHeals) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimulatedFileSystem fs(seed);
    std::unique_ptr<File> file = MustOpen(fs, "/f", OpenMode::kCreateNew);
    ASSERT_TRUE(fs.SyncDirectory("/").ok());
    ASSERT_TRUE(file->WriteAt(0, std::string(8000, 'n')).ok());
    fs.AddFault({.kind = FaultKind::kError, .operation = Operation::kSync});
    ASSERT_EQ(file->Sync().code(), absl::StatusCode::kUnavailable);
    ASSERT_TRUE(file->Truncate(0).ok());
    ASSERT_TRUE(file->WriteAt(0, std::string(8000, 'n')).ok());
    ASSERT_TRUE(file->Sync().ok());
    CrashAndRestart(fs);
    ASSERT_EQ(Content(fs, "/f"), std::string(8000, 'n')) << "seed " << seed;
  }
}

TEST(SimulatedFault, ClearedFaultNeverFires) {
  SimulatedFileSystem fs(1);
  fs.AddFault({.kind = FaultKind::kError});
  fs.ClearFaults();
  EXPECT_TRUE(WriteFileDurably(fs, "/f", "x").ok());
  EXPECT_EQ(fs.Counts().errors, 0u);
}

TEST(SimulatedFault, CountsOnlyChangingOperationsUnlessNamed) {
  SimulatedFileSystem fs(1);
  ASSERT_TRUE(WriteFileDurably(fs, "/f", "x").ok());
  const uint64_t before = fs.ChangingOperations();
  EXPECT_EQ(before, 6u);
  fs.AddFault({.kind = FaultKind::kError});
  EXPECT_EQ(Content(fs, "/f"), "x");
  EXPECT_TRUE(fs.List("/").ok());
  EXPECT_EQ(fs.ChangingOperations(), before);
  EXPECT_EQ(fs.Remove("/f").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(fs.ChangingOperations(), before + 1);
}

TEST(SimulatedDiskFull, WriteStopsAtTheCapacityAndGoesOnOnceFreed) {
  SimulatedFileSystem fs(1);
  ASSERT_TRUE(WriteFileDurably(fs, "/old", std::string(8192, 'o')).ok());
  fs.SetCapacity(5 * 4096);
  EXPECT_EQ(*fs.FreeBytes("/"), 3u * 4096);
  std::unique_ptr<File> file = MustOpen(fs, "/f", OpenMode::kCreateNew);
  EXPECT_EQ(file->WriteAt(100, std::string(20'000, 'n')).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(fs.Counts().disk_full, 1u);
  EXPECT_EQ(*file->Size(), 3u * 4096);
  EXPECT_EQ(*fs.FreeBytes("/"), 0u);
  // What has its room already can be overwritten.
  EXPECT_TRUE(file->WriteAt(0, std::string(3 * 4096, 'm')).ok());
  EXPECT_EQ(file->WriteAt(3 * 4096, "x").code(), absl::StatusCode::kResourceExhausted);
  ASSERT_TRUE(fs.Remove("/old").ok());
  EXPECT_TRUE(file->WriteAt(3 * 4096, "x").ok());
  EXPECT_EQ(fs.UsedBytes(), 4u * 4096);
}

TEST(SimulatedDiskFull, FaultStrikesOnce) {
  SimulatedFileSystem fs(1);
  std::unique_ptr<File> file = MustOpen(fs, "/f", OpenMode::kCreateNew);
  fs.AddFault({.kind = FaultKind::kDiskFull, .operation = Operation::kWrite});
  EXPECT_EQ(file->WriteAt(0, "12345").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(file->WriteAt(0, "12345").ok());
  EXPECT_EQ(fs.Counts().disk_full, 1u);
}

TEST(SimulatedUnreadablePlace, ReadsThatTouchItFailThroughCrashesAndOthersDoNot) {
  SimulatedFileSystem fs(1);
  ASSERT_TRUE(WriteFileDurably(fs, "/f", "abcdef").ok());
  ASSERT_TRUE(fs.MakeUnreadable("/f", 2, 2).ok());
  for (int round = 0; round < 2; ++round) {
    auto file = fs.Open("/f", OpenMode::kRead);
    ASSERT_TRUE(file.ok()) << file.status();
    std::string two(2, ' ');
    EXPECT_TRUE((*file)->ReadAt(0, two).ok());
    EXPECT_TRUE((*file)->ReadAt(4, two).ok());
    EXPECT_EQ((*file)->ReadAt(1, two).code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ((*file)->ReadAt(3, two).code(), absl::StatusCode::kUnavailable);
    CrashAndRestart(fs);
  }
  EXPECT_EQ(fs.Counts().unreadable_reads, 4u);
  EXPECT_EQ(fs.MakeUnreadable("/none", 0, 1).code(), absl::StatusCode::kNotFound);
}

TEST(SimulatedBitFlip, ChangesOneBitHereAndAfterACrash) {
  SimulatedFileSystem fs(1);
  ASSERT_TRUE(WriteFileDurably(fs, "/f", "abc").ok());
  ASSERT_TRUE(fs.FlipBit("/f", 8).ok());
  EXPECT_EQ(Content(fs, "/f"), "acc");
  CrashAndRestart(fs);
  EXPECT_EQ(Content(fs, "/f"), "acc");
  EXPECT_EQ(fs.Counts().bit_flips, 1u);
  EXPECT_EQ(fs.FlipBit("/f", 24).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(fs.FlipBit("/none", 0).code(), absl::StatusCode::kNotFound);
}

// A run with many kinds of calls, told as text.
std::vector<std::string> TellRun(uint64_t seed) {
  std::vector<std::string> story;
  SimulatedFileSystem fs(seed);
  fs.SetTrace([&](const std::string& line) { story.push_back(line); });
  fs.AddFault({.kind = FaultKind::kCrash, .nth = 17});
  for (int i = 0; i < 10 && !fs.crashed(); ++i) {
    WriteFileDurably(fs, "/f" + std::to_string(i % 3), std::string(700 * i, 'a')).IgnoreError();
  }
  fs.Restart();
  for (const std::string& name : fs.List("/").value_or(std::vector<std::string>())) {
    story.push_back(name + "=" + ReadWholeFile(fs, "/" + name, 1 << 20).value_or("?"));
  }
  return story;
}

TEST(SimulatedRun, IsAFunctionOfItsSeed) {
  const std::vector<std::string> story = TellRun(7);
  EXPECT_THAT(story, testing::Contains(testing::HasSubstr("write /f1.new at 0, 700 bytes")));
  EXPECT_THAT(story, testing::Contains(testing::HasSubstr("crash: of the unsynced")));
  std::set<std::vector<std::string>> different;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const std::vector<std::string> once = TellRun(seed);
    ASSERT_EQ(once, TellRun(seed)) << "seed " << seed;
    different.insert(once);
  }
  EXPECT_GT(different.size(), 1u);
}

}  // namespace
}  // namespace graven::io
