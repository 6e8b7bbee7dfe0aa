// The scrubber finds what is done to stored bytes behind the server's back, and names it.
#include "ledger/scrubber.h"

#include "io/durable_file.h"
#include "ledger/duplicate_finder.h"
#include "ledger/ledger_fixture_test.h"
#include "ledger/ledger_scrubber.h"
#include "store/data_folder.h"
#include "store/segment_writer.h"
#include "store/time_stamps.h"

namespace graven::ledger {
namespace {

using testing::AllOf;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

class ScrubberTest : public LedgerTest {
 protected:
  // 300 records: 200 in a provisional segment, the rest in the journal, some of another log too.
  void WriteSegmentAndJournal() {
    options.journal_files_max = 3;
    Open();
    ASSERT_TRUE(ledger->CreateLog("other", "example.org/other", 0).ok());
    for (int round = 0; round < 30; ++round) {
      std::vector<TestEvent> events = Events("r" + std::to_string(round) + "-", 20);
      for (TestEvent& event : events) event = Event(event.id, std::string(200, 'x'));
      ASSERT_TRUE(Append(events).status.ok());
      ASSERT_TRUE(Append(ledger->FindLog("other"), {events[0]}).status.ok());
      Publish();
      SealAll();
    }
    segment_ = OnlySegment();
    ASSERT_GT(ledger->status().unsealed_records, 0u);
    Scrub();
  }
  void Scrub() {
    scrubber_ =
        ledger->MakeScrubber([this](const ScrubFinding& found) { found_.push_back(found); });
  }
  std::string OnlySegment() {
    const auto names = disk.List("/data/logs/default/segments");
    EXPECT_EQ(names->size(), 1u);
    return "/data/logs/default/segments/" + names->front();
  }
  // Steps until a round has ended; how many.
  int Round() {
    for (int steps = 1; steps < 1000; ++steps) {
      const absl::StatusOr<bool> ended = scrubber_->Step(nullptr);
      EXPECT_TRUE(ended.ok()) << ended.status();
      if (!ended.ok() || *ended) return steps;
    }
    ADD_FAILURE() << "a round does not end";
    return 0;
  }
  void Flip(const std::string& path, uint64_t byte) {
    ASSERT_TRUE(disk.FlipBit(path, byte * 8).ok());
    ASSERT_EQ(disk.Counts().bit_flips, ++bits_);
  }
  std::string Contents(const std::string& path) {
    const auto bytes = io::ReadWholeFile(disk, path, uint64_t{1} << 30);
    EXPECT_TRUE(bytes.ok()) << bytes.status();
    return bytes.value_or("");
  }

