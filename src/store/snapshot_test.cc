#include "store/snapshot.h"

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/encoding.h"
#include "base/sha256.h"
#include "base/status_macros.h"
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
    return TakeSnapshot(fs_, {"d", {"guard"}, "out", "preserved: now\n", {}, {}});
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
  SnapshotRequest request{"d", {}, "out", "", {}, {}};
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

TEST_F(SnapshotTest, FileThatIsCutMeanwhileIsNamedAndItsRestIsHashed) {
  bool cut = false;
  SnapshotRequest request{"d", {}, "out", "", {}, {}};
  request.on_bytes = [&](uint64_t bytes) {
    if (bytes != (1 << 20) || std::exchange(cut, true)) return;
    const auto file = fs_.Open("d/journal/1", io::OpenMode::kReadWrite);
    ASSERT_TRUE(file.ok() && (*file)->Truncate((1 << 20) + 100).ok());
  };
  const auto taken = TakeSnapshot(fs_, request);
  ASSERT_TRUE(taken.ok()) << taken.status();
  ASSERT_TRUE(cut);
  EXPECT_THAT(taken->changed, ElementsAre("data/journal/1"));
  EXPECT_EQ(Read("out/data/journal/1"), std::string((1 << 20) + 100, 'j'));
  EXPECT_THAT(CheckSnapshot(fs_, "out", {})->differences, IsEmpty());
}

TEST_F(SnapshotTest, WhatTheDiskRefusesIsZerosAndNamedAndTheRestIsCopied) {
  constexpr size_t kBad = (1 << 20) + 5 * 4096;
  ASSERT_TRUE(fs_.MakeUnreadable("d/journal/1", kBad + 10, 1).ok());
  const auto taken = Take();
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_THAT(taken->unreadable,
              ElementsAre(HasSubstr("data/journal/1: 4096 bytes of it, for which zeros stand: ")));
  std::string expected(3 << 20, 'j');
  expected.replace(kBad, 4096, 4096, '\0');
  EXPECT_EQ(Read("out/data/journal/1"), expected);
  EXPECT_EQ(Read("out/data/logs/stray"), "s");
  EXPECT_THAT(Read("out/preserved.txt"), HasSubstr("could not be read: data/journal/1: 4096"));
  EXPECT_THAT(CheckSnapshot(fs_, "out", {})->differences, IsEmpty());
}

// A disk on which some names are odd.
class OddFolder final : public SourceFolder {
 public:
  explicit OddFolder(std::unique_ptr<SourceFolder> plain) : plain_(std::move(plain)) {}
  absl::StatusOr<std::vector<std::string>> List() override { return plain_->List(); }
  absl::StatusOr<SourceEntry> Open(const std::string& name) override {
    SourceEntry entry;
    if (name == "stray") {
      entry.words = "a pipe";
      return entry;
    }
    ASSIGN_OR_RETURN(entry, plain_->Open(name));
    if (name == "linked") entry.words = "a link to /x";
    return Odd(std::move(entry));
  }
  static SourceEntry Odd(SourceEntry entry) {
    if (entry.folder != nullptr) {
      entry.folder = std::make_unique<OddFolder>(std::move(entry.folder));
    }
    return entry;
  }

 private:
  const std::unique_ptr<SourceFolder> plain_;
};

TEST_F(SnapshotTest, WhatIsOddIsNamedAndLeftOrFollowed) {
  Write("d/logs/linked", "elsewhere");
  SnapshotRequest request{"d", {}, "out", "", {}, {}};
  request.open = [this](const std::string& path) -> absl::StatusOr<SourceEntry> {
    ASSIGN_OR_RETURN(SourceEntry entry, SourcesOf(fs_)(path));
    return OddFolder::Odd(std::move(entry));
  };
  const auto taken = TakeSnapshot(fs_, request);
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_THAT(taken->left_out, ElementsAre("data/logs/stray: a pipe"));
  EXPECT_THAT(taken->followed, ElementsAre("data/logs/linked: a link to /x"));
  EXPECT_TRUE(absl::IsNotFound(fs_.Stat("out/data/logs/stray").status()));
  EXPECT_EQ(Read("out/data/logs/linked"), "elsewhere");
  EXPECT_THAT(Read("out/preserved.txt"), HasSubstr("left out: data/logs/stray: a pipe\n"));
  EXPECT_THAT(Read("out/preserved.txt"), HasSubstr("followed: data/logs/linked: a link to /x\n"));
  // In a copy a link is a change, wherever it leads: it is not opened.
  const auto found = CheckSnapshot(fs_, "out", {}, request.open);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(found->differences, ElementsAre("data/logs/linked: a link to /x"));
}

TEST_F(SnapshotTest, OnlyItsOwnerMayReadTheCopy) {
  ASSERT_TRUE(Take().ok());
  for (const char* folder : {"out", "out/data", "out/also", "out/data/logs", "out/data/journal"}) {
    EXPECT_EQ(fs_.Stat(folder)->mode, 0700U) << folder;
  }
  for (const char* file : {"out/data/journal/1", "out/also/1-guard", "out/data/version",
                           "out/preserved.txt", "out/SHA256SUMS"}) {
    EXPECT_EQ(fs_.Stat(file)->mode, 0400U) << file;
  }
}

