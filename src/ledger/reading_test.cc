// Proofs at every size, across segments and journal; many logs without a file handle each.
#include "io/file_system.h"
#include "ledger/ledger_fixture_test.h"
#include "merkle/frontier.h"
#include "merkle/proof.h"
#include "note/checkpoint.h"
#include "note/receipt_file.h"
#include "note/tlog_proof.h"

namespace graven::ledger {
namespace {

class ReadingTest : public LedgerTest {
 protected:
  // 600 records: the older ones in a provisional segment, the newer ones in the journal.
  void WriteAcrossSegmentAndJournal() {
    options.journal_files_max = 3;
    Open();
    for (int round = 0; round < 30; ++round) {
      std::vector<TestEvent> events = Events("r" + std::to_string(round) + "-", 20);
      for (TestEvent& event : events) event = Event(event.id, std::string(200, 'x'));
      ASSERT_TRUE(Append(events).status.ok());
      Publish();
      SealAll();
    }
    ASSERT_FALSE(disk.List("/data/logs/default/segments")->empty());
    ASSERT_GT(ledger->status().unsealed_records, 0u);
    hashes_ = Hashes(Default());
    ASSERT_EQ(hashes_.size(), 600u);
    roots_.push_back(merkle::Frontier().Root());
    merkle::Frontier frontier;
    for (const Hash& hash : hashes_) {
      frontier.Append(hash);
      roots_.push_back(frontier.Root());
    }
  }

  void CheckInclusion(uint64_t index, uint64_t size) {
    auto proof = ledger->InclusionProof(Default(), LogIndex(index), TreeSize(size));
    ASSERT_TRUE(proof.ok()) << proof.status();
    EXPECT_EQ(proof->leaf_hash, hashes_[index]);
    ASSERT_TRUE(merkle::CheckInclusion(LogIndex(index), TreeSize(size), hashes_[index],
                                       proof->hashes, roots_[size])
                    .ok())
        << index << " in " << size;
  }
  void CheckConsistency(uint64_t from, uint64_t to) {
    auto proof = ledger->ConsistencyProof(Default(), TreeSize(from), TreeSize(to));
    ASSERT_TRUE(proof.ok()) << proof.status();
    ASSERT_TRUE(merkle::CheckConsistency(TreeSize(from), TreeSize(to), proof->hashes, roots_[from],
                                         roots_[to])
                    .ok())
        << from << " to " << to;
  }

