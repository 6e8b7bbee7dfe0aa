#include "verify/folder_checker.h"

#include "base/sha256.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "io/durable_file.h"
#include "io/simulated_file_system.h"
#include "journal/journal.h"
#include "journal/journal_format.h"
#include "store/checkpoints_file.h"
#include "store/data_folder.h"
#include "store/fingerprint.h"
#include "store/guard.h"
#include "store/segment_writer.h"
#include "verify/written_log_test.h"

namespace graven::verify {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kFolder[] = "/data";

// A data folder as a server leaves it, put together from the store's own writers.
class FolderCheckerTest : public testing::Test {
 protected:
  void SetUp() override {
    auto folder = store::DataFolder::Open(fs_, kFolder, {true, 1000});
    ASSERT_TRUE(folder.ok()) << folder.status();
    folder_ = *std::move(folder);
    ASSERT_TRUE(store::Guard::Create(fs_, paths_.Guard()).ok());
    OpenJournal();
  }

  void OpenJournal() {
    auto recovery = journal::ReadJournal(
        fs_, paths_.Journal(), [](const journal::FrameSection&) { return absl::OkStatus(); });
    if (absl::IsNotFound(recovery.status())) recovery = journal::JournalRecovery{};
    ASSERT_TRUE(recovery.ok()) << recovery.status();
    journal::JournalOptions options;
    options.file_bytes = 256 << 10;
    auto journal =
        journal::Journal::Open(fs_, paths_.Journal(), options, SystemRandom(), *recovery);
    ASSERT_TRUE(journal.ok()) << journal.status();
    journal_ = *std::move(journal);
    ASSERT_TRUE(journal_->PrepareSpare().ok());
  }

  store::LogMeta MetaOf(const WrittenLog& log, const std::string& name, uint32_t number) {
    store::LogMeta meta;
    meta.name = name;
    meta.number = number;
    meta.origin = log.key.name();
    meta.vkey = log.key.verifier().Format();
    meta.duplicate_window = 1000;
    meta.fingerprint_key[3] = 9;
    return meta;
  }

  void Create(const WrittenLog& log, const std::string& name, uint32_t number) {
    ASSERT_TRUE(folder_->CreateLog(MetaOf(log, name, number)).ok());
  }

  void Segment(const WrittenLog& log, const std::string& name, size_t first, size_t end) {
    const Hash previous = first == 0 ? record::GenesisHash(log.key.name()) : log.leaves[first - 1];
    auto writer = store::SegmentWriter::Create(fs_, paths_.Segments(name),
                                               {Sha256(log.key.name()), LogIndex(first), previous},
                                               store::SegmentCodec::kRaw);
    ASSERT_TRUE(writer.ok()) << writer.status();
    const store::LogMeta meta = MetaOf(log, name, 1);
    for (size_t i = first; i < end; ++i) {
      ASSERT_TRUE((*writer)
                      ->Add(log.records[i], log.leaves[i],
                            store::EventFingerprint(meta.fingerprint_key, log.event_ids[i]))
                      .ok());
    }
    const auto summary = (*writer)->Finish();
    ASSERT_TRUE(summary.ok()) << summary.status();
    segment_path_ = summary->path;
  }

  // One frame of one log's records.
  void Frame(const WrittenLog& log, uint32_t number, size_t first, size_t end,
             size_t acknowledged = 0) {
    journal::FrameBuilder frame;
    frame.BeginSection(number, LogIndex(first), TreeSize(acknowledged));
    for (size_t i = first; i < end; ++i) {
      char* bytes = frame.AddRecord(log.records[i].size());
      std::copy(log.records[i].begin(), log.records[i].end(), bytes);
      last_record_offset_ = frame.last_record_offset();
    }
    frame.EndSection(log.Root(end));
    const auto position = journal_->Append(frame);
    ASSERT_TRUE(position.ok()) << position.status();
    last_record_offset_ += position->offset;
    journal_path_ = io::JoinPath(paths_.Journal(), journal::JournalFileName(position->file));
    ASSERT_TRUE(journal_->Sync().ok());
  }