  std::string segment_;
  std::unique_ptr<Scrubber> scrubber_;
  std::vector<ScrubFinding> found_;
  uint64_t bits_ = 0;
};

TEST_F(ScrubberTest, SoundFolderYieldsNothingAndEveryRecordIsHashed) {
  WriteSegmentAndJournal();
  Round();
  EXPECT_THAT(found_, IsEmpty());
  const ScrubStatus status = scrubber_->status();
  EXPECT_EQ(status.rounds, 1u);
  EXPECT_EQ(status.last_round_ended_ns, clock.wall_ns);
  EXPECT_GE(status.records, 630u);
  EXPECT_GT(status.bytes, 20'000u);
  EXPECT_EQ(status.findings_count, 0u);
}

TEST_F(ScrubberTest, EveryFlippedByteOfASegmentIsFoundInItsFile) {
  WriteSegmentAndJournal();
  const uint64_t size = disk.Stat(segment_)->size;
  for (uint64_t byte = 0; byte < size; byte += 1 + size / 60) {
    found_.clear();
    Scrub();
    Flip(segment_, byte);
    Round();
    ASSERT_EQ(found_.size(), 1u) << "byte " << byte << " of " << size;
    EXPECT_EQ(found_[0].kind, ScrubKind::kRecord);
    EXPECT_EQ(found_[0].log, "default");
    EXPECT_EQ(found_[0].file, segment_);
    EXPECT_TRUE(found_[0].first_bad.has_value());
    Flip(segment_, byte);
  }
}

TEST_F(ScrubberTest, FlippedByteOfARecordNamesTheRecord) {
  WriteSegmentAndJournal();
  const std::vector<std::string> files = JournalFiles();
  const auto holder = std::find_if(files.begin(), files.end(), [this](const std::string& file) {
    return Contents(file).find("r29-7") != std::string::npos;
  });
  ASSERT_NE(holder, files.end());
  const std::string path = *holder;
  FlipIn(path, "r29-7");
  Round();
  ASSERT_EQ(found_.size(), 1u);
  EXPECT_EQ(found_[0].kind, ScrubKind::kRecord);
  EXPECT_EQ(found_[0].log, "default");
  EXPECT_EQ(found_[0].first_bad, LogIndex(29 * 20 + 7));
  EXPECT_EQ(found_[0].file, path);
  EXPECT_GT(found_[0].offset, 0u);
  EXPECT_THAT(found_[0].Text(), HasSubstr("first bad record 587"));
}

TEST_F(ScrubberTest, UnlinkedSegmentIsFoundAlthoughItIsOpen) {
  WriteSegmentAndJournal();
  ASSERT_EQ(Records(Default()).size(), 600u);  // so that it is open
  scrubber_->Watch();
  ASSERT_THAT(found_, IsEmpty());
  ASSERT_TRUE(disk.Remove(segment_).ok());
  ASSERT_EQ(Records(Default()).size(), 600u);  // the server itself notices nothing
  scrubber_->Watch();
  ASSERT_EQ(found_.size(), 1u);
  EXPECT_EQ(found_[0].kind, ScrubKind::kFile);
  EXPECT_EQ(found_[0].file, segment_);
  EXPECT_EQ(found_[0].first_bad, LogIndex(0));
  EXPECT_THAT(found_[0].what, HasSubstr("gone"));
}

TEST_F(ScrubberTest, FileReplacedByAnEqualOneIsFound) {
  WriteSegmentAndJournal();
  scrubber_->Watch();
  const uint64_t inode = disk.Stat(segment_)->inode;
  ASSERT_TRUE(io::WriteFileDurably(disk, segment_, Contents(segment_)).ok());
  ASSERT_NE(disk.Stat(segment_)->inode, inode);
  scrubber_->Watch();
  ASSERT_EQ(found_.size(), 1u);
  EXPECT_EQ(found_[0].kind, ScrubKind::kFile);
  EXPECT_THAT(found_[0].what, HasSubstr("another file stands in its place"));
  scrubber_->Watch();
  EXPECT_EQ(found_.size(), 1u) << "told once";
}

// The same records with one changed, chained and hashed anew: checksums do not show it.
TEST_F(ScrubberTest, SegmentOfAnotherHistoryIsFoundAlthoughItIsSound) {
  WriteSegmentAndJournal();
  const auto reader = store::SegmentReader::Open(disk, segment_);
  ASSERT_TRUE(reader.ok()) << reader.status();
  const auto metas = store::ReadLogMetas(disk, store::DataPaths("/data"));
  ASSERT_TRUE(metas.ok() && metas->front().name == "default");
  store::SegmentMeta meta{(*reader)->origin_hash(), (*reader)->first(), (*reader)->previous_hash()};
  ASSERT_TRUE(disk.MakeDirectory("/forged").ok());
  auto writer = store::SegmentWriter::Create(disk, "/forged", meta, store::SegmentCodec::kZstd);
  ASSERT_TRUE(writer.ok()) << writer.status();
  Hash previous = (*reader)->previous_hash();
  const uint64_t count = (*reader)->record_count();
  ASSERT_TRUE((*reader)
                  ->ReadRecords(LogIndex(0), count,
                                [&](LogIndex index, std::string_view bytes, const Hash&) {
                                  std::string forged(bytes);
                                  record::RecordHeader header = *record::Decode(forged);
                                  header.previous_hash = previous;
                                  if (index == LogIndex(5)) header.received_at_ns += 1;
                                  std::string encoded(record::EncodedSize(header), '\0');
                                  record::Encode(header, encoded.data());
                                  previous = record::RecordHash(encoded);
                                  return (*writer)->Add(
                                      encoded, previous,
                                      store::EventFingerprint(metas->front().fingerprint_key,
                                                              EventIdOf(header)));
                                })
                  .ok());
  const auto summary = (*writer)->Finish();
  ASSERT_TRUE(summary.ok()) << summary.status();
  ASSERT_TRUE(disk.Rename(summary->path, segment_).ok());
  Round();
  ASSERT_EQ(found_.size(), 1u);
  EXPECT_EQ(found_[0].kind, ScrubKind::kRecord);
  EXPECT_EQ(found_[0].file, segment_);
  EXPECT_THAT(found_[0].what, HasSubstr("not the ones that are in the tree"));
}

TEST_F(ScrubberTest, CutKeyAndCutJournalFileAreFound) {
  WriteSegmentAndJournal();
  scrubber_->Watch();
  const std::string journal = JournalFiles().front();
  for (const std::string& path : {std::string("/data/keys/default"), journal}) {
    auto file = disk.Open(path, io::OpenMode::kReadWrite);
    ASSERT_TRUE((*file)->Truncate(10).ok());
  }
  scrubber_->Watch();
  ASSERT_EQ(found_.size(), 2u);
  EXPECT_EQ(found_[0].file, "/data/keys/default");
  EXPECT_THAT(found_[0].what, HasSubstr("has 10 bytes, had"));
  EXPECT_EQ(found_[1].file, journal);
}

TEST_F(ScrubberTest, DamagedKeptCheckpointIsFound) {
  WriteSegmentAndJournal();
  const std::string path = "/data/logs/default/checkpoints";
  clock.steady_ns += 61'000'000'000;
  ASSERT_TRUE(Append({Event("later")}).status.ok());
  Publish();
  SealAll();
  FlipIn(path, ledger->FindLog("default").origin());
  Round();
  ASSERT_EQ(found_.size(), 1u);
  EXPECT_EQ(found_[0].kind, ScrubKind::kCheckpoint);
  EXPECT_EQ(found_[0].file, path);
}

TEST_F(ScrubberTest, OldGuardPutBackUnderARunningServerIsFound) {
  Open();
  Publish();
  const std::string old = Contents("/data/guard");
  ASSERT_TRUE(Append({Event("a")}).status.ok());
  Publish();
  Scrub();
  Round();
  ASSERT_THAT(found_, IsEmpty());
  ASSERT_TRUE(io::WriteFileDurably(disk, "/data/guard", old).ok());
  Round();
  ASSERT_EQ(found_.size(), 1u);
  EXPECT_EQ(found_[0].kind, ScrubKind::kCheckpoint);
  EXPECT_THAT(found_[0].what, HasSubstr("rolled back"));
}

TEST_F(ScrubberTest, GuardThatIsRemovedUnderARunningServerIsFoundAtTheNextLook) {
  WriteSegmentAndJournal();
  scrubber_->Watch();
  ASSERT_THAT(found_, IsEmpty());
  ASSERT_TRUE(disk.Remove("/data/guard").ok());
  scrubber_->Watch();
  ASSERT_EQ(found_.size(), 1u);
  EXPECT_EQ(found_[0].kind, ScrubKind::kFile);
  EXPECT_EQ(found_[0].file, "/data/guard");
  EXPECT_THAT(found_[0].what, HasSubstr("gone"));
}

TEST_F(ScrubberTest, GuardThatTheServerMakesLargerIsNoFinding) {
  WriteSegmentAndJournal();
  scrubber_->Watch();
  const uint64_t before = Contents("/data/guard").size();
  for (int i = 0; Contents("/data/guard").size() == before; ++i) {
    ASSERT_LT(i, 1000) << "the guard does not grow";
    ASSERT_TRUE(ledger->CreateLog("log-" + std::to_string(i), "", 0).ok());
  }
  scrubber_->Watch();
  EXPECT_THAT(found_, IsEmpty());
}

TEST_F(ScrubberTest, KeptCheckpointsThatAreRemovedAreFoundAndNewOnesAreNot) {
  WriteSegmentAndJournal();
  const std::string path = "/data/logs/default/checkpoints";
  scrubber_->Watch();
  if (!disk.Stat(path).ok()) {
    clock.steady_ns += 3600 * int64_t{1'000'000'000};  // the next one is kept
    clock.wall_ns += 3600 * int64_t{1'000'000'000};
    ASSERT_TRUE(Append({Event("one-more")}).status.ok());
    Publish();
  }
  ASSERT_TRUE(disk.Stat(path).ok());
  scrubber_->Watch();
  ASSERT_THAT(found_, IsEmpty());
  ASSERT_TRUE(disk.Remove(path).ok());
  scrubber_->Watch();
  ASSERT_EQ(found_.size(), 1u);
  EXPECT_EQ(found_[0].kind, ScrubKind::kFile);
  EXPECT_EQ(found_[0].file, path);
}

// Two notes are kept in each of the two files; both are known to the scrubber.
class KeptFilesTest : public ScrubberTest {
 protected:
  void SetUp() override {
    WriteSegmentAndJournal();
    for (const char* id : {"k1", "k2"}) KeepAndStamp(id);
    Round();
    scrubber_->Watch();
    ASSERT_THAT(found_, IsEmpty());
  }
  // One more note in each.
  void KeepAndStamp(const std::string& id) {
    clock.steady_ns += 61'000'000'000;
    clock.wall_ns += 61'000'000'000;
    ASSERT_TRUE(Append({Event(id)}).status.ok());
    Publish();
    SealAll();
    const std::string note = ledger->GetPublished(Default())->checkpoint;
    ASSERT_TRUE(ledger->AddTimeStamp(Default(), note, "token of " + id).ok());
  }
  // Where each frame of the file begins, and its end.
  std::vector<uint64_t> Frames(const std::string& path, const store::FrameWords& words) {
    std::vector<uint64_t> bounds{store::kFirstFrameOffset};
    const absl::Status read = store::CheckpointsFile::ForEach(
        disk, path,
        [&](std::string_view note) {
          bounds.push_back(bounds.back() + store::CheckpointFrameBytes(note.size()));
          return absl::OkStatus();
        },
        words);
    EXPECT_TRUE(read.ok()) << read;
    return bounds;
  }
  void CutTo(const std::string& path, uint64_t bytes) {
    const auto file = disk.Open(path, io::OpenMode::kReadWrite);
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_TRUE((*file)->Truncate(bytes).ok());
  }

  const std::string checkpoints_ = "/data/logs/default/checkpoints";
  const std::string stamps_ = "/data/logs/default/time-stamps";
  const std::pair<std::string, store::FrameWords> files_[2] = {
      {checkpoints_, store::kCheckpointWords}, {stamps_, store::kTimeStampWords}};
};

TEST_F(KeptFilesTest, LastFrameCutOffIsFoundAtTheNextLook) {
  for (const auto& [path, words] : files_) {
    const std::vector<uint64_t> bounds = Frames(path, words);
    ASSERT_GE(bounds.size(), 3u) << path;
    found_.clear();
    CutTo(path, bounds[bounds.size() - 2]);
    scrubber_->Watch();
    ASSERT_EQ(found_.size(), 1u) << path;
    EXPECT_EQ(found_[0].kind, ScrubKind::kFile);
    EXPECT_EQ(found_[0].log, "default");
    EXPECT_EQ(found_[0].file, path);
    EXPECT_THAT(found_[0].what, HasSubstr("was cut"));
    // Cut to nothing, its first bytes too.
    CutTo(path, 0);
    scrubber_->Watch();
    ASSERT_EQ(found_.size(), 2u) << path;
    EXPECT_THAT(found_[1].what, HasSubstr("end at byte 0"));
  }
}

// What is left is valid, and as long as before: only memory tells.
TEST_F(KeptFilesTest, FrameTakenOutBeforeTheNextOneCameIsFoundByTheRotation) {
  for (const auto& [path, words] : files_) {
    const std::vector<uint64_t> bounds = Frames(path, words);
    CutTo(path, bounds[bounds.size() - 2]);
  }
  KeepAndStamp("k3");
  KeepAndStamp("k4");
  found_.clear();
  Round();
  for (const auto& [path, words] : files_) {
    const auto found =
        std::find_if(found_.begin(), found_.end(), [file = path](const ScrubFinding& one) {
          return one.file == file && one.kind == ScrubKind::kCheckpoint;
        });
    ASSERT_NE(found, found_.end()) << path;
    EXPECT_THAT(found->what, HasSubstr("not those that it held"));
  }
}

TEST_F(KeptFilesTest, FlippedByteOfATimeStampIsFoundAndItsFrameNamed) {
  const std::vector<uint64_t> bounds = Frames(stamps_, store::kTimeStampWords);
  ASSERT_GE(bounds.size(), 3u);
  // The last frame has a test of its own: a bad one could be what a crash left.
  for (size_t i = 0; i + 2 < bounds.size(); ++i) {
    // In the note, in the token, in the checksum.
    for (const uint64_t byte : {bounds[i] + 40, bounds[i + 1] - 10, bounds[i + 1] - 1}) {
      Scrub();
      found_.clear();
      Flip(stamps_, byte);
      Round();
      ASSERT_EQ(found_.size(), 1u) << "byte " << byte;
      EXPECT_EQ(found_[0].kind, ScrubKind::kCheckpoint);
      EXPECT_EQ(found_[0].file, stamps_);
      EXPECT_EQ(found_[0].offset, bounds[i]);
      Flip(stamps_, byte);
    }
  }
}

TEST_F(KeptFilesTest, FlippedByteOfTheLastFrameIsFoundByWhoHasSeenItWhole) {
  for (const auto& [path, words] : files_) {
    const std::vector<uint64_t> bounds = Frames(path, words);
    found_.clear();
    Flip(path, bounds.back() - 10);
    Round();
    ASSERT_EQ(found_.size(), 1u) << path;
    EXPECT_EQ(found_[0].kind, ScrubKind::kCheckpoint);
    EXPECT_EQ(found_[0].file, path);
    EXPECT_THAT(found_[0].what, HasSubstr("some were taken away"));
  }
}

TEST_F(KeptFilesTest, RemovedTimeStampsAreFoundAtTheNextLook) {
  ASSERT_TRUE(disk.Remove(stamps_).ok());
  scrubber_->Watch();
  ASSERT_EQ(found_.size(), 1u);
  EXPECT_EQ(found_[0].kind, ScrubKind::kFile);
  EXPECT_EQ(found_[0].file, stamps_);
}

TEST_F(KeptFilesTest, TornEndThatTheServerCutsIsNoFinding) {
  for (const auto& [path, words] : files_) {
    const auto file = disk.Open(path, io::OpenMode::kReadWrite);
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_TRUE((*file)->WriteAt(*(*file)->Size(), std::string(5000, 't')).ok());
    ASSERT_TRUE((*file)->Sync().ok());
  }
  scrubber_->Watch();
  const uint64_t torn_bytes = disk.Stat(stamps_)->size;
  KeepAndStamp("k3");
  ASSERT_LT(disk.Stat(stamps_)->size, torn_bytes) << "it was not cut";
  scrubber_->Watch();
  Round();
  EXPECT_THAT(found_, IsEmpty());
}

TEST_F(ScrubberTest, PlaceIsKeptOverRestartsAndDamageIsLookedAtFirst) {
  WriteSegmentAndJournal();
  const int steps = Round();
  ASSERT_TRUE(scrubber_->Step(nullptr).ok());
  ASSERT_TRUE(scrubber_->KeepPlace().ok());
  scrubber_.reset();
  CrashAndOpen();
  Scrub();
  EXPECT_EQ(scrubber_->status().rounds, 1u);
  EXPECT_EQ(Round(), steps - 1) << "one step had been done";
  EXPECT_EQ(scrubber_->status().rounds, 2u);

  Flip(segment_, 100);
  ASSERT_TRUE(scrubber_->Step(nullptr).ok());
  ASSERT_EQ(found_.size(), 1u);
  Round();
  ASSERT_TRUE(scrubber_->KeepPlace().ok());
  ledger.reset();
  ASSERT_FALSE(ParseScrubPlace(Contents("/data/scrub")).in_journal);
  ASSERT_TRUE(TryOpen().ok());
  Scrub();
  found_.clear();
  ASSERT_TRUE(scrubber_->Step(nullptr).ok());
  EXPECT_EQ(found_.size(), 1u) << "the first step after the start finds it again";
}

TEST_F(ScrubberTest, UnreadablePlaceIsTheBeginning) {
  WriteSegmentAndJournal();
  const int steps = Round();
  ASSERT_TRUE(scrubber_->Step(nullptr).ok());
  ASSERT_TRUE(scrubber_->KeepPlace().ok());
  Flip("/data/scrub", 3);
  Scrub();
  EXPECT_EQ(Round(), steps);
  EXPECT_THAT(found_, IsEmpty());
}

TEST_F(ScrubberTest, StepThatIsBrokenOffIsDoneAgain) {
  WriteSegmentAndJournal();
  Flip(segment_, 4000);
  const absl::StatusOr<bool> stopped =
      scrubber_->Step([](uint64_t) { return absl::CancelledError("stop"); });
  if (stopped.ok()) {
    // The damage came before the first pause: it is found all the same.
    EXPECT_EQ(found_.size(), 1u);
    return;
  }
  EXPECT_EQ(stopped.status().code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(found_, IsEmpty());
  ASSERT_TRUE(scrubber_->Step(nullptr).ok());
  EXPECT_EQ(found_.size(), 1u);
}

TEST_F(ScrubberTest, AppendsAndSealingMeanwhileAreNoFindings) {
  WriteSegmentAndJournal();
  for (int round = 0; round < 40; ++round) {
    std::vector<TestEvent> events = Events("m" + std::to_string(round) + "-", 20);
    for (TestEvent& event : events) event = Event(event.id, std::string(200, 'y'));
    ASSERT_TRUE(Append(events).status.ok());
    ASSERT_TRUE(scrubber_
                    ->Step([&](uint64_t) {
                      SealAll();  // under its feet
                      scrubber_->Watch();
                      return absl::OkStatus();
                    })
                    .ok());
    Publish();
    SealAll();
    scrubber_->Watch();
  }
  Round();
  EXPECT_THAT(found_, IsEmpty());
}

TEST(ScrubPlace, IsReadBackAndNothingElseIsRead) {
  const ScrubPlace place{true, 7, 65'536, 3, 1'700'000'000'000'000'000};
  const std::string text = FormatScrubPlace(place);
  const ScrubPlace read = ParseScrubPlace(text);
  EXPECT_TRUE(read.in_journal);
  EXPECT_EQ(read.log_number, 7u);
  EXPECT_EQ(read.first, 65'536u);
  EXPECT_EQ(read.rounds, 3u);
  EXPECT_EQ(read.last_round_ended_ns, 1'700'000'000'000'000'000);
  for (size_t cut = 0; cut < text.size(); ++cut) {
    EXPECT_EQ(ParseScrubPlace(text.substr(0, cut)).rounds, 0u);
  }
  EXPECT_EQ(ParseScrubPlace(text + "x").rounds, 0u);
}

}  // namespace
}  // namespace graven::ledger
