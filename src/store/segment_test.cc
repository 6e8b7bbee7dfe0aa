#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/encoding.h"
#include "base/seeded_random_test.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "gtest/gtest.h"
#include "io/simulated_file_system.h"
#include "merkle/frontier.h"
#include "record/encoded_test.h"
#include "record/record.h"
#include "store/segment_format.h"
#include "store/segment_reader.h"
#include "store/segment_writer.h"

namespace graven::store {
namespace {

using io::FaultKind;
using io::Operation;
using io::SimulatedFileSystem;

constexpr char kDir[] = "/segments";

// A chain of records, as plain values.
struct Chain {
  Hash previous;
  uint64_t first = 0;
  std::vector<std::string> records;
  std::vector<Hash> hashes;
  std::vector<uint64_t> fingerprints;
};

Chain MakeChain(uint64_t first, size_t count, size_t body_bytes, uint64_t seed = 3) {
  SeededRandom random(seed);
  Chain chain;
  chain.first = first;
  random.Fill(chain.previous.bytes);
  Hash previous = chain.previous;
  for (size_t i = 0; i < count; ++i) {
    std::string body(body_bytes + random.Below(16), 'a');
    for (size_t at = 0; at < body.size(); at += 8) {
      body[at] = static_cast<char>('a' + random.Below(26));
    }
    record::RecordHeader header;
    header.index = LogIndex(first + i);
    header.received_at_ns = static_cast<int64_t>(1000 + i);
    header.previous_hash = previous;
    header.written_by = "anonymous";
    header.body = body;
    std::string& bytes = chain.records.emplace_back(record::Encoded(header));
    previous = record::RecordHash(bytes);
    chain.hashes.push_back(previous);
    chain.fingerprints.push_back(random.Next());
  }
  return chain;
}

class SegmentTest : public testing::Test {
 protected:
  SegmentTest() {
    EXPECT_EQ(fs_.MakeDirectory(kDir), absl::OkStatus());
    EXPECT_EQ(fs_.SyncDirectory("/"), absl::OkStatus());
  }

  absl::StatusOr<SegmentSummary> Write(const Chain& chain, SegmentCodec codec) {
    SegmentMeta meta{Sha256("origin"), LogIndex(chain.first), chain.previous};
    ASSIGN_OR_RETURN(const std::unique_ptr<SegmentWriter> writer,
                     SegmentWriter::Create(fs_, kDir, meta, codec));
    for (size_t i = 0; i < chain.records.size(); ++i) {
      RETURN_IF_ERROR(writer->Add(chain.records[i], chain.hashes[i], chain.fingerprints[i]));
    }
    return writer->Finish();
  }

  // Writes and opens; the file is `path_` then.
  std::unique_ptr<SegmentReader> Make(const Chain& chain, SegmentCodec codec) {
    const absl::StatusOr<SegmentSummary> summary = Write(chain, codec);
    EXPECT_TRUE(summary.ok()) << summary.status();
    path_ = summary->path;
    absl::StatusOr<std::unique_ptr<SegmentReader>> reader = SegmentReader::Open(fs_, path_);
    EXPECT_TRUE(reader.ok()) << reader.status();
    return *std::move(reader);
  }

  static std::vector<std::string> ReadAll(const SegmentReader& reader, uint64_t first,
                                          uint64_t count) {
    std::vector<std::string> records;
    const absl::Status status = reader.ReadRecords(
        LogIndex(first), count, [&](LogIndex index, std::string_view record, const Hash& hash) {
          EXPECT_EQ(index.value, first + records.size());
          EXPECT_EQ(hash, record::RecordHash(record));
          records.emplace_back(record);
          return absl::OkStatus();
        });
    EXPECT_EQ(status, absl::OkStatus());
    return records;
  }

