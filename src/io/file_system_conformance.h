// One suite of tests for every FileSystem, so that the simulated disk cannot drift from the real
// one. A test program includes this once and instantiates FileSystemConformance with a maker.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/absl_views.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "io/durable_file.h"
#include "io/file_system.h"

namespace graven::io {

// A file system and an empty directory on it that the test may fill.
class ConformancePlace {
 public:
  virtual ~ConformancePlace() = default;
  virtual FileSystem& fs() = 0;
  virtual std::string directory() = 0;
};

struct ConformanceMaker {
  std::string name;
  std::unique_ptr<ConformancePlace> (*make)();
};

class FileSystemConformance : public testing::TestWithParam<ConformanceMaker> {
 protected:
  FileSystemConformance() : place_(GetParam().make()) {}

  FileSystem& fs() { return place_->fs(); }
  std::string Path(std::string_view name) { return JoinPath(place_->directory(), name); }
  std::string Directory() { return place_->directory(); }

  std::unique_ptr<File> MustOpen(const std::string& path, OpenMode mode) {
    absl::StatusOr<std::unique_ptr<File>> file = fs().Open(path, mode);
    EXPECT_TRUE(file.ok()) << file.status();
    return file.ok() ? *std::move(file) : nullptr;
  }
  static std::string MustRead(File& file, uint64_t offset, size_t bytes) {
    std::string out(bytes, '?');
    const absl::Status status = file.ReadAt(offset, std::span<char>(out));
    EXPECT_TRUE(status.ok()) << status;
    return out;
  }
  void MustWrite(const std::string& path, std::string_view bytes) {
    std::unique_ptr<File> file = MustOpen(path, OpenMode::kCreateOrTruncate);
    ASSERT_NE(file, nullptr);
    ASSERT_TRUE(file->WriteAt(0, bytes).ok());
  }
  std::string Content(const std::string& path) {
    absl::StatusOr<std::string> bytes = ReadWholeFile(fs(), path, 1 << 20);
    EXPECT_TRUE(bytes.ok()) << bytes.status();
    return bytes.value_or("unreadable");
  }
  // The message names what was tried and on what.
  static void ExpectNames(const absl::Status& status, std::string_view operation,
                          std::string_view path) {
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr(std::string(operation)));
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr(std::string(path)));
  }

 private:
  const std::unique_ptr<ConformancePlace> place_;
};

TEST_P(FileSystemConformance, WrittenBytesAreReadAtOnce) {
  std::unique_ptr<File> file = MustOpen(Path("f"), OpenMode::kCreateNew);
  ASSERT_TRUE(file->WriteAt(0, "hello, world").ok());
  ASSERT_TRUE(file->WriteAt(7, "there").ok());
  EXPECT_EQ(MustRead(*file, 0, 12), "hello, there");
  EXPECT_EQ(MustRead(*file, 5, 0), "");
  EXPECT_EQ(*file->Size(), 12u);
  EXPECT_TRUE(file->Sync().ok());
  std::unique_ptr<File> second = MustOpen(Path("f"), OpenMode::kRead);
  EXPECT_EQ(MustRead(*second, 7, 5), "there");
}

