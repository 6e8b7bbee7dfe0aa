#include "verify/chain_checker.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "verify/written_log_test.h"

namespace graven::verify {
namespace {

using ::testing::HasSubstr;

absl::Status AddAll(const WrittenLog& log, ChainChecker& checker) {
  for (const std::string& record : log.records) {
    if (absl::Status status = checker.Add(record); !status.ok()) return status;
  }
  return absl::OkStatus();
}

void ExpectBad(const WrittenLog& log, uint64_t index, const char* what) {
  ChainChecker checker = ChainChecker::WholeLog(log.key.name());
  const absl::Status status = AddAll(log, checker);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(what));
  EXPECT_EQ(checker.first_bad(), LogIndex(index));
}

TEST(ChainCheckerTest, WholeLogIsInOrder) {
  const WrittenLog log(3000);
  ChainChecker checker = ChainChecker::WholeLog(log.key.name());
  for (const size_t size : {0, 1, 2, 1000, 1024, 2500, 3000}) {
    ASSERT_TRUE(checker.ExpectRoot(TreeSize(size), log.Root(size), "test").ok());
  }
  ASSERT_TRUE(AddAll(log, checker).ok());
  EXPECT_TRUE(checker.Finish().ok());
  EXPECT_EQ(checker.count(), 3000u);
  EXPECT_EQ(checker.Root(), log.Root(3000));
  EXPECT_EQ(checker.last_hash(), log.leaves.back());
  EXPECT_TRUE(checker.genesis_checked());
}

TEST(ChainCheckerTest, PartIsInOrderWithoutItsBeginning) {
  const WrittenLog log(20);
  ChainChecker checker = ChainChecker::AnyPart(log.key.name());
  for (size_t i = 5; i < 20; ++i) ASSERT_TRUE(checker.Add(log.records[i]).ok());
  EXPECT_EQ(checker.first(), LogIndex(5));
  EXPECT_EQ(checker.count(), 15u);
  EXPECT_FALSE(checker.has_tree());
  EXPECT_FALSE(checker.genesis_checked());
}

TEST(ChainCheckerTest, RecordOfAnotherOriginIsBad) {
  const WrittenLog log(3, "other.example/audit");
  ChainChecker checker = ChainChecker::WholeLog("log.example/audit");
  EXPECT_EQ(AddAll(log, checker).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(checker.first_bad(), LogIndex(0));
  ChainChecker part = ChainChecker::AnyPart("log.example/audit");
  EXPECT_EQ(AddAll(log, part).code(), absl::StatusCode::kDataLoss);
}

TEST(ChainCheckerTest, ChangedRecordIsNamedByItsFollower) {
  WrittenLog log(10);
  log.records[4].back() ^= 1;
  ExpectBad(log, 5, "previous_hash");
}

TEST(ChainCheckerTest, LostRecordIsNamed) {
  WrittenLog log(10);
  log.records.erase(log.records.begin() + 6);
  ExpectBad(log, 6, "index 7 stands in its place");
}

TEST(ChainCheckerTest, LostBeginningIsNamed) {
  WrittenLog log(10);
  log.records.erase(log.records.begin());
  ExpectBad(log, 0, "index 1");
}

TEST(ChainCheckerTest, TimeThatStandsStillIsBad) {
  WrittenLog log(3);
  log.Add("next", 3000);
  ExpectBad(log, 3, "received_at");
}

TEST(ChainCheckerTest, BytesThatAreNoRecordAreBad) {
  WrittenLog log(3);
  log.records[2] += "x";
  ExpectBad(log, 2, "not a record");
}

TEST(ChainCheckerTest, OtherRootNamesTheRecordsThatMayBeWrong) {
  const WrittenLog log(10);
  ChainChecker checker = ChainChecker::WholeLog(log.key.name());
  ASSERT_TRUE(checker.ExpectRoot(TreeSize(4), log.Root(4), "one checkpoint").ok());
  ASSERT_TRUE(checker.ExpectRoot(TreeSize(8), log.Root(7), "another checkpoint").ok());
  const absl::Status status = AddAll(log, checker);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("another checkpoint"));
  EXPECT_EQ(checker.first_bad(), LogIndex(4));
}

TEST(ChainCheckerTest, RootOfALargerTreeMeansMissingRecords) {
  const WrittenLog log(10);
  ChainChecker checker = ChainChecker::WholeLog(log.key.name());
  ASSERT_TRUE(checker.ExpectRoot(TreeSize(12), log.Root(7), "the guard").ok());
  ASSERT_TRUE(AddAll(log, checker).ok());
  const absl::Status status = checker.Finish();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(checker.first_bad(), LogIndex(10));
}

TEST(ChainCheckerTest, RootThatLiesBehindCannotBeAsked) {
  const WrittenLog log(10);
  ChainChecker checker = ChainChecker::WholeLog(log.key.name());
  ASSERT_TRUE(AddAll(log, checker).ok());
  EXPECT_EQ(checker.ExpectRoot(TreeSize(9), log.Root(9), "late").code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(checker.ExpectRoot(TreeSize(10), log.Root(10), "now").ok());
}

}  // namespace
}  // namespace graven::verify