  SimulatedFileSystem fs_{5};
  std::string path_;
};

TEST_F(SegmentTest, RecordsComeBackByteForByte) {
  for (const SegmentCodec codec : {SegmentCodec::kRaw, SegmentCodec::kZstd}) {
    for (const size_t count : {size_t{1}, size_t{255}, size_t{256}, size_t{257}, size_t{3000}}) {
      const Chain chain = MakeChain(2 * kSegmentRecords, count, 200);
      const std::unique_ptr<SegmentReader> reader = Make(chain, codec);
      EXPECT_EQ(ReadAll(*reader, chain.first, count), chain.records);
      EXPECT_EQ(reader->first(), LogIndex(chain.first));
      EXPECT_EQ(reader->end(), LogIndex(chain.first + count));
      EXPECT_EQ(reader->previous_hash(), chain.previous);
      EXPECT_EQ(reader->last_hash(), chain.hashes.back());
      EXPECT_EQ(reader->last_received_at_ns(), static_cast<int64_t>(999 + count));
      EXPECT_FALSE(reader->final());
      std::optional<SegmentDamage> damage;
      EXPECT_EQ(reader->VerifyAll({}, &damage), absl::OkStatus());
      EXPECT_FALSE(damage);
    }
  }
}

TEST_F(SegmentTest, AnyRangeIsRead) {
  const Chain chain = MakeChain(0, 1000, 300);
  const std::unique_ptr<SegmentReader> reader = Make(chain, SegmentCodec::kZstd);
  for (const auto& [first, count] : std::vector<std::pair<uint64_t, uint64_t>>{
           {0, 1}, {999, 1}, {255, 2}, {256, 1}, {257, 600}, {1000, 0}, {0, 0}}) {
    EXPECT_EQ(
        ReadAll(*reader, first, count),
        std::vector<std::string>(chain.records.begin() + static_cast<ptrdiff_t>(first),
                                 chain.records.begin() + static_cast<ptrdiff_t>(first + count)));
  }
  const auto ignore = [](LogIndex, std::string_view, const Hash&) { return absl::OkStatus(); };
  EXPECT_EQ(reader->ReadRecords(LogIndex(999), 2, ignore).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(reader->ReadRecords(LogIndex(1001), 0, ignore).code(), absl::StatusCode::kOutOfRange);
  std::string record;
  ASSERT_EQ(reader->ReadRecord(LogIndex(700), &record), absl::OkStatus());
  EXPECT_EQ(record, chain.records[700]);
}

TEST_F(SegmentTest, LargestRecordsFit) {
  const Chain chain = MakeChain(0, 5, record::kBodyBytesMax - 16);
  const std::unique_ptr<SegmentReader> reader = Make(chain, SegmentCodec::kRaw);
  EXPECT_EQ(ReadAll(*reader, 0, 5), chain.records);
}

TEST_F(SegmentTest, HashRowsAreTheTreesNodes) {
  const Chain chain = MakeChain(kSegmentRecords, kSegmentRecords, 20);
  const std::unique_ptr<SegmentReader> reader = Make(chain, SegmentCodec::kZstd);
  ASSERT_TRUE(reader->final());
  merkle::Frontier frontier;
  frontier.AppendAll(chain.hashes);
  EXPECT_EQ(reader->root16(), frontier.Root());
  Hash node;
  ASSERT_EQ(reader->ReadHashes(16, 1, {&node, 1}), absl::OkStatus());
  EXPECT_EQ(node, frontier.Root());
  merkle::Frontier eighth;
  eighth.AppendAll(std::span(chain.hashes).subspan(7 << 8, 256));
  ASSERT_EQ(reader->ReadHashes(8, 256 + 7, {&node, 1}), absl::OkStatus());
  EXPECT_EQ(node, eighth.Root());
  std::vector<Hash> leaves(600);
  ASSERT_EQ(reader->ReadHashes(0, kSegmentRecords + 100, leaves), absl::OkStatus());
  EXPECT_TRUE(std::equal(leaves.begin(), leaves.end(), chain.hashes.begin() + 100));
  EXPECT_EQ(reader->ReadHashes(8, 255, {&node, 1}).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(reader->ReadHashes(8, 512, {&node, 1}).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(reader->ReadHashes(4, 0, {&node, 1}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(reader->VerifyAll({}, nullptr), absl::OkStatus());
}

TEST_F(SegmentTest, FingerprintsAreFound) {
  Chain chain = MakeChain(0, 5000, 30);
  // Two pairs that collide, and a run longer than a chunk of the list.
  chain.fingerprints[10] = chain.fingerprints[4000];
  for (size_t i = 1000; i < 2500; ++i) chain.fingerprints[i] = 77;
  const std::unique_ptr<SegmentReader> reader = Make(chain, SegmentCodec::kRaw);
  std::map<uint64_t, std::vector<LogIndex>> expected;
  for (size_t i = 0; i < chain.fingerprints.size(); ++i) {
    expected[chain.fingerprints[i]].push_back(LogIndex(i));
  }
  for (const auto& [fingerprint, indexes] : expected) {
    const absl::StatusOr<std::vector<LogIndex>> found = reader->FindFingerprint(fingerprint);
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(*found, indexes);
    if (!expected.contains(fingerprint + 1)) {
      EXPECT_TRUE(reader->FindFingerprint(fingerprint + 1)->empty());
    }
  }
  EXPECT_TRUE(reader->FindFingerprint(0)->empty());
  EXPECT_TRUE(reader->FindFingerprint(~uint64_t{0})->empty());
  std::map<uint64_t, std::vector<LogIndex>> all;
  ASSERT_EQ(reader->ReadFingerprints(
                [&](uint64_t fingerprint, LogIndex index) { all[fingerprint].push_back(index); }),
            absl::OkStatus());
  EXPECT_EQ(all, expected);
}

TEST_F(SegmentTest, RecordThatDoesNotFollowIsInvalidArgument) {
  const Chain chain = MakeChain(0, 3, 100);
  SegmentMeta meta{Sha256("origin"), LogIndex(0), chain.previous};
  absl::StatusOr<std::unique_ptr<SegmentWriter>> writer =
      SegmentWriter::Create(fs_, kDir, meta, SegmentCodec::kRaw);
  ASSERT_TRUE(writer.ok());
  EXPECT_EQ((*writer)->Add(chain.records[1], chain.hashes[1], 1).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ((*writer)->Add("nonsense", chain.hashes[0], 1).code(),
            absl::StatusCode::kInvalidArgument);
  ASSERT_EQ((*writer)->Add(chain.records[0], chain.hashes[2], 1), absl::OkStatus());
  EXPECT_EQ((*writer)->Add(chain.records[1], chain.hashes[1], 1).code(),
            absl::StatusCode::kInvalidArgument);
  writer->reset();
  EXPECT_TRUE(fs_.List(kDir)->empty());
  meta.first = LogIndex(5);
  EXPECT_EQ(SegmentWriter::Create(fs_, kDir, meta, SegmentCodec::kRaw).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(SegmentTest, NamesAreParsedExactly) {
  const std::string name = SegmentFileName(LogIndex(65536), LogIndex(65537));
  EXPECT_EQ(name, "00000000000000065536-00000000000000065537");
  ASSERT_TRUE(ParseSegmentFileName(name));
  EXPECT_EQ(ParseSegmentFileName(name)->first, LogIndex(65536));
  EXPECT_FALSE(ParseSegmentFileName(name)->final());
  EXPECT_FALSE(ParseSegmentFileName("00000000000000065536-00000000000000065536"));
  EXPECT_FALSE(ParseSegmentFileName("00000000000000065535-00000000000000065536"));
  EXPECT_FALSE(ParseSegmentFileName("00000000000000065536-00000000000000131073"));
  EXPECT_FALSE(ParseSegmentFileName("0000000000000006553x-00000000000000065537"));
  EXPECT_TRUE(IsSegmentLeftover("00000000000000065536.tmp"));
  EXPECT_FALSE(IsSegmentLeftover(name));
}

// --- Damage: any flipped bit is noticed, by the reads that need the byte and by VerifyAll.

class SegmentDamageTest : public SegmentTest, public testing::WithParamInterface<SegmentCodec> {
 protected:
  // Flips a bit, opens again, and asks for everything.
  absl::Status VerifyFlipped(uint64_t byte, std::optional<SegmentDamage>* damage) {
    EXPECT_EQ(fs_.FlipBit(path_, byte * 8 + byte % 8), absl::OkStatus());
    absl::Status status;
    {
      const absl::StatusOr<std::unique_ptr<SegmentReader>> reader = SegmentReader::Open(fs_, path_);
      if (reader.ok()) {
        status = (*reader)->VerifyAll({}, damage);
      } else {
        status = reader.status();
        *damage = SegmentDamageOf(status);
      }
    }
    EXPECT_EQ(fs_.FlipBit(path_, byte * 8 + byte % 8), absl::OkStatus());
    return status;
  }
};

TEST_P(SegmentDamageTest, EveryFlippedByteIsDataLoss) {
  const Chain chain = MakeChain(kSegmentRecords, 600, 40);
  const std::unique_ptr<SegmentReader> reader = Make(chain, GetParam());
  for (uint64_t byte = 0; byte < reader->file_bytes(); byte += byte < 300 ? 1 : 17) {
    std::optional<SegmentDamage> damage;
    EXPECT_EQ(VerifyFlipped(byte, &damage).code(), absl::StatusCode::kDataLoss) << "byte " << byte;
    ASSERT_TRUE(damage) << "byte " << byte;
    EXPECT_GE(damage->first_bad, reader->first());
    EXPECT_LT(damage->first_bad, reader->end());
  }
  for (uint64_t byte = reader->file_bytes() - kSegmentFooterBytes; byte < reader->file_bytes();
       ++byte) {
    std::optional<SegmentDamage> damage;
    EXPECT_EQ(VerifyFlipped(byte, &damage).code(), absl::StatusCode::kDataLoss) << "byte " << byte;
  }
}

INSTANTIATE_TEST_SUITE_P(Codecs, SegmentDamageTest,
                         testing::Values(SegmentCodec::kRaw, SegmentCodec::kZstd),
                         [](const auto& codec) {
                           return codec.param == SegmentCodec::kRaw ? "Raw" : "Zstd";
                         });

TEST_F(SegmentTest, FlippedByteOfARawRecordNamesTheRecord) {
  const Chain chain = MakeChain(0, 600, 100);
  std::unique_ptr<SegmentReader> reader = Make(chain, SegmentCodec::kRaw);
  // Somewhere in the middle of record 300: 256 records are in the first block.
  uint64_t byte = kSegmentHeaderBytes;
  for (size_t i = 0; i < 300; ++i) {
    const size_t stripped = chain.records[i].size() - record::kPreviousHashFieldBytes;
    byte += VarintSize(stripped) + stripped;
  }
  byte += 60;
  ASSERT_EQ(fs_.FlipBit(path_, byte * 8), absl::OkStatus());
  std::optional<SegmentDamage> damage;
  EXPECT_EQ(reader->VerifyAll({}, &damage).code(), absl::StatusCode::kDataLoss);
  ASSERT_TRUE(damage);
  EXPECT_EQ(damage->first_bad, LogIndex(300));
  // Reads of other blocks go on.
  EXPECT_EQ(ReadAll(*reader, 0, 256).size(), 256u);
  // One that needs its block names the very record too.
  std::string record;
  const absl::Status read = reader->ReadRecord(LogIndex(256), &record);
  EXPECT_EQ(read.code(), absl::StatusCode::kDataLoss);
  ASSERT_TRUE(SegmentDamageOf(read));
  EXPECT_EQ(SegmentDamageOf(read)->first_bad, LogIndex(300));
}

TEST_F(SegmentTest, FlippedHashNamesItsRecord) {
  const Chain chain = MakeChain(0, 600, 100);
  std::unique_ptr<SegmentReader> reader = Make(chain, SegmentCodec::kZstd);
  const absl::StatusOr<uint64_t> size = reader->file_bytes();
  std::string footer(kSegmentFooterBytes, '\0');
  const absl::StatusOr<std::unique_ptr<io::File>> file = fs_.Open(path_, io::OpenMode::kRead);
  ASSERT_EQ((*file)->ReadAt(*size - kSegmentFooterBytes, {footer.data(), footer.size()}),
            absl::OkStatus());
  SegmentFrame frame;
  ASSERT_EQ(DecodeSegmentFooter(footer, *size, &frame), absl::OkStatus());
  ASSERT_EQ(fs_.FlipBit(path_, (frame.rows_at + 411 * 32 + 5) * 8), absl::OkStatus());
  std::optional<SegmentDamage> damage;
  EXPECT_EQ(reader->VerifyAll({}, &damage).code(), absl::StatusCode::kDataLoss);
  ASSERT_TRUE(damage);
  EXPECT_EQ(damage->first_bad, LogIndex(411));
  EXPECT_EQ(damage->offset, frame.rows_at + 411 * 32);
  Hash hash;
  EXPECT_EQ(reader->ReadHashes(0, 500, {&hash, 1}).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(reader->ReadHashes(0, 100, {&hash, 1}), absl::OkStatus());
}

TEST_F(SegmentTest, WrongFingerprintIsDataLoss) {
  const Chain chain = MakeChain(0, 600, 100);
  const std::unique_ptr<SegmentReader> reader = Make(chain, SegmentCodec::kRaw);
  const auto fingerprint_of = [&](std::string_view record) {
    const uint64_t index = record::Decode(record)->index.value;
    return chain.fingerprints[index] + (index == 321 ? 1 : 0);
  };
  std::optional<SegmentDamage> damage;
  EXPECT_EQ(reader->VerifyAll(fingerprint_of, &damage).code(), absl::StatusCode::kDataLoss);
  ASSERT_TRUE(damage);
  EXPECT_EQ(damage->first_bad, LogIndex(321));
}

TEST_F(SegmentTest, TruncatedFileIsDataLoss) {
  const Chain chain = MakeChain(0, 300, 100);
  const std::unique_ptr<SegmentReader> reader = Make(chain, SegmentCodec::kRaw);
  for (const uint64_t size : {reader->file_bytes() - 1, uint64_t{400}, uint64_t{10}, uint64_t{0}}) {
    ASSERT_EQ((*fs_.Open(path_, io::OpenMode::kReadWrite))->Truncate(size), absl::OkStatus());
    EXPECT_EQ(SegmentReader::Open(fs_, path_).status().code(), absl::StatusCode::kDataLoss);
  }
}

TEST_F(SegmentTest, RenamedFileIsDataLoss) {
  const Chain chain = MakeChain(0, 300, 100);
  (void)Make(chain, SegmentCodec::kRaw);
  const std::string other = fmt::format("{}/{}", kDir, SegmentFileName(LogIndex(0), LogIndex(301)));
  ASSERT_EQ(fs_.Rename(path_, other), absl::OkStatus());
  EXPECT_EQ(SegmentReader::Open(fs_, other).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(SegmentReader::Open(fs_, path_).status().code(), absl::StatusCode::kNotFound);
}

// --- Faults: whatever fails, the folder holds the whole segment or none.

TEST_F(SegmentTest, FinishedSegmentSurvivesPowerLoss) {
  const Chain chain = MakeChain(0, 300, 100);
  (void)Make(chain, SegmentCodec::kZstd);
  fs_.Crash();
  fs_.Restart();
  const absl::StatusOr<std::unique_ptr<SegmentReader>> reader = SegmentReader::Open(fs_, path_);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ((*reader)->VerifyAll({}, nullptr), absl::OkStatus());
}

TEST_F(SegmentTest, EveryFaultLeavesAWholeSegmentOrNone) {
  const Chain chain = MakeChain(0, 300, 100);
  const std::string path = fmt::format("{}/{}", kDir, SegmentFileName(LogIndex(0), LogIndex(300)));
  for (const FaultKind kind : {FaultKind::kError, FaultKind::kErrorButDone,
                               FaultKind::kPartialWrite, FaultKind::kDiskFull, FaultKind::kCrash}) {
    bool fired = true;
    for (uint64_t nth = 1; fired; ++nth) {
      SimulatedFileSystem& fs = fs_;
      (void)fs.Remove(path);
      ASSERT_EQ(fs.SyncDirectory(kDir), absl::OkStatus());
      const io::FaultCounts before = fs.Counts();
      fs.AddFault({kind, std::nullopt, nth, ""});
      const absl::StatusOr<SegmentSummary> summary = Write(chain, SegmentCodec::kRaw);
      fs.ClearFaults();
      const io::FaultCounts& after = fs.Counts();
      fired = after.errors + after.errors_but_done + after.partial_writes + after.disk_full +
                  after.crashes >
              before.errors + before.errors_but_done + before.partial_writes + before.disk_full +
                  before.crashes;
      EXPECT_EQ(summary.ok(), !fired) << "operation " << nth;
      EXPECT_TRUE(fired || nth > 5);
      if (!fs.crashed()) fs.Crash();
      fs.Restart();
      const absl::StatusOr<std::unique_ptr<SegmentReader>> reader = SegmentReader::Open(fs, path);
      if (summary.ok()) {
        ASSERT_TRUE(reader.ok());
      }
      if (reader.ok()) {
        EXPECT_EQ((*reader)->VerifyAll({}, nullptr), absl::OkStatus());
      } else {
        EXPECT_EQ(reader.status().code(), absl::StatusCode::kNotFound) << reader.status();
      }
      const absl::StatusOr<std::vector<std::string>> names = fs.List(kDir);
      for (const std::string& name : *names) {
        EXPECT_TRUE(IsSegmentLeftover(name) || ParseSegmentFileName(name)) << name;
      }
    }
  }
}

}  // namespace
}  // namespace graven::store
