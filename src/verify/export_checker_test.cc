#include "verify/export_checker.h"

#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "verify/written_log_test.h"

namespace graven::verify {
namespace {

using ::testing::HasSubstr;

class ExportCheckerTest : public testing::Test {
 protected:
  static absl::StatusOr<ExportVerdict> Check(std::string_view bytes, const ExportOptions& options,
                                             size_t piece_bytes = 100) {
    absl::StatusOr<ExportChecker> checker = ExportChecker::Start(options);
    if (!checker.ok()) return checker.status();
    while (!bytes.empty()) {
      const size_t size = std::min(piece_bytes, bytes.size());
      if (absl::Status status = checker->AddBytes(bytes.substr(0, size)); !status.ok()) {
        return status;
      }
      bytes.remove_prefix(size);
    }
    return checker->Finish();
  }

  static void ExpectDataLoss(const absl::Status& status, const char* what) {
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(what));
  }

  ExportOptions Pinned(size_t size) const {
    return {log_.key.verifier(), log_.Checkpoint(size), ""};
  }

  const WrittenLog log_{50};
};

TEST_F(ExportCheckerTest, WholeExportIsPinnedInPiecesOfAnySize) {
  const std::string bytes = log_.Export(0, 50);
  for (const size_t piece : {1, 2, 7, 100, 100000}) {
    const auto verdict = Check(bytes, Pinned(40), piece);
    ASSERT_TRUE(verdict.ok()) << verdict.status();
    EXPECT_EQ(verdict->trust, Trust::kKeyPinned);
    EXPECT_EQ(verdict->count, 50u);
    EXPECT_TRUE(verdict->genesis_checked);
    EXPECT_EQ(verdict->root, log_.Root(50));
    EXPECT_EQ(verdict->checkpoint->size, TreeSize(40));
    EXPECT_EQ(verdict->last_hash, log_.leaves.back());
  }
}

TEST_F(ExportCheckerTest, WithoutKeyOrCheckpointItIsSelfConsistent) {
  const std::string bytes = log_.Export(0, 50);
  const auto bare = Check(bytes, {});
  ASSERT_TRUE(bare.ok()) << bare.status();
  EXPECT_EQ(bare->trust, Trust::kSelfConsistent);
  EXPECT_FALSE(bare->genesis_checked);
  const auto with_checkpoint = Check(bytes, {std::nullopt, log_.Checkpoint(50), ""});
  ASSERT_TRUE(with_checkpoint.ok()) << with_checkpoint.status();
  EXPECT_EQ(with_checkpoint->trust, Trust::kSelfConsistent);
  EXPECT_TRUE(with_checkpoint->genesis_checked);
  const auto with_key = Check(bytes, {log_.key.verifier(), "", ""});
  ASSERT_TRUE(with_key.ok());
  EXPECT_EQ(with_key->trust, Trust::kSelfConsistent);
  EXPECT_TRUE(with_key->genesis_checked);
}

TEST_F(ExportCheckerTest, PartIsChained) {
  const auto verdict = Check(log_.Export(10, 30), {log_.key.verifier(), "", ""});
  ASSERT_TRUE(verdict.ok()) << verdict.status();
  EXPECT_EQ(verdict->first, LogIndex(10));
  EXPECT_EQ(verdict->count, 20u);
  EXPECT_FALSE(verdict->root.has_value());
  EXPECT_EQ(Check(log_.Export(10, 30), Pinned(30)).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(ExportCheckerTest, EmptyExportOfAnEmptyLogHolds) {
  const auto verdict = Check("", Pinned(0));
  ASSERT_TRUE(verdict.ok()) << verdict.status();
  EXPECT_EQ(verdict->trust, Trust::kKeyPinned);
  EXPECT_EQ(verdict->count, 0u);
}

TEST_F(ExportCheckerTest, CutExportNamesTheRecord) {
  const std::string bytes = log_.Export(0, 50);
  auto cut = ExportChecker::Start(Pinned(40));
  ASSERT_TRUE(cut.ok());
  ASSERT_TRUE(cut->AddBytes(std::string_view(bytes).substr(0, bytes.size() - 1)).ok());
  EXPECT_EQ(cut->first_bad(), std::nullopt);
  EXPECT_EQ(cut->Finish().status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(cut->first_bad(), LogIndex(49));
  auto torn = ExportChecker::Start(Pinned(40));
  ASSERT_TRUE(torn.ok());
  EXPECT_EQ(torn->AddBytes(log_.Export(0, 7) + std::string(6, '\xff')).code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(torn->first_bad(), LogIndex(7));
}

TEST_F(ExportCheckerTest, CutExportIsDataLoss) {
  const std::string bytes = log_.Export(0, 50);
  ExpectDataLoss(Check(bytes.substr(0, bytes.size() - 1), Pinned(40)).status(),
                 "record 49: the export ends within it");
  ExpectDataLoss(Check(log_.Export(0, 39), Pinned(40)).status(), "record 39: missing");
}

TEST_F(ExportCheckerTest, EveryBitFlipIsNoticedAndPlaced) {
  const std::string bytes = log_.Export(0, 20);
  const size_t eleventh = log_.Export(0, 10).size();
  const ExportOptions options = Pinned(20);
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ (1 << (i % 8)));
    EXPECT_FALSE(Check(damaged, options, damaged.size()).ok()) << i;
  }
  std::string damaged = bytes;
  damaged[eleventh + 1] ^= 0x40;
  ExpectDataLoss(Check(damaged, options).status(), fmt::format("at byte {}", eleventh).c_str());
}

TEST_F(ExportCheckerTest, ExportMadeAnewFailsAgainstTheKeyOnly) {
  // Somebody with a key of their own wrote the whole log anew.
  const WrittenLog forged(50);
  const std::string bytes = forged.Export(0, 50);
  EXPECT_TRUE(Check(bytes, {std::nullopt, forged.Checkpoint(50), ""}).ok());
  EXPECT_EQ(Check(bytes, {log_.key.verifier(), forged.Checkpoint(50), ""}).status().code(),
            absl::StatusCode::kUnauthenticated);
  WrittenLog changed(49);
  changed.Add("another end", 50000);
  ExpectDataLoss(Check(changed.Export(0, 50), Pinned(50)).status(), "was signed");
}

TEST_F(ExportCheckerTest, LengthsNoRecordHasAreDataLoss) {
  ExpectDataLoss(Check(std::string("\x00", 1), {}).status(), "length of 0");
  ExpectDataLoss(Check("\xff\xff\x7f", {}).status(), "length of 2097151");
  ExpectDataLoss(Check("\xff\xff\xff\xff", {}).status(), "no length");
}

}  // namespace
}  // namespace graven::verify