  void Guard(const WrittenLog& log, uint32_t number, size_t size) {
    auto guard = store::Guard::Open(fs_, paths_.Guard());
    ASSERT_TRUE(guard.ok());
    const store::GuardEntry entry = {number, TreeSize(size), log.Root(size)};
    ASSERT_TRUE((*guard)->Raise(std::span(&entry, 1)).ok());
  }

  void Keep(const std::string& name, const std::string& checkpoint) {
    auto file = store::CheckpointsFile::Open(fs_, paths_.Checkpoints(name));
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file->Append(checkpoint).ok());
  }

  // The usual folder: 30 records sealed, of which the journal still has some, 50 in all.
  void Usual(const WrittenLog& log) {
    Create(log, "default", 1);
    Segment(log, "default", 0, 30);
    Frame(log, 1, 20, 40);
    Frame(log, 1, 40, 50, 40);
    Guard(log, 1, 50);
    Keep("default", log.Checkpoint(10));
    Keep("default", log.Checkpoint(45));
  }

  FolderVerdict Check(std::vector<note::VerifierKey> keys = {}) {
    folder_.reset();
    journal_.reset();
    FolderOptions options;
    options.folder = kFolder;
    options.keys = std::move(keys);
    options.on_progress = [this](uint64_t done, uint64_t total) {
      EXPECT_LE(done, total);
      progress_ = total - done;
    };
    const auto verdict = CheckFolder(fs_, options);
    EXPECT_TRUE(verdict.ok()) << verdict.status();
    return verdict.ok() ? *verdict : FolderVerdict{};
  }

  static void ExpectBad(const FolderVerdict& verdict, uint64_t index, const std::string& file,
                        const char* what) {
    EXPECT_FALSE(verdict.good());
    ASSERT_EQ(verdict.logs.size(), 1u);
    const LogVerdict& log = verdict.logs[0];
    EXPECT_EQ(log.status.code(), absl::StatusCode::kDataLoss) << log.status;
    EXPECT_EQ(log.first_bad, LogIndex(index)) << log.status;
    EXPECT_EQ(log.bad_file, file);
    EXPECT_THAT(std::string(log.status.message()), HasSubstr(what));
  }

  io::SimulatedFileSystem fs_{5};
  const store::DataPaths paths_{kFolder};
  std::unique_ptr<store::DataFolder> folder_;
  std::unique_ptr<journal::Journal> journal_;
  const WrittenLog log_{50};
  std::string segment_path_;
  std::string journal_path_;
  uint64_t last_record_offset_ = 0;
  uint64_t progress_ = 1;
};

TEST_F(FolderCheckerTest, GoodFolderWithoutAKeyIsSelfConsistent) {
  Usual(log_);
  const FolderVerdict verdict = Check();
  EXPECT_TRUE(verdict.good());
  ASSERT_EQ(verdict.logs.size(), 1u);
  const LogVerdict& log = verdict.logs[0];
  EXPECT_TRUE(log.status.ok()) << log.status;
  EXPECT_EQ(log.trust, Trust::kSelfConsistent);
  EXPECT_EQ(log.records, 50u);
  EXPECT_EQ(log.root, log_.Root(50));
  EXPECT_EQ(log.last_hash, log_.leaves[49]);
  EXPECT_EQ(log.checkpoints, 2u);
  EXPECT_EQ(log.signed_records, 45u);
  EXPECT_TRUE(verdict.notes.empty());
  EXPECT_EQ(progress_, 0u);
}

TEST_F(FolderCheckerTest, GoodFolderWithItsKeyIsPinned) {
  Usual(log_);
  const FolderVerdict verdict = Check({log_.key.verifier()});
  EXPECT_TRUE(verdict.good());
  EXPECT_EQ(verdict.logs[0].trust, Trust::kKeyPinned);
}

