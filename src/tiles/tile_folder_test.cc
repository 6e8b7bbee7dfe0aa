#include "tiles/tile_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "base/random.h"
#include "fmt/format.h"
#include "io/durable_file.h"
#include "io/simulated_file_system.h"
#include "merkle/frontier.h"
#include "merkle/leaf.h"
#include "note/checkpoint.h"

namespace graven::tiles {
namespace {

using ::testing::HasSubstr;

constexpr char kFolder[] = "/site";

// A log in memory.
struct WrittenLog {
  note::SignerKey key =
      *note::SignerKey::Generate("log.example/audit", note::KeyType::kEd25519, SystemRandom());
  std::vector<std::string> records;

  explicit WrittenLog(size_t count, std::string_view text = "record") {
    for (size_t i = 0; i < count; ++i) {
      // Lengths differ, so that an entry taken from another place shows.
      records.push_back(fmt::format("{} {}{}", text, i, std::string(i % 7, '.')));
    }
  }
  Hash Root(size_t size) const {
    merkle::Frontier frontier;
    for (size_t i = 0; i < size; ++i) frontier.Append(merkle::HashLeaf(records[i]));
    return frontier.Root();
  }
  std::string Checkpoint(size_t size) const {
    return *note::SignCheckpoint({key.name(), TreeSize(size), Root(size), {}}, key);
  }
};

absl::Status Export(io::FileSystem& fs, const WrittenLog& log, size_t size,
                    TileCounts* counts = nullptr) {
  auto folder = TileFolder::Open(fs, kFolder, log.key.verifier());
  if (!folder.ok()) return folder.status();
  for (uint64_t i = (*folder)->next().value; i < size; ++i) {
    if (absl::Status added = (*folder)->Append(log.records[i]); !added.ok()) return added;
  }
  absl::Status done = (*folder)->Finish(log.Checkpoint(size));
  if (counts != nullptr) *counts = (*folder)->counts();
  return done;
}

std::string Read(io::FileSystem& fs, const std::string& name) {
  auto bytes = io::ReadWholeFile(fs, io::JoinPath(kFolder, name), 32 << 20);
  return bytes.ok() ? *bytes : "missing " + name;
}

bool IsThere(io::FileSystem& fs, const std::string& name) {
  return fs.Stat(io::JoinPath(kFolder, name)).ok();
}

std::string ReadTile(io::FileSystem& fs, bool is_entries, int level, uint64_t index, int width) {
  return Read(fs, merkle::FormatTilePath({is_entries, level, index, width}));
}

// What a reader finds who has nothing but the files: the tree of the checkpoint, every tile of it,
// computed from the entries. Returns its size.
void CheckTree(io::FileSystem& fs, const WrittenLog& log, uint64_t* size) {
  const std::string note = Read(fs, "checkpoint");
  const auto checkpoint = note::OpenCheckpoint(note, log.key.verifier());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status() << note;
  *size = checkpoint->size.value;
  std::vector<Hash> hashes;
  for (uint64_t tile = 0; merkle::TileWidth(0, tile, checkpoint->size) > 0; ++tile) {
    const std::string bundle =
        ReadTile(fs, true, 0, tile, merkle::TileWidth(0, tile, checkpoint->size));
    std::string_view rest = bundle;
    while (rest.size() >= 2) {
      const size_t length =
          static_cast<size_t>(static_cast<uint8_t>(rest[0])) * 256 + static_cast<uint8_t>(rest[1]);
      ASSERT_LE(length + 2, rest.size());
      ASSERT_EQ(rest.substr(2, length), log.records[hashes.size()]);
      hashes.push_back(merkle::HashLeaf(rest.substr(2, length)));
      rest.remove_prefix(length + 2);
    }
    ASSERT_TRUE(rest.empty());
  }
  ASSERT_EQ(hashes.size(), *size);
  merkle::Frontier whole;
  whole.AppendAll(hashes);
  EXPECT_EQ(whole.Root(), checkpoint->root);
  for (int level = 0; !hashes.empty(); ++level) {
    std::vector<Hash> above;
    for (uint64_t tile = 0; tile * 256 < hashes.size(); ++tile) {
      const int width = merkle::TileWidth(level, tile, checkpoint->size);
      std::string expected;
      merkle::Frontier full;
      for (int i = 0; i < width; ++i) {
        expected += hashes[tile * 256 + static_cast<size_t>(i)].view();
        full.Append(hashes[tile * 256 + static_cast<size_t>(i)]);
      }
      ASSERT_EQ(ReadTile(fs, false, level, tile, width), expected) << level << " " << tile;
      if (width == 256) above.push_back(full.Root());
    }
    hashes = above;
  }
}

void ExpectTree(io::FileSystem& fs, const WrittenLog& log, uint64_t size) {
  uint64_t found = UINT64_MAX;
  CheckTree(fs, log, &found);
  EXPECT_EQ(found, size);
}

TEST(TileFolder, EverySizeReadsBackFromTheFilesAlone) {
  const WrittenLog log(66'000);
  for (const size_t size : {0U, 1U, 2U, 255U, 256U, 257U, 511U, 512U, 65'535U, 65'536U, 65'537U}) {
    io::SimulatedFileSystem fs(1);
    ASSERT_TRUE(Export(fs, log, size).ok());
    ExpectTree(fs, log, size);
  }
}

TEST(TileFolder, GrowsAsTheLogGrowsAndIsTheSameAsWrittenAtOnce) {
  const WrittenLog log(66'000);
  io::SimulatedFileSystem fs(1);
  for (const size_t size : {0U, 1U, 2U, 255U, 256U, 257U, 600U, 600U, 65'535U, 65'537U, 66'000U}) {
    const absl::Status done = Export(fs, log, size);
    ASSERT_TRUE(done.ok()) << done;
    ExpectTree(fs, log, size);
  }
}

TEST(TileFolder, ASecondRunWritesOnlyWhatIsNew) {
  const WrittenLog log(1100);
  io::SimulatedFileSystem fs(1);
  TileCounts counts;
  ASSERT_TRUE(Export(fs, log, 1030, &counts).ok());
  // Four tiles and bundles, a partial one of each, a partial one above, the checkpoint.
  EXPECT_EQ(counts.files_written, 4U * 2 + 2 + 1 + 1);
  ASSERT_TRUE(Export(fs, log, 1030, &counts).ok());
  EXPECT_EQ(counts.files_written, 0U);
  EXPECT_EQ(counts.files_removed, 0U);
  ASSERT_TRUE(Export(fs, log, 1031, &counts).ok());
  // The tile above has not changed.
  EXPECT_EQ(counts.files_written, 3U);
}

TEST(TileFolder, PartialTilesGoInTheRunAfterTheOneThatMadeThemFull) {
  const WrittenLog log(600);
  io::SimulatedFileSystem fs(1);
  ASSERT_TRUE(Export(fs, log, 200).ok());
  ASSERT_TRUE(Export(fs, log, 250).ok());
  EXPECT_TRUE(IsThere(fs, "tile/0/000.p/200"));
  ASSERT_TRUE(Export(fs, log, 300).ok());
  EXPECT_TRUE(IsThere(fs, "tile/0/000"));
  EXPECT_TRUE(IsThere(fs, "tile/0/000.p/250"));
  EXPECT_TRUE(IsThere(fs, "tile/entries/000.p/200"));
  TileCounts counts;
  ASSERT_TRUE(Export(fs, log, 301, &counts).ok());
  EXPECT_EQ(counts.files_removed, 4U);
  EXPECT_FALSE(IsThere(fs, "tile/0/000.p"));
  EXPECT_FALSE(IsThere(fs, "tile/entries/000.p"));
  EXPECT_TRUE(IsThere(fs, "tile/0/001.p/44"));
  EXPECT_EQ(Read(fs, ".partial-tiles"),
            "tile/0/001.p/44\ntile/0/001.p/45\ntile/1/000.p/1\ntile/entries/001.p/44\n"
            "tile/entries/001.p/45\n");
}

TEST(TileFolder, RecordsWithoutTheCheckpointsRootAreRefusedAndLeaveNothing) {
  const WrittenLog log(700);
  WrittenLog forked(700);
  forked.key = log.key;
  forked.records[290] = "another past";
  io::SimulatedFileSystem fs(1);
  ASSERT_TRUE(Export(fs, log, 300).ok());
  // The tree in the folder is no prefix of this one.
  EXPECT_EQ(Export(fs, forked, 700).code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(IsThere(fs, "tile/0/001"));
  EXPECT_FALSE(IsThere(fs, "tile/entries/001"));
  ExpectTree(fs, log, 300);
  ASSERT_TRUE(Export(fs, log, 700).ok());
  ExpectTree(fs, log, 700);
}

TEST(TileFolder, ACheckpointOfAnotherSizeKeyOrRootIsRefused) {
  const WrittenLog log(20);
  const WrittenLog other(20);
  WrittenLog forked(20, "forked");
  forked.key = log.key;
  io::SimulatedFileSystem fs(1);
  ASSERT_TRUE(Export(fs, log, 10).ok());
  EXPECT_EQ(Export(fs, other, 10).code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(Export(fs, forked, 10).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(Export(fs, log, 9).code(), absl::StatusCode::kFailedPrecondition);
  ExpectTree(fs, log, 10);
}

TEST(TileFolder, AnEntryTooLongForABundleIsRefused) {
  const WrittenLog log(1);
  io::SimulatedFileSystem fs(1);
  auto folder = *TileFolder::Open(fs, kFolder, log.key.verifier());
  EXPECT_EQ(folder->Append(std::string(65'536, 'x')).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(folder->Append(std::string(65'535, 'x')).ok());
}

TEST(TileFolder, ADamagedOrMissingEdgeIsFoundAndNamed) {
  const WrittenLog log(300);
  for (const std::string name :
       {"tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/001.p/44", ".partial-tiles"}) {
    io::SimulatedFileSystem fs(1);
    ASSERT_TRUE(Export(fs, log, 300).ok());
    ASSERT_TRUE(fs.FlipBit(io::JoinPath(kFolder, name), 100).ok());
    EXPECT_EQ(Export(fs, log, 300).code(), absl::StatusCode::kDataLoss) << name;
    EXPECT_EQ(fs.Counts().bit_flips, 1U);
    if (name == ".partial-tiles") continue;
    ASSERT_TRUE(fs.Remove(io::JoinPath(kFolder, name)).ok());
    const absl::Status missing = Export(fs, log, 300);
    EXPECT_EQ(missing.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(missing.message()), HasSubstr(name));
  }
}

TEST(TileFolder, TwoAtOnceAreRefused) {
  const WrittenLog log(1);
  io::SimulatedFileSystem fs(1);
  auto first = TileFolder::Open(fs, kFolder, log.key.verifier());
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(TileFolder::Open(fs, kFolder, log.key.verifier()).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

// Ends an export at its n-th change of the disk, for every n; what lies there then is whole, and
// the next run brings it to its end.
void EndAtEveryOperation(io::FaultKind kind, bool kill) {
  const WrittenLog log(600);
  uint64_t ended = 0;
  uint64_t operations = 1;
  for (uint64_t nth = 1; nth <= operations; ++nth) {
    io::SimulatedFileSystem fs(nth);
    ASSERT_TRUE(Export(fs, log, 250).ok());
    ASSERT_TRUE(Export(fs, log, 251).ok());
    const uint64_t before = fs.ChangingOperations();
    fs.AddFault({kind, std::nullopt, nth, ""});
    const absl::Status done = Export(fs, log, 600);
    const bool fired = fs.Counts().crashes + fs.Counts().errors + fs.Counts().errors_but_done > 0;
    if (!fired) {  // an operation that failed by itself, as making a folder that is there
      ASSERT_TRUE(done.ok()) << done;
      operations = std::max(operations, fs.ChangingOperations() - before);
      continue;
    }
    operations = std::max(operations, nth + 1);
    ++ended;
    if (kill) fs.Kill();
    if (kill || fs.crashed()) fs.Restart();
    fs.ClearFaults();
    uint64_t size = 0;
    CheckTree(fs, log, &size);
    ASSERT_TRUE(size == 251 || size == 600) << size;
    if (done.ok()) {
      ASSERT_EQ(size, 600U);
    }
    // Another, longer tree after it, so that what was left behind is met.
    const absl::Status again = Export(fs, log, 599 + nth % 2);
    if (again.ok()) {
      CheckTree(fs, log, &size);
    } else {
      ASSERT_EQ(again.code(), absl::StatusCode::kFailedPrecondition) << again;
      ASSERT_EQ(size, 600U);
    }
    ASSERT_TRUE(Export(fs, log, 600).ok());
    ASSERT_TRUE(Export(fs, log, 600).ok());
    ExpectTree(fs, log, 600);
    ASSERT_FALSE(IsThere(fs, "tile/0/000.p"));
    ASSERT_FALSE(IsThere(fs, "tile/entries/000.p"));
  }
  EXPECT_GT(ended, 30U);
}

TEST(TileFolder, APowerLossAtAnyMomentLeavesAWholeTree) {
  EndAtEveryOperation(io::FaultKind::kCrash, false);
}

TEST(TileFolder, AKillAtAnyMomentLeavesAWholeTree) {
  EndAtEveryOperation(io::FaultKind::kError, true);
}

TEST(TileFolder, AnErrorThatWasDoneAllTheSameLeavesAWholeTree) {
  EndAtEveryOperation(io::FaultKind::kErrorButDone, false);
}

}  // namespace
}  // namespace graven::tiles