TEST_P(FileSystemConformance, GapReadsAsZeros) {
  std::unique_ptr<File> file = MustOpen(Path("f"), OpenMode::kCreateNew);
  ASSERT_TRUE(file->WriteAt(10'000, "x").ok());
  EXPECT_EQ(*file->Size(), 10'001u);
  EXPECT_EQ(MustRead(*file, 0, 10'000), std::string(10'000, '\0'));
}

TEST_P(FileSystemConformance, WritesAcrossPagesKeepTheirNeighbours) {
  std::unique_ptr<File> file = MustOpen(Path("f"), OpenMode::kCreateNew);
  std::string expected(20'000, 'a');
  ASSERT_TRUE(file->WriteAt(0, expected).ok());
  ASSERT_TRUE(file->Sync().ok());
  for (const auto& [offset, size] :
       {std::pair<size_t, size_t>{511, 2}, {4095, 2}, {4096, 4096}, {8000, 9000}, {0, 1}}) {
    const std::string bytes(size, static_cast<char>('b' + offset % 20));
    expected.replace(offset, size, bytes);
    ASSERT_TRUE(file->WriteAt(offset, bytes).ok());
  }
  EXPECT_EQ(MustRead(*file, 0, expected.size()), expected);
  const std::string zeros(4096, '\0');
  expected.replace(4096, 4096, zeros);
  ASSERT_TRUE(file->WriteAt(4096, zeros).ok());
  EXPECT_EQ(MustRead(*file, 0, expected.size()), expected);
}

TEST_P(FileSystemConformance, ReadBeyondTheEndIsOutOfRange) {
  std::unique_ptr<File> file = MustOpen(Path("f"), OpenMode::kCreateNew);
  ASSERT_TRUE(file->WriteAt(0, "12345").ok());
  std::string out(6, '?');
  const absl::Status status = file->ReadAt(0, std::span<char>(out));
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  ExpectNames(status, "read", Path("f"));
  EXPECT_EQ(file->ReadAt(6, std::span<char>(out.data(), 1)).code(), absl::StatusCode::kOutOfRange);
}

TEST_P(FileSystemConformance, TruncateCutsAndGrowsWithZeros) {
  std::unique_ptr<File> file = MustOpen(Path("f"), OpenMode::kCreateNew);
  ASSERT_TRUE(file->WriteAt(0, std::string(9000, 'a')).ok());
  ASSERT_TRUE(file->Truncate(3).ok());
  EXPECT_EQ(*file->Size(), 3u);
  ASSERT_TRUE(file->Truncate(9000).ok());
  EXPECT_EQ(MustRead(*file, 0, 9000), "aaa" + std::string(8997, '\0'));
}

TEST_P(FileSystemConformance, MissingFileIsNotFound) {
  for (const OpenMode mode : {OpenMode::kRead, OpenMode::kReadWrite}) {
    const absl::Status status = fs().Open(Path("none"), mode).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
    ExpectNames(status, "open", Path("none"));
  }
  EXPECT_EQ(fs().Open(Path("no/file"), OpenMode::kCreateNew).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(fs().Remove(Path("none")).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(fs().Rename(Path("none"), Path("x")).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(fs().Stat(Path("none")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(fs().List(Path("none")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(fs().SyncDirectory(Path("none")).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(fs().RemoveDirectory(Path("none")).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(fs().MakeDirectory(Path("no/directory")).code(), absl::StatusCode::kNotFound);
}

TEST_P(FileSystemConformance, CreateNewRefusesAnExistingFile) {
  MustWrite(Path("f"), "old");
  EXPECT_EQ(fs().Open(Path("f"), OpenMode::kCreateNew).status().code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Content(Path("f")), "old");
  MustOpen(Path("f"), OpenMode::kCreateOrTruncate);
  EXPECT_EQ(Content(Path("f")), "");
}

TEST_P(FileSystemConformance, ReadOnlyFileRefusesWrites) {
  MustWrite(Path("f"), "old");
  std::unique_ptr<File> file = MustOpen(Path("f"), OpenMode::kRead);
  EXPECT_EQ(file->WriteAt(0, "new").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Content(Path("f")), "old");
}

TEST_P(FileSystemConformance, RenameReplacesAndListIsSorted) {
  MustWrite(Path("b"), "old");
  MustWrite(Path("a"), "new");
  MustWrite(Path("c"), "");
  ASSERT_TRUE(fs().MakeDirectory(Path("d")).ok());
  EXPECT_THAT(*fs().List(Directory()), testing::ElementsAre("a", "b", "c", "d"));
  std::unique_ptr<File> old = MustOpen(Path("b"), OpenMode::kRead);
  ASSERT_TRUE(fs().Rename(Path("a"), Path("b")).ok());
  EXPECT_EQ(Content(Path("b")), "new");
  EXPECT_EQ(MustRead(*old, 0, 3), "old");
  ASSERT_TRUE(fs().Rename(Path("c"), Path("d/c")).ok());
  EXPECT_THAT(*fs().List(Directory()), testing::ElementsAre("b", "d"));
  EXPECT_THAT(*fs().List(Path("d")), testing::ElementsAre("c"));
  EXPECT_TRUE(fs().SyncDirectory(Directory()).ok());
  EXPECT_TRUE(fs().SyncDirectory(Path("d")).ok());
}

TEST_P(FileSystemConformance, OpenFileOutlivesItsName) {
  std::unique_ptr<File> file = MustOpen(Path("f"), OpenMode::kCreateNew);
  ASSERT_TRUE(file->WriteAt(0, "kept").ok());
  ASSERT_TRUE(fs().Remove(Path("f")).ok());
  EXPECT_EQ(fs().Stat(Path("f")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(MustRead(*file, 0, 4), "kept");
  ASSERT_TRUE(file->WriteAt(4, "!").ok());
}

TEST_P(FileSystemConformance, DirectoriesAndFilesAreToldApart) {
  ASSERT_TRUE(fs().MakeDirectory(Path("d")).ok());
  MustWrite(Path("f"), "x");
  EXPECT_EQ(fs().MakeDirectory(Path("d")).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(fs().MakeDirectory(Path("f")).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(fs().Open(Path("d"), OpenMode::kRead).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(fs().Open(Path("d"), OpenMode::kReadWrite).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(fs().Open(Path("f/x"), OpenMode::kRead).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(fs().List(Path("f")).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(fs().SyncDirectory(Path("f")).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(fs().Remove(Path("d")).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(fs().RemoveDirectory(Path("f")).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(fs().Rename(Path("f"), Path("d")).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_P(FileSystemConformance, OnlyEmptyDirectoriesAreRemoved) {
  ASSERT_TRUE(fs().MakeDirectory(Path("d")).ok());
  MustWrite(Path("d/f"), "x");
  EXPECT_EQ(fs().RemoveDirectory(Path("d")).code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(fs().Remove(Path("d/f")).ok());
  EXPECT_TRUE(fs().RemoveDirectory(Path("d")).ok());
  EXPECT_EQ(fs().Stat(Path("d")).status().code(), absl::StatusCode::kNotFound);
}

TEST_P(FileSystemConformance, StatTellsSizeModeAndKind) {
  ASSERT_TRUE(fs().Open(Path("key"), OpenMode::kCreateNew, 0600).ok());
  MustWrite(Path("f"), "12345");
  ASSERT_TRUE(fs().MakeDirectory(Path("d"), 0700).ok());
  const FileInfo file = *fs().Stat(Path("f"));
  const FileInfo key = *fs().Stat(Path("key"));
  const FileInfo directory = *fs().Stat(Path("d"));
  EXPECT_EQ(file.size, 5u);
  EXPECT_FALSE(file.is_directory);
  EXPECT_EQ(file.links, 1u);
  EXPECT_EQ(key.mode, 0600u);
  EXPECT_EQ(directory.mode, 0700u);
  EXPECT_TRUE(directory.is_directory);
  EXPECT_NE(file.inode, key.inode);
  EXPECT_EQ(file.device, key.device);
  EXPECT_EQ(file.owner, directory.owner);
}

TEST_P(FileSystemConformance, FreeBytesOfAMissingPathIsNotFound) {
  EXPECT_GT(*fs().FreeBytes(Directory()), 0u);
  EXPECT_EQ(fs().FreeBytes(Path("none")).status().code(), absl::StatusCode::kNotFound);
}

TEST_P(FileSystemConformance, SecondLockNamesTheHolderUntilReleased) {
  absl::StatusOr<std::unique_ptr<FolderLock>> held = fs().Lock(Path("lock"));
  ASSERT_TRUE(held.ok()) << held.status();
  const std::string pid = Content(Path("lock"));
  ASSERT_THAT(pid, testing::EndsWith("\n"));
  const absl::Status second = fs().Lock(Path("lock")).status();
  EXPECT_EQ(second.code(), absl::StatusCode::kFailedPrecondition);
  ExpectNames(second, "process " + pid.substr(0, pid.size() - 1), Path("lock"));
  held->reset();
  EXPECT_TRUE(fs().Lock(Path("lock")).ok());
}

TEST_P(FileSystemConformance, DurableWriteReplacesWhole) {
  ASSERT_TRUE(WriteFileDurably(fs(), Path("f"), "one", 0600).ok());
  EXPECT_EQ(fs().Stat(Path("f"))->mode, 0600u);
  MustWrite(TemporaryPath(Path("f")), "left by a crash, and longer than what follows");
  ASSERT_TRUE(WriteFileDurably(fs(), Path("f"), "two").ok());
  EXPECT_EQ(Content(Path("f")), "two");
  EXPECT_THAT(*fs().List(Directory()), testing::ElementsAre("f"));
  EXPECT_EQ(CreateFileDurably(fs(), Path("f"), "three").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Content(Path("f")), "two");
  EXPECT_EQ(ReadWholeFile(fs(), Path("f"), 2).status().code(), absl::StatusCode::kOutOfRange);
}

TEST_P(FileSystemConformance, DurableDirectoryIsMadeOnce) {
  EXPECT_TRUE(MakeDirectoryDurably(fs(), Path("d")).ok());
  EXPECT_TRUE(MakeDirectoryDurably(fs(), Path("d")).ok());
  MustWrite(Path("f"), "");
  EXPECT_EQ(MakeDirectoryDurably(fs(), Path("f")).code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace graven::io