TEST_F(FolderCheckerTest, FolderSignedAnewFailsWithTheKeyGiven) {
  // Same origin, all records, tree, guard and signatures made anew with a key of the forger's.
  const WrittenLog forged(50);
  Usual(forged);
  EXPECT_TRUE(Check().good());
  const FolderVerdict verdict = Check({log_.key.verifier()});
  EXPECT_FALSE(verdict.good());
  EXPECT_EQ(verdict.logs[0].status.code(), absl::StatusCode::kUnauthenticated);
}

TEST_F(FolderCheckerTest, FolderOfAnotherOriginFailsWithTheKeyGiven) {
  Usual(WrittenLog(50, "forged.example"));
  const FolderVerdict verdict = Check({log_.key.verifier()});
  EXPECT_FALSE(verdict.good());
  ASSERT_EQ(verdict.problems.size(), 1u);
  EXPECT_THAT(verdict.problems[0], HasSubstr(log_.key.name()));
}

TEST_F(FolderCheckerTest, RecordsWithoutACheckpointAreNotPinned) {
  Create(log_, "default", 1);
  Frame(log_, 1, 0, 50);
  Keep("default", log_.Checkpoint(0));
  EXPECT_TRUE(Check().good());
  EXPECT_EQ(Check({log_.key.verifier()}).logs[0].status.code(), absl::StatusCode::kUnauthenticated);
}

TEST_F(FolderCheckerTest, EveryFlippedByteOfASegmentIsNoticed) {
  Create(log_, "default", 1);
  Segment(log_, "default", 0, 30);
  Guard(log_, 1, 30);
  ASSERT_TRUE(Check().good());
  const uint64_t size = fs_.Stat(segment_path_)->size;
  for (uint64_t byte = 0; byte < size; ++byte) {
    const uint64_t bit = byte * 8 + byte % 8;
    ASSERT_TRUE(fs_.FlipBit(segment_path_, bit).ok());
    const FolderVerdict verdict = Check();
    ASSERT_FALSE(verdict.good()) << "byte " << byte;
    EXPECT_EQ(verdict.logs[0].bad_file, segment_path_);
    ASSERT_TRUE(fs_.FlipBit(segment_path_, bit).ok());
  }
  EXPECT_EQ(fs_.Counts().bit_flips, 2 * size);
  EXPECT_TRUE(Check().good());
}

TEST_F(FolderCheckerTest, FlippedByteOfAJournalRecordNamesIt) {
  Usual(log_);
  ASSERT_TRUE(fs_.FlipBit(journal_path_, (last_record_offset_ + 60) * 8).ok());
  // The whole frame of records 40 to 49 is not believed any more; the chain tells which one it is.
  ExpectBad(Check(), 49, journal_path_, "not those that were written");
}

TEST_F(FolderCheckerTest, RecordsBeforeTheBadOneOfAFrameAreInOrder) {
  // Many enough that leaves wait for their group, and a frame that begins before the bad record.
  const WrittenLog large(2500);
  Create(large, "default", 1);
  Frame(large, 1, 0, 1500);
  Frame(large, 1, 1500, 2500);
  Guard(large, 1, 2500);
  ASSERT_TRUE(fs_.FlipBit(journal_path_, (last_record_offset_ + 60) * 8).ok());
  const FolderVerdict verdict = Check();
  ExpectBad(verdict, 2499, journal_path_, "not those that were written");
  EXPECT_EQ(verdict.logs[0].records, 2499u);
}

TEST_F(FolderCheckerTest, FlippedByteOfASealedJournalRecordNamesItAndSaysThatItsCopyIsWhole) {
  Create(log_, "default", 1);
  Segment(log_, "default", 0, 30);
  Frame(log_, 1, 10, 20);  // wholly in the segment
  const uint64_t inside = last_record_offset_;
  Frame(log_, 1, 20, 40, 20);  // partly
  Frame(log_, 1, 40, 50, 40);
  Guard(log_, 1, 50);
  const std::string path = journal_path_;
  ASSERT_TRUE(Check().good());
  ASSERT_TRUE(fs_.FlipBit(path, (inside + 60) * 8).ok());
  const FolderVerdict verdict = Check();
  ExpectBad(verdict, 19, path, "its copy in a segment is whole");
  EXPECT_EQ(verdict.logs[0].records, 19u);
}

