#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/encoding.h"
#include "fmt/format.h"
#include "io/simulated_file_system.h"
#include "record/encoded_test.h"
#include "record/record.h"
#include "store/segment_format.h"
#include "store/segment_reader.h"
#include "store/segment_writer.h"

// A segment of any bytes. The first byte of the input chooses:
//  0  the rest is the file;
//  1  the rest stands between a header and a footer that fit it;
//  2  the rest are edits of a good segment: what is read without an error must be what was written.
namespace graven::store {
namespace {

constexpr char kDir[] = "/segments";
constexpr uint64_t kGoodRecords = 20;

void ReadEverything(const SegmentReader& reader) {
  const auto ignore = [](LogIndex, std::string_view, const Hash&) { return absl::OkStatus(); };
  (void)reader.ReadRecords(reader.first(), reader.record_count(), ignore);
  std::vector<Hash> hashes(reader.record_count());
  (void)reader.ReadHashes(0, reader.first().value, hashes);
  (void)reader.FindFingerprint(3);
  (void)reader.ReadFingerprints([](uint64_t, LogIndex) {});
  std::optional<SegmentDamage> damage;
  const absl::Status verified = reader.VerifyAll({}, &damage);
  GRAVEN_CHECK(verified.ok() != damage.has_value());
}

std::unique_ptr<SegmentReader> OpenBytes(io::FileSystem& fs, std::string_view bytes,
                                         uint64_t records) {
  const std::string path =
      fmt::format("{}/{}", kDir, SegmentFileName(LogIndex(0), LogIndex(records)));
  if (!fs.Stat(kDir).ok()) GRAVEN_CHECK(fs.MakeDirectory(kDir).ok());
  {
    auto file = fs.Open(path, io::OpenMode::kCreateOrTruncate);
    GRAVEN_CHECK(file.ok() && (*file)->WriteAt(0, bytes).ok());
  }
  auto reader = SegmentReader::Open(fs, path);
  return reader.ok() ? *std::move(reader) : nullptr;
}

void ReadBetween(std::string_view input) {
  if (input.size() < 2) return;
  SegmentFrame frame;
  const uint64_t records = 1 + static_cast<uint8_t>(input[0]) % 4;
  const uint64_t index_bytes = static_cast<uint8_t>(input[1]) * 4u;
  input.remove_prefix(2);
  const uint64_t fixed = records * (Hash::kSize + kIdEntryBytes) + index_bytes;
  if (input.size() < fixed) return;
  frame.end = LogIndex(records);
  frame.rows_at = kSegmentHeaderBytes + input.size() - fixed;
  frame.ids_at = frame.rows_at + records * Hash::kSize;
  frame.index_at = frame.ids_at + records * kIdEntryBytes;
  frame.index_bytes = index_bytes;
  frame.index_check = SegmentCheck(input.substr(input.size() - index_bytes));
  frame.raw_bytes = frame.rows_at - kSegmentHeaderBytes;
  io::SimulatedFileSystem fs(1);
  const auto reader = OpenBytes(
      fs, EncodeSegmentHeader(frame) + std::string(input) + EncodeSegmentFooter(frame), records);
  GRAVEN_CHECK(reader != nullptr);
  ReadEverything(*reader);
}

struct Good {
  std::string bytes;
  std::vector<std::string> records;
};

Good MakeGood() {
  Good good;
  io::SimulatedFileSystem fs(1);
  GRAVEN_CHECK(fs.MakeDirectory(kDir).ok());
  SegmentMeta meta;
  auto writer = SegmentWriter::Create(fs, kDir, meta, SegmentCodec::kZstd);
  GRAVEN_CHECK(writer.ok());
  Hash previous;
  for (uint64_t i = 0; i < kGoodRecords; ++i) {
    const std::string body(30 + i, static_cast<char>('a' + i % 3));
    record::RecordHeader header;
    header.index = LogIndex(i);
    header.received_at_ns = static_cast<int64_t>(i + 1);
    header.previous_hash = previous;
    header.body = body;
    std::string& bytes = good.records.emplace_back(record::Encoded(header));
    previous = record::RecordHash(bytes);
    GRAVEN_CHECK((*writer)->Add(bytes, previous, i * 7).ok());
  }
  const auto summary = (*writer)->Finish();
  GRAVEN_CHECK(summary.ok());
  good.bytes.resize(summary->file_bytes);
  const auto file = fs.Open(summary->path, io::OpenMode::kRead);
  GRAVEN_CHECK(file.ok() && (*file)->ReadAt(0, {good.bytes.data(), good.bytes.size()}).ok());
  return good;
}

void ReadEdited(std::string_view edits) {
  static const Good* const good = new Good(MakeGood());
  std::string bytes = good->bytes;
  for (; edits.size() >= 3; edits.remove_prefix(3)) {
    bytes[GetFixed16(edits.data()) % bytes.size()] ^= edits[2];
  }
  io::SimulatedFileSystem fs(1);
  const auto reader = OpenBytes(fs, bytes, kGoodRecords);
  if (reader == nullptr) return;
  ReadEverything(*reader);
  for (uint64_t i = 0; i < kGoodRecords; ++i) {
    std::string record;
    if (reader->ReadRecord(LogIndex(i), &record).ok()) GRAVEN_CHECK(record == good->records[i]);
  }
  if (reader->VerifyAll({}, nullptr).ok()) GRAVEN_CHECK(bytes == good->bytes);
}

}  // namespace
}  // namespace graven::store

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > 8 << 10) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 3 == 0) {
    graven::io::SimulatedFileSystem fs(1);
    const auto reader = graven::store::OpenBytes(fs, input, 1);
    if (reader != nullptr) graven::store::ReadEverything(*reader);
  } else if (data[0] % 3 == 1) {
    graven::store::ReadBetween(input);
  } else {
    graven::store::ReadEdited(input);
  }
  return 0;
}
