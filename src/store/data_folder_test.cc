#include "store/data_folder.h"
#include "base/status_text.h"

#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "io/durable_file.h"
#include "io/simulated_file_system.h"
#include "note/keys.h"

namespace graven::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr DataFolderOptions kCreate{.create_if_missing = true, .effective_user = 1000};
constexpr DataFolderOptions kOpen{.create_if_missing = false, .effective_user = 1000};

LogMeta MetaOf(const std::string& name, uint32_t number) {
  // Keys are slow to make, and one is as good as another here.
  static const std::string vkey =
      note::SignerKey::Generate("o", note::KeyType::kEd25519, SystemRandom())->verifier().Format();
  LogMeta meta;
  meta.name = name;
  meta.number = number;
  meta.origin = "o";
  meta.vkey = vkey;
  return meta;
}

std::vector<std::string> Names(const absl::StatusOr<std::vector<LogMeta>>& metas) {
  EXPECT_TRUE(metas.ok()) << metas.status();
  std::vector<std::string> names;
  if (!metas.ok()) return names;
  for (const LogMeta& meta : *metas) names.push_back(meta.name);
  return names;
}

TEST(DataFolder, NewOneIsWholeAndSurvivesACrash) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    io::SimulatedFileSystem fs(seed);
    {
      absl::StatusOr<std::unique_ptr<DataFolder>> folder = DataFolder::Open(fs, "/data/", kCreate);
      ASSERT_TRUE(folder.ok()) << folder.status();
      EXPECT_TRUE((*folder)->created());
      ASSERT_TRUE((*folder)->CreateLog(MetaOf("default", 1)).ok());
    }
    fs.Crash();
    fs.Restart();
    absl::StatusOr<std::unique_ptr<DataFolder>> folder = DataFolder::Open(fs, "/data", kOpen);
    ASSERT_TRUE(folder.ok()) << folder.status();
    EXPECT_FALSE((*folder)->created());
    EXPECT_THAT(Names(ReadLogMetas(fs, (*folder)->paths())), ElementsAre("default"));
    EXPECT_THAT(*fs.List("/data/logs/default"), ElementsAre("meta", "segments"));
    EXPECT_EQ(fs.Stat("/data")->mode, 0700u);
    EXPECT_EQ(*io::ReadWholeFile(fs, "/data/version", 100), "graven data folder, format 1\n");
  }
}

TEST(DataFolder, CrashWhileCreatingLeavesOneThatCanBeCreated) {
  uint64_t fired = 0;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    for (uint64_t nth = 1; nth <= 22; ++nth) {
      io::SimulatedFileSystem fs(seed);
      fs.AddFault({.kind = io::FaultKind::kCrash, .nth = nth});
      {
        absl::StatusOr<std::unique_ptr<DataFolder>> folder = DataFolder::Open(fs, "/data", kCreate);
        if (folder.ok()) (*folder)->CreateLog(MetaOf("default", 1)).IgnoreError();
      }
      fired += fs.Counts().crashes;
      fs.Restart();
      absl::StatusOr<std::unique_ptr<DataFolder>> folder = DataFolder::Open(fs, "/data", kCreate);
      ASSERT_TRUE(folder.ok()) << folder.status() << " seed " << seed << " nth " << nth;
      const absl::Status created = (*folder)->CreateLog(MetaOf("default", 1));
      ASSERT_TRUE(created.ok() || absl::IsAlreadyExists(created)) << created;
      ASSERT_THAT(Names(ReadLogMetas(fs, (*folder)->paths())), ElementsAre("default"));
    }
  }
  EXPECT_EQ(fired, 50u * 22);
}

