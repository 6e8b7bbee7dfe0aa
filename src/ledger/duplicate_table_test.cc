#include "ledger/duplicate_table.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "base/seeded_random_test.h"
#include "gtest/gtest.h"

namespace graven::ledger {
namespace {

using Indexes = std::vector<LogIndex>;

Indexes Find(const DuplicateTable& table, uint64_t fingerprint, uint64_t size) {
  const DuplicateTable::Candidates found = table.Find(fingerprint, TreeSize(size));
  return Indexes(found.begin(), found.end());
}

TEST(DuplicateTable, FindsWhatWasInserted) {
  DuplicateTable table(DuplicateTable::Options{});
  SeededRandom random(1);
  std::vector<uint64_t> fingerprints;
  for (uint64_t i = 0; i < 300'000; ++i) {
    fingerprints.push_back(random.Next() * 0x9e3779b97f4a7c15);
    table.Insert(fingerprints.back(), LogIndex(i), 1);
  }
  EXPECT_EQ(table.entries(), 300'000u);
  size_t wrong = 0;
  for (uint64_t i = 0; i < fingerprints.size(); ++i) {
    const Indexes found = Find(table, fingerprints[i], 300'000);
    EXPECT_NE(std::find(found.begin(), found.end(), LogIndex(i)), found.end());
    wrong += found.size() - 1;
  }
  EXPECT_LE(wrong, 5u);
  EXPECT_EQ(table.CoveredFrom(1), LogIndex(0));
}

TEST(DuplicateTable, FreshTableIsSmall) {
  DuplicateTable table(DuplicateTable::Options{});
  EXPECT_EQ(table.bytes(), 0u);
  table.Insert(1, LogIndex(0), 1);
  EXPECT_LE(table.bytes(), size_t{512} << 10);
}

TEST(DuplicateTable, CollidingFingerprintsAreNewestFirst) {
  DuplicateTable table(DuplicateTable::Options{});
  for (uint64_t i = 0; i < 40; ++i) table.Insert(0, LogIndex(i), 1);
  const Indexes found = Find(table, 0, 40);
  ASSERT_EQ(found.size(), 40u);
  for (uint64_t i = 0; i < 40; ++i) EXPECT_EQ(found[i], LogIndex(39 - i));
}

TEST(DuplicateTable, IndexesNotBelowTheSizeAreOtherLogs) {
  DuplicateTable table(DuplicateTable::Options{});
  table.Insert(5, LogIndex(1000), 1);
  EXPECT_TRUE(Find(table, 5, 1000).empty());
  EXPECT_EQ(Find(table, 5, 1001), Indexes{LogIndex(1000)});
}

TEST(DuplicateTable, IndexesBeyond36BitsAreWhole) {
  DuplicateTable table(DuplicateTable::Options{});
  const uint64_t large = (uint64_t{3} << 36) - 1;
  table.Insert(5, LogIndex(large), 1);
  table.Insert(5, LogIndex(large + 1), 1);
  EXPECT_EQ(Find(table, 5, large + 2), (Indexes{LogIndex(large + 1), LogIndex(large)}));
}

// Small generations, so that they are dropped soon.
DuplicateTable::Options SmallOptions() {
  DuplicateTable::Options options;
  options.bytes_max = 8 * 64 * sizeof(uint64_t);
  options.generations = 8;
  options.first_slots = 64;
  return options;
}

TEST(DuplicateTable, CapDropsTheOldestAndSaysSo) {
  DuplicateTable table(SmallOptions());
  SeededRandom random(2);
  std::map<uint64_t, uint64_t> fingerprints;  // by index
  for (uint64_t i = 0; i < 5000; ++i) {
    fingerprints[i] = random.Next() * 0x9e3779b97f4a7c15;
    table.Insert(fingerprints[i], LogIndex(i), 1);
    ASSERT_LE(table.bytes(), SmallOptions().bytes_max);
    const uint64_t from = table.CoveredFrom(1).value;
    ASSERT_LE(from, i);
    if (i % 97 != 0) continue;
    for (uint64_t at = from; at <= i; ++at) {
      const Indexes found = Find(table, fingerprints[at], i + 1);
      ASSERT_NE(std::find(found.begin(), found.end(), LogIndex(at)), found.end()) << at;
    }
  }
  EXPECT_GT(table.CoveredFrom(1), LogIndex(4000));
  EXPECT_LE(table.CoveredFrom(1), LogIndex(5000 - 7 * 48));
}

TEST(DuplicateTable, BusyLogPushesOutAQuietOne) {
  DuplicateTable table(SmallOptions());
  SeededRandom random(3);
  table.StartLog(1, LogIndex(100));
  table.Insert(random.Next(), LogIndex(120), 1);
  EXPECT_EQ(table.CoveredFrom(1), LogIndex(100));
  for (uint64_t i = 0; i < 1000; ++i) table.Insert(random.Next(), LogIndex(i), 2);
  EXPECT_EQ(table.CoveredFrom(1), LogIndex(121));
  EXPECT_EQ(table.CoveredFrom(3), LogIndex(0));
}

TEST(DuplicateTable, AScopeLeavesOutOnlyWhatHoldsNothingOfTheLogThere) {
  DuplicateTable table(SmallOptions());
  SeededRandom random(5);
  std::vector<uint64_t> fingerprints;
  for (uint64_t i = 0; i < 150; ++i) {
    fingerprints.push_back(random.Next() * 0x9e3779b97f4a7c15);
    table.Insert(fingerprints.back(), LogIndex(i), 1);
  }
  table.Insert(random.Next(), LogIndex(0), 2);
  const DuplicateTable::Scope all = table.ScopeOf(1, LogIndex(0));
  const DuplicateTable::Scope newest = table.ScopeOf(2, LogIndex(100'000));
  EXPECT_GT(std::popcount(all), 2);
  EXPECT_EQ(std::popcount(newest), 1);
  for (uint64_t from : {0u, 60u, 110u, 140u, 60u}) {
    const DuplicateTable::Scope scope = table.ScopeOf(1, LogIndex(from));
    for (uint64_t i = from; i < fingerprints.size(); ++i) {
      const auto found = table.Find(fingerprints[i], TreeSize(150), scope);
      EXPECT_NE(std::find(found.begin(), found.end(), LogIndex(i)), found.end()) << i;
    }
  }
  // Asked with the newest alone, the oldest are not seen.
  EXPECT_TRUE(table.Find(fingerprints[0], TreeSize(150), newest).empty());
}

TEST(DuplicateTable, GenerationsBelowEveryWindowAreDropped) {
  DuplicateTable table(SmallOptions());
  SeededRandom random(4);
  for (uint64_t i = 0; i < 200; ++i) table.Insert(random.Next(), LogIndex(i), 1 + i % 2);
  const size_t bytes = table.bytes();
  table.DropBelow([](uint32_t log) { return LogIndex(log == 1 ? 1000 : 0); });
  EXPECT_EQ(table.bytes(), bytes);
  table.DropBelow([](uint32_t) { return LogIndex(100); });
  EXPECT_LT(table.bytes(), bytes);
  EXPECT_LE(table.CoveredFrom(1), LogIndex(100));
  EXPECT_GT(table.CoveredFrom(1), LogIndex(0));
}

}  // namespace
}  // namespace graven::ledger
