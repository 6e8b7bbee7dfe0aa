#include "index/index_checker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/encoding.h"
#include "index/chunk_store.h"
#include "index/index_fixture_test.h"
#include "io/durable_file.h"
#include "io/simulated_file_system.h"
#include "record/encoded_test.h"

namespace graven::index {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kOrigin[] = "example.com/log";

// A log of 65,536 records and a few, with its one file.
class IndexCheckerTest : public ::testing::Test {
 protected:
  static const std::vector<std::string>& Records() {
    static const auto* records = [] {
      RecordMaker maker(4);
      auto* made = new std::vector<std::string>;
      for (uint64_t i = 0; i < 65'600; ++i) made->push_back(maker.Make(i));
      return made;
    }();
    return *records;
  }

  IndexCheckerTest() {
    ChunkBuilder builder(0, kMiddleLevel, MakeIdKey(record::GenesisHash(kOrigin)));
    merkle::Frontier tree;
    query::RecordView view;
    for (uint64_t i = 0; i < 65'536; ++i) {
      EXPECT_TRUE(view.Read(Records()[i]).ok());
      builder.Add(view);
      tree.Append(record::RecordHash(Records()[i]));
    }
    root_ = tree.Root();
    content_ = builder.Finish(root_);
    ChunkStore store(fs_, "/index", cache_);
    EXPECT_TRUE(store.Write({0, kMiddleLevel}, content_).ok());
  }

  IndexChecker::Verdict Check(uint64_t records) {
    IndexChecker checker(fs_, "/index", kOrigin);
    for (uint64_t i = 0; i < records; ++i) checker.Add(LogIndex(i), Records()[i]);
    return checker.Finish();
  }

  io::SimulatedFileSystem fs_{3};
  BlockCache cache_{size_t{1} << 20};
  Hash root_;
  std::string content_;
};

TEST_F(IndexCheckerTest, WhatTheRecordsMakeIsRightAndInTheManifest) {
  const IndexChecker::Verdict verdict = Check(65'600);
  EXPECT_TRUE(verdict.problems.empty()) << verdict.problems.front();
  EXPECT_THAT(verdict.entries,
              ElementsAre(ManifestEntry{0, 65'536, root_, RootOfBlocks(content_)}));
  EXPECT_EQ(FormatManifest(kOrigin, verdict.entries),
            "graven-index/v2\nexample.com/log\n0 65536 " + Base64Encode(root_) + " " +
                Base64Encode(RootOfBlocks(content_)) + "\n");
}

// With all its checksums made anew, so that no reader would notice: a term is hidden.
TEST_F(IndexCheckerTest, AFileThatWasMadeToLieIsFound) {
  std::string lying = content_;
  const size_t at = lying.find("human");
  ASSERT_NE(at, std::string::npos);
  lying[at] = 'v';
  ASSERT_TRUE(
      io::WriteFileDurably(fs_, "/index/" + ChunkFileName(0, kMiddleLevel), FileOf(lying)).ok());
  const IndexChecker::Verdict verdict = Check(65'600);
  EXPECT_TRUE(verdict.entries.empty());
  EXPECT_THAT(verdict.problems, ElementsAre(HasSubstr("is not what its records make")));
}

TEST_F(IndexCheckerTest, AFolderThatCannotBeListedIsAProblem) {
  io::Fault fault;
  fault.operation = io::Operation::kList;
  fault.path_part = "/index";
  fs_.AddFault(fault);
  const IndexChecker::Verdict verdict = Check(65'600);
  EXPECT_EQ(fs_.Counts().errors, 1U);
  EXPECT_TRUE(verdict.entries.empty());
  EXPECT_THAT(verdict.problems, ElementsAre(HasSubstr("index folder /index: ")));
  // None at all is in order: a log that is too young for a file.
  IndexChecker checker(fs_, "/nowhere", kOrigin);
  EXPECT_TRUE(checker.Finish().problems.empty());
}

TEST_F(IndexCheckerTest, AFileWithoutRecordsIsFound) {
  EXPECT_THAT(Check(65'535).problems, ElementsAre(HasSubstr("records that are not there")));
}

// Records of which sixteen chunks would hold too much together stay in sixteen files.
TEST_F(IndexCheckerTest, OneFileOfWhatIsTooMuchForOneIsFound) {
  const std::string large = "/index/" + ChunkFileName(0, kLargeLevel);
  ASSERT_TRUE(io::WriteFileDurably(fs_, large, "whatever").ok());
  IndexChecker checker(fs_, "/index", kOrigin, /*merged_content_bytes_max=*/1);
  record::RecordHeader header;
  header.received_at_ns = 1;
  for (uint64_t i = 0; i < uint64_t{1} << kLargeLevel; ++i) {
    header.index = LogIndex(i);
    checker.Add(header.index, record::Encoded(header));
  }
  const IndexChecker::Verdict verdict = checker.Finish();
  EXPECT_TRUE(verdict.entries.empty());
  EXPECT_THAT(verdict.problems, ::testing::Contains(AllOf(
                                    HasSubstr(large), HasSubstr("where its records make six"))));
}

}  // namespace
}  // namespace graven::index