TEST_F(FolderCheckerTest, FlippedByteOfAFrameThatIsPartlySealedNamesTheRecord) {
  Create(log_, "default", 1);
  Segment(log_, "default", 0, 30);
  Frame(log_, 1, 20, 40);
  const uint64_t last = last_record_offset_;
  Frame(log_, 1, 40, 50, 40);
  Guard(log_, 1, 50);
  ASSERT_TRUE(fs_.FlipBit(journal_path_, (last + 60) * 8).ok());
  ExpectBad(Check(), 39, journal_path_, "its bytes are not those that were written");
}

TEST_F(FolderCheckerTest, CopyWithoutPrivateKeysIsChecked) {
  Usual(log_);
  ASSERT_TRUE(fs_.RemoveDirectory(paths_.Keys()).ok());
  EXPECT_TRUE(Check({log_.key.verifier()}).good());
}

TEST_F(FolderCheckerTest, AcknowledgedRecordsBehindDamageAreMissed) {
  Create(log_, "default", 1);
  Frame(log_, 1, 0, 10);
  const std::string path = journal_path_;
  const uint64_t offset = last_record_offset_;
  Frame(log_, 1, 10, 20, 10);
  ASSERT_TRUE(fs_.FlipBit(path, (offset + 60) * 8).ok());
  const FolderVerdict verdict = Check();
  ExpectBad(verdict, 9, path, "not those that were written");
  ASSERT_EQ(verdict.notes.size(), 1u);
  EXPECT_THAT(verdict.notes[0], HasSubstr("the journal stops"));
}

TEST_F(FolderCheckerTest, TornTailThatNobodyWasToldAboutIsANote) {
  Create(log_, "default", 1);
  Frame(log_, 1, 0, 10);
  Frame(log_, 1, 10, 20, 10);
  ASSERT_TRUE(fs_.FlipBit(journal_path_, (last_record_offset_ + 60) * 8).ok());
  const FolderVerdict verdict = Check();
  EXPECT_TRUE(verdict.good());
  EXPECT_EQ(verdict.logs[0].records, 10u);
  EXPECT_EQ(verdict.notes.size(), 1u);
}

TEST_F(FolderCheckerTest, JournalWithAnotherRecordThanTheSegmentIsDataLoss) {
  Create(log_, "default", 1);
  Segment(log_, "default", 0, 30);
  WrittenLog other(25);
  other.Add("another", 40000);
  Frame(other, 1, 20, 26);
  ExpectBad(Check(), 25, journal_path_, "another one than the segment");
}

TEST_F(FolderCheckerTest, RecordOutOfOrderOfTimeIsNamed) {
  Create(log_, "default", 1);
  WrittenLog late(5);
  late.Add("late", 4000);
  Frame(late, 1, 0, 6);
  ExpectBad(Check(), 5, journal_path_, "received_at");
}

TEST_F(FolderCheckerTest, FrameWithAWrongRootIsDataLoss) {
  Create(log_, "default", 1);
  const WrittenLog other(20, "other.example");
  journal::FrameBuilder frame;
  frame.BeginSection(1, LogIndex(0), TreeSize(0));
  char* bytes = frame.AddRecord(log_.records[0].size());
  std::copy(log_.records[0].begin(), log_.records[0].end(), bytes);
  frame.EndSection(other.Root(1));
  const auto position = journal_->Append(frame);
  ASSERT_TRUE(position.ok());
  ASSERT_TRUE(journal_->Sync().ok());
  ExpectBad(Check(), 0, io::JoinPath(paths_.Journal(), journal::JournalFileName(position->file)),
            "its journal frame");
}

TEST_F(FolderCheckerTest, MissingSegmentNamesTheFirstMissingRecord) {
  Usual(log_);
  ASSERT_TRUE(fs_.Remove(segment_path_).ok());
  ExpectBad(Check(), 0, journal_path_, "missing: the journal goes on with record 20");
}

