// What the watch of files takes for tampering, and what for the server's own work.
#include "scrub/file_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/durable_file.h"
#include "io/simulated_file_system.h"

namespace graven::scrub {
namespace {

using testing::HasSubstr;

class FileWatchTest : public testing::Test {
 protected:
  void SetUp() override { Put("hello"); }
  // Another file in its place.
  void Put(const std::string& text) { ASSERT_TRUE(io::WriteFileDurably(disk_, path_, text).ok()); }
  void Resize(uint64_t bytes) {
    const auto file = disk_.Open(path_, io::OpenMode::kReadWrite);
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_TRUE((*file)->Truncate(bytes).ok());
  }
  // "" when nothing is wrong.
  std::string Look(FileChange change, bool may_be_absent = false) {
    return watch_.Look(path_, change, may_be_absent).value_or("");
  }

  io::SimulatedFileSystem disk_{1};
  const std::string path_ = "/file";
  FileWatch watch_{disk_};
};

TEST_F(FileWatchTest, FileThatNeverChangesMayNotGrowShrinkOrBeReplaced) {
  EXPECT_EQ(Look(FileChange::kNever), "");
  Resize(6);
  EXPECT_THAT(Look(FileChange::kNever), HasSubstr("has 6 bytes, had 5"));
  Resize(4);
  EXPECT_THAT(Look(FileChange::kNever), HasSubstr("has 4 bytes, had 5"));
  Resize(5);
  EXPECT_EQ(Look(FileChange::kNever), "");
  Put("HELLO");
  EXPECT_THAT(Look(FileChange::kNever), HasSubstr("another file stands in its place"));
}

TEST_F(FileWatchTest, FileThatIsAppendedToMayChangeItsLengthAndNotBeReplaced) {
  EXPECT_EQ(Look(FileChange::kInPlace), "");
  for (const uint64_t bytes : {100u, 3u, 50u}) {
    Resize(bytes);
    EXPECT_EQ(Look(FileChange::kInPlace), "") << bytes;
    EXPECT_EQ(watch_.SizeOf(path_), bytes);
  }
  Put(std::string(50, 'x'));
  EXPECT_THAT(Look(FileChange::kInPlace), HasSubstr("another file stands in its place"));
}

TEST_F(FileWatchTest, FileThatIsReplacedWhenItGrowsMayBeReplacedByALargerOneOnly) {
  EXPECT_EQ(Look(FileChange::kReplacedWhenLarger), "");
  Put("a larger one");
  EXPECT_EQ(Look(FileChange::kReplacedWhenLarger), "");
  Put("another text");
  EXPECT_THAT(Look(FileChange::kReplacedWhenLarger), HasSubstr("another file stands"));
  Put("small");
  EXPECT_THAT(Look(FileChange::kReplacedWhenLarger), HasSubstr("another file stands"));
}

TEST_F(FileWatchTest, MissingFileIsFoundUnlessItMayBeAbsentAndWasNeverSeen) {
  ASSERT_TRUE(disk_.Remove(path_).ok());
  EXPECT_EQ(Look(FileChange::kNever, /*may_be_absent=*/true), "");
  EXPECT_THAT(Look(FileChange::kNever), HasSubstr("gone"));
  Put("hello");
  EXPECT_EQ(Look(FileChange::kNever, true), "");
  ASSERT_TRUE(disk_.Remove(path_).ok());
  EXPECT_THAT(Look(FileChange::kNever, true), HasSubstr("gone"));
}

TEST_F(FileWatchTest, FileThatAPassLeftOutIsForgottenAndAMissedOneIsNot) {
  watch_.BeginPass();
  EXPECT_EQ(Look(FileChange::kNever), "");
  watch_.EndPass();
  ASSERT_TRUE(disk_.Remove(path_).ok());
  for (int pass = 0; pass < 2; ++pass) {
    watch_.BeginPass();
    EXPECT_THAT(Look(FileChange::kNever, true), HasSubstr("gone")) << pass;
    watch_.EndPass();
  }
  watch_.BeginPass();
  watch_.EndPass();
  EXPECT_EQ(watch_.SizeOf(path_), 0u);
  EXPECT_EQ(Look(FileChange::kNever, true), "") << "it is looked at for the first time";
}

}  // namespace
}  // namespace graven::scrub
