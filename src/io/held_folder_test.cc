#include "io/held_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace graven::io {
namespace {

using testing::ElementsAre;

class HeldFolderTest : public testing::Test {
 protected:
  HeldFolderTest() {
    std::string pattern = testing::TempDir() + "graven-held-XXXXXX";
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = std::filesystem::canonical(pattern).string();
    Make("file", "bytes");
    std::filesystem::create_directory(At("folder"));
    Make("folder/inner", "inside");
  }
  ~HeldFolderTest() override { std::filesystem::remove_all(root_); }

  std::string At(const std::string& name) const { return root_ + "/" + name; }
  void Make(const std::string& name, const std::string& text) {
    std::ofstream(At(name), std::ios::binary) << text;
  }
  std::unique_ptr<HeldFolder> Hold(const std::string& path) {
    auto entry = OpenWithoutLinks(path);
    EXPECT_TRUE(entry.ok()) << entry.status();
    return entry.ok() ? std::move(entry->folder) : nullptr;
  }
  static std::string BytesOf(const absl::StatusOr<HeldEntry>& entry) {
    if (!entry.ok() || entry->file == nullptr) return "no file";
    std::string bytes(entry->info.size, '\0');
    EXPECT_TRUE(entry->file->ReadAt(0, bytes).ok());
    return bytes;
  }

  std::string root_;
};

TEST_F(HeldFolderTest, FilesAndFoldersAreOpenedAndNothingElseIs) {
  ASSERT_EQ(::mkfifo(At("pipe").c_str(), 0600), 0);
  ASSERT_EQ(::symlink("file", At("link").c_str()), 0);
  const auto folder = Hold(root_);
  ASSERT_NE(folder, nullptr);
  EXPECT_THAT(*folder->List(), ElementsAre("file", "folder", "link", "pipe"));
  EXPECT_EQ(BytesOf(folder->Open("file")), "bytes");
  const auto inner = folder->Open("folder");
  ASSERT_TRUE(inner.ok() && inner->folder != nullptr);
  EXPECT_EQ(BytesOf(inner->folder->Open("inner")), "inside");
  for (const auto& [name, kind] : {std::pair("pipe", HeldKind::kPipe), {"link", HeldKind::kLink}}) {
    const auto odd = folder->Open(name);
    ASSERT_TRUE(odd.ok()) << odd.status();
    EXPECT_EQ(odd->kind, kind);
    EXPECT_TRUE(odd->file == nullptr && odd->folder == nullptr);
  }
  EXPECT_EQ(*folder->ReadLink("link"), "file");
  EXPECT_EQ(folder->ReadLink("file").status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(folder->Open("absent").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(OpenWithoutLinks("/dev/null")->kind, HeldKind::kDevice);
  EXPECT_NE(OpenWithoutLinks("/")->folder, nullptr);
  EXPECT_EQ(BytesOf(OpenWithoutLinks("/" + At("/folder//inner"))), "inside");
  EXPECT_NE(Hold(At("folder") + "//"), nullptr);
}

TEST_F(HeldFolderTest, FolderThatBecameALinkGoesOnBeingTheFolder) {
  const auto folder = Hold(At("folder"));
  ASSERT_NE(folder, nullptr);
  std::filesystem::rename(At("folder"), At("moved"));
  std::filesystem::create_directory(At("other"));
  Make("other/inner", "of a stranger");
  ASSERT_EQ(::symlink("other", At("folder").c_str()), 0);
  EXPECT_EQ(BytesOf(folder->Open("inner")), "inside");
  // And by its path it is refused, as a part of it and at its end.
  EXPECT_EQ(OpenWithoutLinks(At("folder/inner")).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(OpenWithoutLinks(At("folder"))->kind, HeldKind::kLink);
}

TEST_F(HeldFolderTest, FileThatWasReplacedIsReadAsItWasAndIsKnownToHaveGone) {
  const auto entry = OpenWithoutLinks(At("file"));
  ASSERT_TRUE(entry.ok()) << entry.status();
  EXPECT_EQ(entry->info_now()->links, 1U);
  Make("file.new", "of a stranger");
  std::filesystem::rename(At("file.new"), At("file"));
  EXPECT_EQ(BytesOf(entry), "bytes");
  EXPECT_EQ(entry->info_now()->links, 0U);
}

}  // namespace
}  // namespace graven::io