TEST_F(FolderCheckerTest, CutLogIsMissedByGuardAndCheckpoint) {
  Create(log_, "default", 1);
  Frame(log_, 1, 0, 40);
  Keep("default", log_.Checkpoint(45));
  ExpectBad(Check(), 40, "", "a signed checkpoint is of 45");
}

TEST_F(FolderCheckerTest, CheckpointOfAnotherTreeIsDataLoss) {
  Create(log_, "default", 1);
  Frame(log_, 1, 0, 50);
  WrittenLog other(25);
  other.key = log_.key;
  other.Add("another", 40000);
  Keep("default", log_.Checkpoint(20));
  Keep("default", other.Checkpoint(26));
  ExpectBad(Check(), 20, journal_path_, "a signed checkpoint says");
}

TEST_F(FolderCheckerTest, CheckpointOfAForeignKeyIsDataLoss) {
  Create(log_, "default", 1);
  Frame(log_, 1, 0, 50);
  Keep("default", WrittenLog(50).Checkpoint(50));
  const FolderVerdict verdict = Check();
  EXPECT_EQ(verdict.logs[0].status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(verdict.logs[0].bad_file, paths_.Checkpoints("default"));
}

TEST_F(FolderCheckerTest, OneBadLogLeavesTheOthersTheirVerdict) {
  const WrittenLog second(10, "log.example/second");
  Create(log_, "default", 1);
  Create(second, "second", 2);
  WrittenLog late(5);
  late.Add("late", 4000);
  Frame(late, 1, 0, 6);
  Frame(second, 2, 0, 10);
  const FolderVerdict verdict = Check();
  ASSERT_EQ(verdict.logs.size(), 2u);
  EXPECT_FALSE(verdict.good());
  EXPECT_EQ(verdict.logs[0].status.code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(verdict.logs[1].status.ok());
  EXPECT_EQ(verdict.logs[1].records, 10u);
}

TEST_F(FolderCheckerTest, RemovedLogIsAProblem) {
  Create(log_, "default", 1);
  const WrittenLog second(10, "log.example/second");
  Frame(second, 2, 0, 10);
  Guard(second, 2, 10);
  const FolderVerdict verdict = Check();
  EXPECT_FALSE(verdict.good());
  EXPECT_THAT(verdict.problems,
              ElementsAre(HasSubstr("the guard knows a log number 2"),
                          HasSubstr("the journal has records of a log number 2")));
}

TEST_F(FolderCheckerTest, FolderInUseIsRefused) {
  Usual(log_);
  FolderOptions options;
  options.folder = kFolder;
  EXPECT_EQ(CheckFolder(fs_, options).status().code(), absl::StatusCode::kFailedPrecondition);
  folder_.reset();
  EXPECT_TRUE(CheckFolder(fs_, options).ok());
  options.log = "other";
  EXPECT_EQ(CheckFolder(fs_, options).status().code(), absl::StatusCode::kNotFound);
  options.folder = "/elsewhere";
  EXPECT_EQ(CheckFolder(fs_, options).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(FolderCheckerTest, FinalSegmentsAndTheJournalBehindThem) {
  const WrittenLog large(store::kSegmentRecords + 20);
  Create(large, "default", 1);
  Segment(large, "default", 0, store::kSegmentRecords);
  // Replaced by the final one, and left behind.
  Segment(large, "default", 0, 100);
  Segment(large, "default", store::kSegmentRecords, store::kSegmentRecords + 10);
  Frame(large, 1, store::kSegmentRecords - 5, store::kSegmentRecords + 20);
  Guard(large, 1, store::kSegmentRecords + 20);
  Keep("default", large.Checkpoint(store::kSegmentRecords + 20));
  const FolderVerdict verdict = Check({large.key.verifier()});
  EXPECT_TRUE(verdict.good()) << verdict.logs[0].status;
  EXPECT_EQ(verdict.logs[0].records, store::kSegmentRecords + 20);
  EXPECT_EQ(verdict.logs[0].trust, Trust::kKeyPinned);
}

}  // namespace
}  // namespace graven::verify
