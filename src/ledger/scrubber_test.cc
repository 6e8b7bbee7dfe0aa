// The scrubber finds what is done to stored bytes behind the server's back, and names it.
#include "scrub/scrubber.h"

#include <algorithm>

#include "io/durable_file.h"
#include "ledger/scrubber_fixture_test.h"
#include "record/encoded_test.h"
#include "record/event_id.h"
#include "scrub/place.h"
#include "store/data_folder.h"
#include "store/segment_reader.h"
#include "store/segment_writer.h"

namespace graven::ledger {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(ScrubberTest, SoundFolderYieldsNothingAndEveryRecordIsHashed) {
  WriteSegmentAndJournal();
  Round();
  EXPECT_THAT(found_, IsEmpty());
  const scrub::State status = scrubber_->status();
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
    EXPECT_EQ(found_[0].kind, scrub::FindingKind::kRecord);
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
  EXPECT_EQ(found_[0].kind, scrub::FindingKind::kRecord);
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
  EXPECT_EQ(found_[0].kind, scrub::FindingKind::kFile);
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
  EXPECT_EQ(found_[0].kind, scrub::FindingKind::kFile);
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
                                  std::string encoded = record::Encoded(header);
                                  previous = record::RecordHash(encoded);
                                  return (*writer)->Add(
                                      encoded, previous,
                                      store::EventFingerprint(metas->front().fingerprint_key,
                                                              record::EventIdOf(header)));
                                })
                  .ok());
  const auto summary = (*writer)->Finish();
  ASSERT_TRUE(summary.ok()) << summary.status();
  ASSERT_TRUE(disk.Rename(summary->path, segment_).ok());
  Round();
  ASSERT_EQ(found_.size(), 1u);
  EXPECT_EQ(found_[0].kind, scrub::FindingKind::kRecord);
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
  EXPECT_EQ(found_[0].kind, scrub::FindingKind::kCheckpoint);
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
  EXPECT_EQ(found_[0].kind, scrub::FindingKind::kCheckpoint);
  EXPECT_THAT(found_[0].what, HasSubstr("rolled back"));
}

TEST_F(ScrubberTest, GuardThatIsRemovedUnderARunningServerIsFoundAtTheNextLook) {
  WriteSegmentAndJournal();
  scrubber_->Watch();
  ASSERT_THAT(found_, IsEmpty());
  ASSERT_TRUE(disk.Remove("/data/guard").ok());
  scrubber_->Watch();
  ASSERT_EQ(found_.size(), 1u);
  EXPECT_EQ(found_[0].kind, scrub::FindingKind::kFile);
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
  EXPECT_EQ(found_[0].kind, scrub::FindingKind::kFile);
  EXPECT_EQ(found_[0].file, path);
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
  ASSERT_FALSE(scrub::ParsePlace(Contents("/data/scrub")).in_journal);
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

}  // namespace
}  // namespace graven::ledger