  std::vector<Hash> hashes_;
  std::vector<Hash> roots_;  // by size
};

TEST_F(ReadingTest, ProofsOfAllSizesCheckAcrossSegmentAndJournal) {
  WriteAcrossSegmentAndJournal();
  for (int life = 0; life < 2; ++life) {
    for (uint64_t size = 1; size <= 70; ++size) {
      for (uint64_t index = 0; index < size; ++index) CheckInclusion(index, size);
      for (uint64_t from = 1; from <= size; ++from) CheckConsistency(from, size);
    }
    for (uint64_t size = 71; size <= 600; size += 7) {
      for (uint64_t index = size % 5; index < size; index += 13) CheckInclusion(index, size);
      for (uint64_t from = 1 + size % 3; from <= size; from += 29) CheckConsistency(from, size);
    }
    CrashAndOpen();
  }
}

TEST_F(ReadingTest, RowsOfHashesAreThoseOfTheTreeAndEndWhereItEnds) {
  WriteAcrossSegmentAndJournal();
  for (int life = 0; life < 2; ++life) {
    for (int level : {0, 1, 3, 8, 9}) {
      const uint64_t whole = 600 >> level;
      for (uint64_t first = 0; first < whole; first += 1 + first / 3) {
        std::vector<Hash> row(whole - first);
        ASSERT_TRUE(ledger->ReadHashes(Default(), level, first, std::span(row)).ok());
        for (size_t i = 0; i < row.size(); ++i) {
          merkle::Frontier node;
          for (uint64_t leaf = (first + i) << level; leaf < (first + i + 1) << level; ++leaf) {
            node.Append(hashes_[leaf]);
          }
          ASSERT_EQ(row[i], node.Root()) << level << " " << first + i;
        }
      }
      Hash beyond;
      EXPECT_EQ(ledger->ReadHashes(Default(), level, whole, std::span(&beyond, 1)).code(),
                absl::StatusCode::kNotFound);
      EXPECT_EQ(ledger->ReadHashes(Default(), level, UINT64_MAX, std::span(&beyond, 1)).code(),
                absl::StatusCode::kNotFound);
    }
    KillAndOpen();
  }
}

TEST_F(ReadingTest, ProofsBeyondWhatIsPublishedOrOutOfOrderAreRefused) {
  WriteAcrossSegmentAndJournal();
  const LogRef log = Default();
  EXPECT_EQ(ledger->InclusionProof(log, LogIndex(0), TreeSize(601)).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(ledger->InclusionProof(log, LogIndex(600), TreeSize(0)).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(ledger->InclusionProof(log, LogIndex(10), TreeSize(10)).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ledger->ConsistencyProof(log, TreeSize(0), TreeSize(10)).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ledger->ConsistencyProof(log, TreeSize(11), TreeSize(10)).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ledger->ConsistencyProof(log, TreeSize(1), TreeSize(601)).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(ReadingTest, AReceiptOfAnyRecordVerifiesOffline) {
  WriteAcrossSegmentAndJournal();
  auto key = note::VerifierKey::Parse(ledger->Info(Default()).vkey);
  const std::vector<std::string> records = Records(Default());
  for (uint64_t index : {0u, 1u, 255u, 256u, 300u, 599u}) {
    auto file = ledger->Receipt(Default(), LogIndex(index));
    ASSERT_TRUE(file.ok()) << file.status();
    auto proof = note::ParseTlogProof(*file);
    ASSERT_TRUE(proof.ok()) << proof.status();
    EXPECT_EQ(note::DecodeReceiptExtra(*proof->extra)->record, records[index]);
    auto checkpoint = note::OpenCheckpoint(proof->checkpoint, *key);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    EXPECT_TRUE(merkle::CheckInclusion(LogIndex(index), checkpoint->size, hashes_[index],
                                       proof->hashes, checkpoint->root)
                    .ok());
  }
}

TEST_F(ReadingTest, AnIdIsFoundInSegmentAndJournal) {
  WriteAcrossSegmentAndJournal();
  EXPECT_EQ(ledger->FindEvent(Default(), "r0-3")->value, 3u);
  EXPECT_EQ(ledger->FindEvent(Default(), "r29-19")->value, 599u);
  EXPECT_EQ(ledger->FindEvent(Default(), "r30-0").status().code(), absl::StatusCode::kNotFound);
  CrashAndOpen();
  EXPECT_EQ(ledger->FindEvent(Default(), "r0-3")->value, 3u);
}

TEST_F(ReadingTest, AFlippedBitInASegmentIsDataLossAndNeverWrongBytes) {
  WriteAcrossSegmentAndJournal();
  ASSERT_TRUE(ledger->Close().ok());
  ledger.reset();
  const std::string path =
      "/data/logs/default/segments/" + disk.List("/data/logs/default/segments")->front();
  // In the first block, behind the file's header.
  ASSERT_TRUE(disk.FlipBit(path, 200 * 8).ok());
  ASSERT_EQ(disk.Counts().bit_flips, 1u);
  Open();
  absl::Status read = ledger->ReadRecords(
      Default(), LogIndex(0), 1, [](LogIndex, std::string_view, const Hash&) { return true; });
  EXPECT_EQ(read.code(), absl::StatusCode::kDataLoss) << read;
  EXPECT_EQ(ledger->Receipt(Default(), LogIndex(0)).status().code(), absl::StatusCode::kDataLoss);
}

// Counts the files that are open.
class CountingFile final : public io::File {
 public:
  CountingFile(std::unique_ptr<io::File> below, int* open) : below_(std::move(below)), open_(open) {
    ++*open_;
  }
  ~CountingFile() override { --*open_; }
  absl::Status ReadAt(uint64_t offset, std::span<char> out) override {
    return below_->ReadAt(offset, out);
  }
  absl::Status WriteAt(uint64_t offset, std::string_view data) override {
    return below_->WriteAt(offset, data);
  }
  absl::Status Sync() override { return below_->Sync(); }
  absl::StatusOr<uint64_t> Size() override { return below_->Size(); }
  absl::Status Truncate(uint64_t size) override { return below_->Truncate(size); }

 private:
  const std::unique_ptr<io::File> below_;
  int* const open_;
};

class CountingFileSystem final : public io::FileSystem {
 public:
  explicit CountingFileSystem(io::FileSystem& below) : below_(below) {}
  absl::StatusOr<std::unique_ptr<io::File>> Open(const std::string& path, io::OpenMode mode,
                                                 uint32_t permissions) override {
    ASSIGN_OR_RETURN(auto file, below_.Open(path, mode, permissions));
    auto counted = std::make_unique<CountingFile>(std::move(file), &open);
    open_max = std::max(open_max, open);
    return counted;
  }
  absl::Status Rename(const std::string& from, const std::string& to) override {
    return below_.Rename(from, to);
  }
  absl::Status Remove(const std::string& path) override { return below_.Remove(path); }
  absl::Status MakeDirectory(const std::string& path, uint32_t permissions) override {
    return below_.MakeDirectory(path, permissions);
  }
  absl::Status RemoveDirectory(const std::string& path) override {
    return below_.RemoveDirectory(path);
  }
  absl::StatusOr<std::vector<std::string>> List(const std::string& path) override {
    return below_.List(path);
  }
  absl::Status SyncDirectory(const std::string& path) override {
    return below_.SyncDirectory(path);
  }
  absl::StatusOr<io::FileInfo> Stat(const std::string& path) override { return below_.Stat(path); }
  absl::StatusOr<uint64_t> FreeBytes(const std::string& path) override {
    return below_.FreeBytes(path);
  }
  absl::StatusOr<std::unique_ptr<io::FolderLock>> Lock(const std::string& path) override {
    return below_.Lock(path);
  }

  int open = 0;
  int open_max = 0;

 private:
  io::FileSystem& below_;
};

TEST_F(ReadingTest, AThousandLogsNeedNoFileHandleEach) {
  CountingFileSystem counting(disk);
  options.journal_file_bytes = 256 * 1024;
  options.segment_readers_max = 8;
  for (int life = 0; life < 2; ++life) {
    ledger.reset();
    auto opened = Ledger::Open(counting, clock, random, options);
    ASSERT_TRUE(opened.ok()) << opened.status();
    ledger = *std::move(opened);
    for (int i = 0; life == 0 && i < 1000; ++i) {
      ASSERT_TRUE(ledger->CreateLog("log-" + std::to_string(i), "", 100).ok());
    }
    const std::string round = "life" + std::to_string(life) + "-";
    for (const LogRef& log : ledger->Logs()) {
      ASSERT_TRUE(Append(log, Events(round, 2)).status.ok());
      if (log.number() % 100 == 0) {
        Publish();
        SealAll();
      }
    }
    Publish();
    for (const LogRef& log : ledger->Logs()) ASSERT_TRUE(ledger->Receipt(log, LogIndex(0)).ok());
    ASSERT_EQ(ledger->Logs().size(), 1001u);
    EXPECT_LT(counting.open, 32);
    EXPECT_LT(counting.open_max, 40);
  }
  ledger.reset();  // before the file system that counts
}

}  // namespace
}  // namespace graven::ledger