TEST_F(SnapshotTest, WhatLiesTooDeepIsNamedAndTheRestIsCopied) {
  std::string deep = "d/logs";
  for (int depth = 0; depth < 70; ++depth) ASSERT_TRUE(fs_.MakeDirectory(deep += "/x").ok());
  const auto taken = Take();
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_THAT(taken->left_out, ElementsAre(HasSubstr("/x/x/x: it lies too deep")));
  EXPECT_EQ(Read("out/data/logs/stray"), "s");
  EXPECT_THAT(CheckSnapshot(fs_, "out", {})->differences, IsEmpty());
}

// Its size is not what there is to read.
class BoastfulFile final : public io::File {
 public:
  explicit BoastfulFile(std::unique_ptr<io::File> file) : file_(std::move(file)) {}
  absl::Status ReadAt(uint64_t offset, std::span<char> out) override {
    ++reads;
    return file_->ReadAt(offset, out);
  }
  absl::StatusOr<uint64_t> Size() override { return uint64_t{10} << 20; }
  absl::Status WriteAt(uint64_t, std::string_view) override { return absl::OkStatus(); }
  absl::Status Sync() override { return absl::OkStatus(); }
  absl::Status Truncate(uint64_t) override { return absl::OkStatus(); }

  static inline int reads = 0;

 private:
  const std::unique_ptr<io::File> file_;
};

TEST_F(SnapshotTest, FileThatEndsBeforeItsSizeIsCopiedToItsEndInFewReads) {
  Write("short", std::string(1'234'567, 's'));
  SnapshotRequest request{"d", {"short"}, "out", "", {}, {}};
  request.open = [this](const std::string& path) -> absl::StatusOr<SourceEntry> {
    ASSIGN_OR_RETURN(SourceEntry entry, SourcesOf(fs_)(path));
    if (path != "short") return entry;
    entry.file = std::make_unique<BoastfulFile>(std::move(entry.file));
    entry.info.size = uint64_t{10} << 20;
    return entry;
  };
  BoastfulFile::reads = 0;
  const auto taken = TakeSnapshot(fs_, request);
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(Read("out/also/1-short"), std::string(1'234'567, 's'));
  EXPECT_THAT(taken->changed, ElementsAre("also/1-short"));
  EXPECT_LT(BoastfulFile::reads, 100);
}

TEST_F(SnapshotTest, NameThatWouldBreakALineIsEscapedAndPreserved) {
  const std::string name = "a\nb\\c\rd";
  Write("d/logs/" + name, "planted");
  ASSERT_TRUE(Take().ok());
  EXPECT_EQ(Read("out/data/logs/" + name), "planted");
  EXPECT_THAT(Read("out/SHA256SUMS"),
              HasSubstr("\n\\" + HexEncode(Sha256("planted")) + "  data/logs/a\\nb\\\\c\\rd\n"));
  EXPECT_THAT(CheckSnapshot(fs_, "out", {})->differences, IsEmpty());
  Write("out/data/logs/" + name, "other");
  EXPECT_THAT(CheckSnapshot(fs_, "out", {})->differences,
              ElementsAre("data/logs/" + name + ": has other bytes"));
}

TEST_F(SnapshotTest, SpoiltVersionFileKeepsNothingFromBeingPreserved) {
  Write("d/version", "spoilt");
  EXPECT_TRUE(Take().ok());
  EXPECT_EQ(Read("out/data/version"), "spoilt");
}

TEST_F(SnapshotTest, FullDiskLeavesWhatNobodyTakesForAWholeCopy) {
  fs_.SetCapacity(fs_.UsedBytes() + (1 << 20));
  const absl::Status status = Take().status();
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("out is not finished and has no SHA256SUMS"));
  EXPECT_TRUE(absl::IsNotFound(CheckSnapshot(fs_, "out", {}).status()));
  EXPECT_EQ(Read("d/journal/1"), std::string(3 << 20, 'j'));
}

TEST_F(SnapshotTest, KilledAnywhereItIsWholeOrHasNoSums) {
  for (int killed_at = 1;; ++killed_at) {
    SCOPED_TRACE(killed_at);
    ASSERT_LT(killed_at, 200);
    const uint64_t begin = fs_.Counts().crashes;
    fs_.AddFault({io::FaultKind::kCrash, std::nullopt, static_cast<uint64_t>(killed_at), ""});
    const std::string out = "out" + std::to_string(killed_at);
    const auto taken = TakeSnapshot(fs_, {"d", {"guard"}, out, "", {}, {}});
    if (taken.ok()) break;
    ASSERT_EQ(fs_.Counts().crashes, begin + 1);
    fs_.Restart();
    const auto found = CheckSnapshot(fs_, out, {});
    if (found.ok()) {
      EXPECT_THAT(found->differences, IsEmpty());
    } else {
      EXPECT_TRUE(absl::IsNotFound(found.status())) << found.status();
    }
    ASSERT_EQ(Read("d/journal/1"), std::string(3 << 20, 'j'));
  }
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
  EXPECT_TRUE(absl::IsNotFound(TakeSnapshot(fs_, {"nothing", {}, "out", "", {}, {}}).status()));
  ASSERT_TRUE(Take().ok());
  EXPECT_TRUE(absl::IsAlreadyExists(Take().status()));
  EXPECT_TRUE(absl::IsNotFound(TakeSnapshot(fs_, {"d", {"absent"}, "o3", "", {}, {}}).status()));
  EXPECT_TRUE(absl::IsNotFound(CheckSnapshot(fs_, "d", {}).status()));
}

}  // namespace
}  // namespace graven::store
