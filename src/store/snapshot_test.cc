#include "store/snapshot.h"

#include <string>
#include <utility>

#include "base/encoding.h"
#include "base/sha256.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "io/durable_file.h"
#include "io/simulated_file_system.h"
#include "store/data_folder.h"

namespace graven::store {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class SnapshotTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(
        DataFolder::Open(fs_, "d", {.create_if_missing = true, .effective_user = 1000}).ok());
    Write("d/journal/1", std::string(3 << 20, 'j'));
    Write("d/keys/default", "PRIVATE");
    Write("d/logs/stray", "s");
    Write("guard", "elsewhere");
  }

  void Write(const std::string& path, std::string_view bytes) {
    ASSERT_TRUE(io::WriteFileDurably(fs_, path, bytes).ok()) << path;
  }
  std::string Read(const std::string& path) {
    const auto bytes = io::ReadWholeFile(fs_, path, 8 << 20);
    EXPECT_TRUE(bytes.ok()) << bytes.status();
    return bytes.value_or("");
  }
  absl::StatusOr<Snapshot> Take() {
    return TakeSnapshot(fs_, {"d", {"guard"}, "out", "preserved: now\n", {}});
  }

  io::SimulatedFileSystem fs_{11, 1000};
};

TEST_F(SnapshotTest, HoldsEveryFileButTheKeysAndTheirHashes) {
  const auto taken = Take();
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_THAT(taken->changed, IsEmpty());
  EXPECT_EQ(Read("out/data/journal/1"), std::string(3 << 20, 'j'));
  EXPECT_EQ(Read("out/also/1-guard"), "elsewhere");
  EXPECT_TRUE(absl::IsNotFound(fs_.Stat("out/data/keys").status()));
  const std::string sums = Read("out/SHA256SUMS");
  EXPECT_EQ(taken->digest, Sha256(sums));
  EXPECT_THAT(sums, HasSubstr(HexEncode(Sha256("elsewhere")) + "  also/1-guard\n"));
  EXPECT_THAT(Read("out/preserved.txt"), HasSubstr("preserved: now\ndata: d\n"));
  const auto found = CheckSnapshot(fs_, "out", {});
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(found->differences, IsEmpty());
  EXPECT_EQ(found->files, taken->files);
}

TEST_F(SnapshotTest, JournalFileOfZerosIsNamedAndNotCopiedAndZerosElsewhereAre) {
  Write("d/journal/2", std::string(3 << 20, '\0'));
  Write("d/journal/3", std::string(3 << 20, '\0') + "x");
  Write("d/logs/zeros", std::string(100, '\0'));
  const auto taken = Take();
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_THAT(taken->unused, ElementsAre("data/journal/2"));
  EXPECT_TRUE(absl::IsNotFound(fs_.Stat("out/data/journal/2").status()));
  EXPECT_THAT(Read("out/preserved.txt"),
              HasSubstr("left out: data/journal/2, which held only zeros\n"));
  EXPECT_EQ(Read("out/data/journal/3"), std::string(3 << 20, '\0') + "x");
  EXPECT_EQ(Read("out/data/logs/zeros"), std::string(100, '\0'));
  EXPECT_THAT(CheckSnapshot(fs_, "out", {})->differences, IsEmpty());
}

TEST_F(SnapshotTest, ChangedMissingAndNewFilesAreNamed) {
  ASSERT_TRUE(Take().ok());
  Write("out/data/journal/1", "other");
  Write("out/data/new", "n");
  ASSERT_TRUE(fs_.Remove("out/also/1-guard").ok());
  const auto found = CheckSnapshot(fs_, "out", {});
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(found->differences,
              ElementsAre("data/journal/1: has other bytes", "data/new: was not there",
                          "also/1-guard: is missing"));
}

TEST_F(SnapshotTest, FileThatGrowsMeanwhileIsNamedAndTheRestIsCopied) {
  bool grew = false;
  SnapshotRequest request{"d", {}, "out", "", {}};
  request.on_bytes = [&](uint64_t) {
    if (!std::exchange(grew, true)) Write("d/logs/stray", "longer than before");
  };
  const auto taken = TakeSnapshot(fs_, request);
  ASSERT_TRUE(taken.ok()) << taken.status();
  ASSERT_TRUE(grew);
  // The journal had been read when it happened, so this file was copied as it is now.
  EXPECT_EQ(Read("out/data/logs/stray"), "longer than before");
  grew = false;
  request.output = "out2";
  request.on_bytes = [&](uint64_t bytes) {
    if (bytes == (1 << 20) && !std::exchange(grew, true)) {
      Write("d/journal/1", std::string(3 << 20, 'k') + "more");
    }
  };
  const auto again = TakeSnapshot(fs_, request);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_THAT(again->changed, Contains("data/journal/1"));
  EXPECT_THAT(Read("out2/preserved.txt"), HasSubstr("changed while it was copied: data/journal/1"));
  EXPECT_THAT(CheckSnapshot(fs_, "out2", {})->differences, IsEmpty());
}

TEST_F(SnapshotTest, SurvivesPowerLossOnceTaken) {
  ASSERT_TRUE(Take().ok());
  fs_.Crash();
  fs_.Restart();
  const auto found = CheckSnapshot(fs_, "out", {});
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(found->differences, IsEmpty());
}

TEST_F(SnapshotTest, WhatIsNoDataFolderOrIsThereAlreadyIsRefused) {
  EXPECT_TRUE(absl::IsNotFound(TakeSnapshot(fs_, {"nothing", {}, "out", "", {}}).status()));
  ASSERT_TRUE(Take().ok());
  EXPECT_TRUE(absl::IsAlreadyExists(Take().status()));
  EXPECT_TRUE(absl::IsNotFound(TakeSnapshot(fs_, {"d", {"absent"}, "o3", "", {}}).status()));
  EXPECT_TRUE(absl::IsNotFound(CheckSnapshot(fs_, "d", {}).status()));
}

}  // namespace
}  // namespace graven::store
