#include "import/importer.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "import/importer_fixture_test.h"

namespace graven::import {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::string Nested(int depth) {
  std::string text;
  for (int i = 0; i < depth; ++i) text += R"({"d":)";
  return text + "1" + std::string(static_cast<size_t>(depth), '}');
}

TEST(Oversize, IsRefusedAndCountedWithoutStopping) {
  std::string text = R"({"Records":[)" +
                     Record("1", R"("blob":")" + std::string(70'000, 'x') + R"(",)") + "," +
                     Record("2", R"("deep":)" + Nested(100'000) + ",") + "," + Record("3") + "]}";
  Outcome outcome = Import(Options(Format::kCloudTrail), text);
  EXPECT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_THAT(outcome.ids(), ElementsAre("3"));
  EXPECT_EQ(outcome.counts.refused, 2U);
  EXPECT_EQ(outcome.counts.oversize_refused, 2U);
  EXPECT_THAT(outcome.refusals, ElementsAre(HasSubstr("at most 65000"), HasSubstr("deeper")));
}

TEST(Oversize, IsReplacedByItsDigest) {
  std::string record = Record("1", R"("blob":")" + std::string(70'000, 'x') + R"(",)");
  ImportOptions options = Options(Format::kCloudTrail);
  options.oversize = Oversize::kDigest;
  Outcome outcome = Import(options, R"({"Records":[)" + record + "]}");
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(outcome.counts.digested, 1U);
  EXPECT_EQ(outcome.counts.events, 1U);
  const auto& fields = outcome.events[0].details_struct().fields();
  ASSERT_TRUE(fields.contains("original_digest"));
  const auto& digest = fields.at("original_digest").struct_value().fields();
  EXPECT_EQ(digest.at("bytes").number_value(), static_cast<double>(record.size()));
  EXPECT_THAT(digest.at("sha256").string_value(), SizeIs(64));
  EXPECT_EQ(outcome.events[0].action(), "ec2.DescribeInstances");
}

TEST(Nesting, DeepestOriginalThatFitsIsKept) {
  // The root object and 26 in it: the innermost value at level 7 + 27 * 3 = 88.
  Outcome fits = Import(Options(Format::kCloudTrail), Record("1", R"("deep":)" + Nested(26) + ","));
  EXPECT_THAT(fits.ids(), ElementsAre("1"));
  Outcome too_deep =
      Import(Options(Format::kCloudTrail), Record("1", R"("deep":)" + Nested(27) + ","));
  EXPECT_EQ(too_deep.counts.oversize_refused, 1U);
}

TEST(Import, ErrorOfTheSinkEndsIt) {
  int taken = 0;
  ImportCallbacks callbacks = {.on_event = [&taken](const ImportedEvent&) {
    return ++taken == 2 ? absl::UnavailableError("the server is gone") : absl::OkStatus();
  }};
  ImportCounts counts;
  absl::Status status = ImportText(Options(Format::kDpkg), "file", kDpkg, callbacks, &counts);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(counts.events, 1U);
}

TEST(Import, FormatsHaveNames) {
  for (Format format :
       {Format::kCloudTrail, Format::kK8sAudit, Format::kDpkg, Format::kJsonLines}) {
    EXPECT_EQ(ParseFormat(FormatName(format)), format);
  }
  EXPECT_FALSE(ParseFormat("syslog"));
}

class Files : public ::testing::Test {
 protected:
  Files() : folder_(std::filesystem::path(::testing::TempDir()) / "graven_import_test") {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~Files() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name) const { return folder_ / name; }
  std::string Write(const std::string& name, std::string_view text) const {
    std::ofstream(Path(name), std::ios::binary) << text;
    return Path(name);
  }
  static Outcome Run(const ImportOptions& options, const std::vector<std::string>& paths) {
    Outcome outcome;
    outcome.status = ImportFiles(options, paths, Collect(&outcome), &outcome.counts);
    return outcome;
  }

 private:
  std::filesystem::path folder_;
};

TEST_F(Files, RotatedAndCompressedFileIsTheSameFile) {
  std::string plain = Write("dpkg.log", kDpkg);
  std::string renamed = Write("dpkg.log.1", kDpkg);
  ASSERT_EQ(std::system(("gzip -c " + plain + " > " + Path("dpkg.log.2.gz")).c_str()), 0);
  Outcome outcome = Run(Options(Format::kDpkg), {plain, renamed, Path("dpkg.log.2.gz")});
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  ASSERT_THAT(outcome.bytes, SizeIs(18));
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(outcome.bytes[i], outcome.bytes[6 + i]);
    EXPECT_EQ(outcome.bytes[i], outcome.bytes[12 + i]);
  }
}

TEST_F(Files, UnfinishedLineOfAGzipFileIsTakenForItDoesNotGrow) {
  std::string plain = Write("dpkg.log", kDpkg.substr(0, kDpkg.size() - 1));
  ASSERT_EQ(std::system(("gzip -c " + plain + " > " + Path("dpkg.log.2.gz")).c_str()), 0);
  EXPECT_EQ(Run(Options(Format::kDpkg), {plain}).counts.unfinished, 1U);
  Outcome outcome = Run(Options(Format::kDpkg), {Path("dpkg.log.2.gz")});
  EXPECT_THAT(outcome.events, SizeIs(6));
  EXPECT_EQ(outcome.counts.unfinished, 0U);
}

TEST_F(Files, CutGzipIsUnavailable) {
  std::string plain = Write("dpkg.log", kDpkg);
  ASSERT_EQ(std::system(("gzip -c " + plain + " | head -c 100 > " + Path("cut.gz")).c_str()), 0);
  EXPECT_EQ(Run(Options(Format::kDpkg), {Path("cut.gz")}).status.code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(Files, MissingFileIsNotFound) {
  EXPECT_EQ(Run(Options(Format::kDpkg), {Path("none")}).status.code(), absl::StatusCode::kNotFound);
}

TEST_F(Files, ProgressEndsAtTheTotal) {
  std::string line(kLine);
  std::string text;
  for (int i = 0; i < 40'000; ++i) text += line + "\n";
  std::string path = Write("events.jsonl", text);
  std::vector<uint64_t> told;
  uint64_t total = 0;
  ImportCallbacks callbacks = {.on_event = [](const ImportedEvent&) { return absl::OkStatus(); },
                               .on_refused = nullptr,
                               .on_unfinished = nullptr,
                               .on_progress =
                                   [&](uint64_t done, uint64_t all) {
                                     told.push_back(done);
                                     total = all;
                                   }};
  ImportCounts counts;
  std::vector<std::string> paths = {path};
  ASSERT_TRUE(ImportFiles(Options(Format::kJsonLines), paths, callbacks, &counts).ok());
  EXPECT_EQ(total, text.size());
  ASSERT_GE(told.size(), 3U);
  EXPECT_TRUE(std::ranges::is_sorted(told));
  EXPECT_EQ(told.back(), total);
}

TEST(RealData, EveryCloudTrailEventIsImported) {
  std::filesystem::path folder = "../shared/data/cloudtrail";
  if (!std::filesystem::is_directory(folder)) GTEST_SKIP() << folder << " is not here";
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".json") paths.push_back(entry.path());
  }
  std::ranges::sort(paths);
  Outcome outcome;
  outcome.status =
      ImportFiles(Options(Format::kCloudTrail), paths, Collect(&outcome), &outcome.counts);
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(outcome.counts.events, 2'900U);
  EXPECT_EQ(outcome.counts.refused, 0U);
  std::vector<std::string> ids = outcome.ids();
  EXPECT_THAT(std::set<std::string>(ids.begin(), ids.end()), SizeIs(2'900));
}

}  // namespace
}  // namespace graven::import
