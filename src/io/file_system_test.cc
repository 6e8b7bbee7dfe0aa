#include "io/file_system.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "gtest/gtest.h"
#include "io/file_system_conformance.h"
#include "io/simulated_file_system.h"

namespace graven::io {
namespace {

class PosixPlace final : public ConformancePlace {
 public:
  PosixPlace() {
    std::string pattern = testing::TempDir() + "graven-io-XXXXXX";
    const char* made = ::mkdtemp(pattern.data());
    EXPECT_NE(made, nullptr);
    directory_ = pattern;
  }
  ~PosixPlace() override { std::filesystem::remove_all(directory_); }
  FileSystem& fs() override { return PosixFileSystem(); }
  std::string directory() override { return directory_; }

 private:
  std::string directory_;
};

class SimulatedPlace final : public ConformancePlace {
 public:
  FileSystem& fs() override { return fs_; }
  std::string directory() override { return "/"; }

 private:
  SimulatedFileSystem fs_{1};
};

INSTANTIATE_TEST_SUITE_P(
    All, FileSystemConformance,
    testing::Values(ConformanceMaker{"Posix",
                                     []() -> std::unique_ptr<ConformancePlace> {
                                       return std::make_unique<PosixPlace>();
                                     }},
                    ConformanceMaker{"Simulated",
                                     []() -> std::unique_ptr<ConformancePlace> {
                                       return std::make_unique<SimulatedPlace>();
                                     }}),
    [](const auto& maker) { return maker.param.name; });

TEST(PosixFileSystem, FullDeviceIsResourceExhausted) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "/dev/full is not here";
  absl::StatusOr<std::unique_ptr<File>> file =
      PosixFileSystem().Open("/dev/full", OpenMode::kReadWrite);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->WriteAt(0, "x").code(), absl::StatusCode::kResourceExhausted);
}

TEST(PosixFileSystem, ForbiddenFileIsPermissionDenied) {
  // Written by nobody, not even by root.
  constexpr char kPath[] = "/proc/sys/kernel/osrelease";
  if (::access(kPath, R_OK) != 0) GTEST_SKIP() << kPath << " is not here";
  EXPECT_EQ(PosixFileSystem().Open(kPath, OpenMode::kReadWrite).status().code(),
            absl::StatusCode::kPermissionDenied);
}

TEST(PosixFileSystem, ParentDirectoryIsWhatTheSystemSays) {
  EXPECT_EQ(ParentDirectory("a/b/c"), "a/b");
  EXPECT_EQ(ParentDirectory("a/b/"), "a");
  EXPECT_EQ(ParentDirectory("/a"), "/");
  EXPECT_EQ(ParentDirectory("/"), "/");
  EXPECT_EQ(ParentDirectory("a"), ".");
  EXPECT_EQ(JoinPath("/", "a"), "/a");
  EXPECT_EQ(JoinPath("a", "b"), "a/b");
}

}  // namespace
}  // namespace graven::io
