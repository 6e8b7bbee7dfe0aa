// On a real disk, with somebody who puts something else in place at the worst moment.
#include "store/source_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

namespace graven::store {
namespace {

// Follows each link to `target`, and does `meanwhile` when it is asked.
class FixedJudge final : public PlaceJudge {
 public:
  LinkVerdict JudgeLink(const std::string&, const std::string&, bool by_link) const override {
    if (meanwhile) meanwhile();
    return by_link ? LinkVerdict{"in what another link led to", ""} : LinkVerdict{"", target};
  }
  std::string WhyLeft(const io::FileInfo& info, bool) const override {
    return info.inode == left_inode ? "one of the keys" : "";
  }

  std::string target;
  std::function<void()> meanwhile;
  uint64_t left_inode = 0;
};

class SourceFolderTest : public testing::Test {
 protected:
  SourceFolderTest() {
    std::string pattern = testing::TempDir() + "graven-source-XXXXXX";
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = std::filesystem::canonical(pattern).string();
    for (const char* folder : {"data", "elsewhere", "secret"}) {
      std::filesystem::create_directory(At(folder));
      std::ofstream(At(folder) + "/inner") << "of " << folder;
    }
    judge_->target = At("elsewhere");
  }
  ~SourceFolderTest() override { std::filesystem::remove_all(root_); }

  std::string At(const std::string& name) const { return root_ + "/" + name; }
  void Link(const std::string& target, const std::string& name) {
    ASSERT_EQ(::symlink(target.c_str(), At(name).c_str()), 0);
  }
  SourceEntry Open(const std::string& path) {
    auto entry = HeldSources(judge_)(At(path));
    EXPECT_TRUE(entry.ok()) << entry.status();
    return entry.ok() ? *std::move(entry) : SourceEntry{};
  }
  static std::string BytesOf(const SourceEntry& entry) {
    if (entry.file == nullptr) return "nothing";
    std::string bytes(entry.info.size, '\0');
    EXPECT_TRUE(entry.file->ReadAt(0, bytes).ok());
    return bytes;
  }

  std::string root_;
  const std::shared_ptr<FixedJudge> judge_ = std::make_shared<FixedJudge>();
};

TEST_F(SourceFolderTest, LinkIsFollowedOnceAndNotFromWhereItLed) {
  Link(At("elsewhere"), "data/link");
  Link(At("secret"), "elsewhere/again");
  const SourceEntry data = Open("data");
  ASSERT_NE(data.folder, nullptr);
  const auto followed = data.folder->Open("link");
  ASSERT_TRUE(followed.ok() && followed->folder != nullptr);
  EXPECT_EQ(followed->words, "a link to " + At("elsewhere"));
  EXPECT_EQ(BytesOf(*followed->folder->Open("inner")), "of elsewhere");
  const auto again = followed->folder->Open("again");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->is_left());
  EXPECT_EQ(again->words, "a link to " + At("secret") + ", in what another link led to");
}

TEST_F(SourceFolderTest, TargetThatBecomesALinkOnceItWasJudgedIsNotFollowed) {
  Link(At("elsewhere"), "data/link");
  const SourceEntry data = Open("data");
  int fired = 0;
  judge_->meanwhile = [&] {
    ++fired;
    std::filesystem::rename(At("elsewhere"), At("moved"));
    Link(At("secret"), "elsewhere");
  };
  const auto swapped = data.folder->Open("link");
  ASSERT_TRUE(swapped.ok()) << swapped.status();
  EXPECT_EQ(fired, 1);
  EXPECT_TRUE(swapped->is_left());
  // And a folder around the target.
  judge_->meanwhile = nullptr;
  judge_->target = At("elsewhere/inner");
  const auto around = data.folder->Open("link");
  ASSERT_TRUE(around.ok()) << around.status();
  EXPECT_TRUE(around->is_left());
  EXPECT_THAT(around->words, testing::EndsWith(", where something else was put meanwhile"));
}

TEST_F(SourceFolderTest, FolderThatBecomesALinkWhileItIsReadIsReadAsItWas) {
  const SourceEntry data = Open("data");
  std::filesystem::rename(At("data"), At("moved"));
  Link(At("secret"), "data");
  EXPECT_EQ(BytesOf(*data.folder->Open("inner")), "of data");
}

TEST_F(SourceFolderTest, PipeThatALinkLeadsToIsNamedAndNotWaitedFor) {
  ASSERT_EQ(::mkfifo(At("pipe").c_str(), 0600), 0);
  Link(At("pipe"), "data/link");
  judge_->target = At("pipe");
  const auto pipe = Open("data").folder->Open("link");
  ASSERT_TRUE(pipe.ok()) << pipe.status();
  EXPECT_TRUE(pipe->is_left());
  EXPECT_EQ(pipe->words, "a link to " + At("pipe") + ", which is a pipe");
}

TEST_F(SourceFolderTest, FileIsLeftByWhateverNameItHas) {
  ASSERT_EQ(::link(At("secret/inner").c_str(), At("data/other").c_str()), 0);
  struct stat info {};
  ASSERT_EQ(::stat(At("secret/inner").c_str(), &info), 0);
  judge_->left_inode = info.st_ino;
  const auto other = Open("data").folder->Open("other");
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_TRUE(other->is_left());
  EXPECT_EQ(other->words, "one of the keys");
}

TEST_F(SourceFolderTest, FileThatWasReplacedSinceIsToldApart) {
  const SourceEntry inner = Open("data/inner");
  EXPECT_TRUE(inner.info_now().ok());
  std::ofstream(At("new")) << "of data";
  std::filesystem::rename(At("new"), At("data/inner"));
  EXPECT_EQ(inner.info_now().status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace graven::store