TEST(DataFolder, SecondServerIsRefusedNamingTheFirst) {
  io::SimulatedFileSystem fs(1);
  absl::StatusOr<std::unique_ptr<DataFolder>> first = DataFolder::Open(fs, "/data", kCreate);
  ASSERT_TRUE(first.ok());
  const absl::Status second = DataFolder::Open(fs, "/data", kOpen).status();
  EXPECT_EQ(second.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(MessageOf(second), HasSubstr("in use by another server"));
  EXPECT_THAT(MessageOf(second), HasSubstr("process 1"));
  first->reset();
  EXPECT_TRUE(DataFolder::Open(fs, "/data", kOpen).ok());
}

TEST(DataFolder, MissingIsNotFoundUnlessAllowed) {
  io::SimulatedFileSystem fs(1);
  EXPECT_EQ(DataFolder::Open(fs, "/data", kOpen).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(CheckDataFolder(fs, DataPaths("/data")).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(DataFolder::Open(fs, "/no/parent", kCreate).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_THAT(*fs.List("/"), IsEmpty());
}

TEST(DataFolder, OtherUsersFolderIsPermissionDeniedAndUntouched) {
  io::SimulatedFileSystem fs(1);
  ASSERT_TRUE(fs.MakeDirectory("/data").ok());
  const absl::Status status =
      DataFolder::Open(fs, "/data", {.create_if_missing = true, .effective_user = 0}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(MessageOf(status), HasSubstr("user 1000"));
  EXPECT_THAT(*fs.List("/data"), IsEmpty());
}

TEST(DataFolder, NewerVersionIsRefusedInWords) {
  io::SimulatedFileSystem fs(1);
  ASSERT_TRUE(DataFolder::Open(fs, "/data", kCreate).ok());
  ASSERT_TRUE(io::WriteFileDurably(fs, "/data/version", "graven data folder, format 2\n").ok());
  for (const absl::Status& status :
       {DataFolder::Open(fs, "/data", kCreate).status(), CheckDataFolder(fs, DataPaths("/data"))}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(MessageOf(status), HasSubstr("made by a newer version of graven (format 2"));
  }
}

TEST(DataFolder, DamagedVersionIsDataLoss) {
  io::SimulatedFileSystem fs(1);
  ASSERT_TRUE(DataFolder::Open(fs, "/data", kCreate).ok());
  for (const std::string& text :
       {std::string(), std::string("graven data folder, format 1"),
        std::string("graven data folder, format 01\n"), std::string(1000, 'x')}) {
    ASSERT_TRUE(io::WriteFileDurably(fs, "/data/version", text).ok());
    EXPECT_EQ(DataFolder::Open(fs, "/data", kCreate).status().code(), absl::StatusCode::kDataLoss);
  }
}

TEST(DataFolder, MissingPartIsDataLossAndNotMadeAgain) {
  io::SimulatedFileSystem fs(1);
  ASSERT_TRUE(DataFolder::Open(fs, "/data", kCreate).ok());
  ASSERT_TRUE(fs.RemoveDirectory("/data/journal").ok());
  const absl::Status status = DataFolder::Open(fs, "/data", kCreate).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(MessageOf(status), HasSubstr("/data/journal"));
}

TEST(DataFolder, FolderOfSomethingElseIsLeftAlone) {
  io::SimulatedFileSystem fs(1);
  ASSERT_TRUE(fs.MakeDirectory("/data").ok());
  ASSERT_TRUE(io::WriteFileDurably(fs, "/data/letters.txt", "dear").ok());
  const absl::Status status = DataFolder::Open(fs, "/data", kCreate).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(MessageOf(status), HasSubstr("letters.txt"));
  EXPECT_THAT(*fs.List("/data"), ElementsAre("letters.txt"));
  EXPECT_EQ(DataFolder::Open(fs, "/data/letters.txt", kCreate).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(DataFolder, LostVersionBesideRecordsIsNoFreshStart) {
  io::SimulatedFileSystem fs(1);
  ASSERT_TRUE((*DataFolder::Open(fs, "/data", kCreate))->CreateLog(MetaOf("a", 1)).ok());
  ASSERT_TRUE(fs.Remove("/data/version").ok());
  EXPECT_EQ(DataFolder::Open(fs, "/data", kCreate).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

class LogsTest : public testing::Test {
 protected:
  LogsTest() : folder_(*DataFolder::Open(fs_, "/data", kCreate)) {}

  io::SimulatedFileSystem fs_{1};
  std::unique_ptr<DataFolder> folder_;
};

TEST_F(LogsTest, SameNameAgainAlreadyExists) {
  ASSERT_TRUE(folder_->CreateLog(MetaOf("b", 1)).ok());
  ASSERT_TRUE(folder_->CreateLog(MetaOf("a", 2)).ok());
  EXPECT_EQ(folder_->CreateLog(MetaOf("a", 3)).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(folder_->CreateLog(MetaOf("../x", 3)).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Names(ReadLogMetas(fs_, folder_->paths())), ElementsAre("a", "b"));
}

TEST_F(LogsTest, UnfinishedLogIsPassedOver) {
  ASSERT_TRUE(fs_.MakeDirectory("/data/logs/half").ok());
  ASSERT_TRUE(fs_.MakeDirectory("/data/logs/half/segments").ok());
  EXPECT_THAT(Names(ReadLogMetas(fs_, folder_->paths())), IsEmpty());
}

TEST_F(LogsTest, LostMetaBesideASegmentIsDataLoss) {
  ASSERT_TRUE(folder_->CreateLog(MetaOf("a", 1)).ok());
  ASSERT_TRUE(io::WriteFileDurably(fs_, "/data/logs/a/segments/0-1", "x").ok());
  ASSERT_TRUE(fs_.Remove("/data/logs/a/meta").ok());
  const absl::Status status = ReadLogMetas(fs_, folder_->paths()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(MessageOf(status), HasSubstr("/data/logs/a/meta"));
}

TEST_F(LogsTest, TwoLogsOfOneNumberAreDataLoss) {
  ASSERT_TRUE(folder_->CreateLog(MetaOf("a", 1)).ok());
  ASSERT_TRUE(folder_->CreateLog(MetaOf("b", 1)).ok());
  EXPECT_EQ(ReadLogMetas(fs_, folder_->paths()).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(LogsTest, DamageOfOneLogLeavesTheOthersReadable) {
  for (const char* name : {"a", "b", "c"}) {
    ASSERT_TRUE(folder_->CreateLog(MetaOf(name, static_cast<uint32_t>(name[0]))).ok());
  }
  ASSERT_TRUE(fs_.FlipBit("/data/logs/b/meta", 8 * 30).ok());
  std::vector<DamagedLog> damaged;
  EXPECT_THAT(Names(ReadLogMetas(fs_, folder_->paths(), &damaged)), ElementsAre("a", "c"));
  ASSERT_EQ(damaged.size(), 1u);
  EXPECT_EQ(damaged[0].name, "b");
  EXPECT_EQ(damaged[0].status.code(), absl::StatusCode::kDataLoss);
}

TEST_F(LogsTest, RenamedLogIsDataLoss) {
  ASSERT_TRUE(folder_->CreateLog(MetaOf("a", 1)).ok());
  ASSERT_TRUE(fs_.Rename("/data/logs/a", "/data/logs/b").ok());
  EXPECT_EQ(ReadLogMetas(fs_, folder_->paths()).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(LogsTest, StrangeNameIsDataLoss) {
  ASSERT_TRUE(fs_.MakeDirectory("/data/logs/A b").ok());
  const absl::Status status = ReadLogMetas(fs_, folder_->paths()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(MessageOf(status), HasSubstr("A b"));
}

}  // namespace
}  // namespace graven::store
