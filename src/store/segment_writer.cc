#include "store/segment_writer.h"

#include <zstd.h>

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/encoding.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/durable_file.h"
#include "record/record.h"
#include "store/segment_format.h"

namespace graven::store {
namespace {

constexpr size_t kOutBytes = size_t{1} << 20;
constexpr int kZstdLevel = 1;
constexpr size_t kNumberDigits = 20;

std::optional<uint64_t> ParsePaddedNumber(std::string_view text) {
  if (text.size() != kNumberDigits) return std::nullopt;
  const size_t digits = text.find_first_not_of('0');
  return ParseDecimal(digits == std::string_view::npos ? "0" : text.substr(digits));
}

std::vector<Hash> FoldEightLevels(std::vector<Hash> row) {
  for (int level = 0; level < 8; ++level) {
    Sha256Nodes(row.data(), row.size() / 2, row.data());
    row.resize(row.size() / 2);
  }
  return row;
}

// Fingerprints are spread evenly: sorted into 65,536 buckets by their high bits, they are nearly in
// order. Whatever somebody makes of his ids, the rest is a sort of each bucket.
void SortByFingerprint(const std::vector<uint64_t>& fingerprints,
                       std::vector<std::pair<uint64_t, uint16_t>>* ids) {
  constexpr int kBucketShift = 48;
  std::vector<uint32_t> ends((size_t{1} << (64 - kBucketShift)) + 1, 0);
  for (uint64_t fingerprint : fingerprints) ++ends[(fingerprint >> kBucketShift) + 1];
  std::partial_sum(ends.begin(), ends.end(), ends.begin());
  // Each bucket's beginning moves to its end as it fills.
  ids->resize(fingerprints.size());
  for (size_t i = 0; i < fingerprints.size(); ++i) {
    (*ids)[ends[fingerprints[i] >> kBucketShift]++] = {fingerprints[i], static_cast<uint16_t>(i)};
  }
  uint32_t begin = 0;
  for (uint32_t end : ends) {
    if (end - begin > 1) std::sort(ids->begin() + begin, ids->begin() + end);
    begin = end;
  }
}

struct FreePacker {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

}  // namespace

std::string SegmentFileName(LogIndex first, LogIndex end) {
  return fmt::format("{:020}-{:020}", first.value, end.value);
}

std::optional<SegmentBounds> ParseSegmentFileName(std::string_view name) {
  if (name.size() != 2 * kNumberDigits + 1 || name[kNumberDigits] != '-') return std::nullopt;
  const std::optional<uint64_t> first = ParsePaddedNumber(name.substr(0, kNumberDigits));
  const std::optional<uint64_t> end = ParsePaddedNumber(name.substr(kNumberDigits + 1));
  if (!first || !end || *first % kSegmentRecords != 0 || *end <= *first ||
      *end - *first > kSegmentRecords || *end > kLogIndexLimit) {
    return std::nullopt;
  }
  return SegmentBounds{LogIndex(*first), LogIndex(*end)};
}

bool IsSegmentLeftover(std::string_view name) {
  return name.size() == kNumberDigits + 4 && name.substr(kNumberDigits) == ".tmp" &&
         ParsePaddedNumber(name.substr(0, kNumberDigits)).has_value();
}

struct SegmentWriter::Build {
  std::unique_ptr<ZSTD_CCtx, FreePacker> zstd;
  std::string packed;
  std::string block;  // raw bytes of the open block
  uint16_t block_records = 0;
  std::string out;      // bytes not yet handed to the file
  uint64_t offset = 0;  // in the file, of the end of `out`
  SegmentFrame frame;
  SegmentIndex index;
  std::vector<Hash> hashes;
  std::vector<uint64_t> fingerprints;
};

SegmentWriter::SegmentWriter(io::FileSystem& fs, std::string dir, const SegmentMeta& meta,
                             SegmentCodec codec)
    : fs_(fs), dir_(std::move(dir)), meta_(meta), codec_(codec), build_(new Build) {}

SegmentWriter::~SegmentWriter() {
  if (file_ == nullptr) return;
  file_.reset();
  (void)fs_.Remove(temporary_path_);
}

absl::StatusOr<std::unique_ptr<SegmentWriter>> SegmentWriter::Create(io::FileSystem& fs,
                                                                     const std::string& dir,
                                                                     const SegmentMeta& meta,
                                                                     SegmentCodec codec) {
  if (meta.first.value % kSegmentRecords != 0 || meta.first.value >= kLogIndexLimit) {
    return absl::InvalidArgumentError(fmt::format("segment first is {}; must be a multiple of {}",
                                                  meta.first.value, kSegmentRecords));
  }
  std::unique_ptr<SegmentWriter> writer(new SegmentWriter(fs, dir, meta, codec));
  Build& build = *writer->build_;
  if (codec == SegmentCodec::kZstd) {
    build.zstd.reset(ZSTD_createCCtx());
    GRAVEN_CHECK(build.zstd != nullptr);
    build.packed.resize(ZSTD_compressBound(kBlockRawBytesMax));
  }
  writer->temporary_path_ = io::JoinPath(dir, fmt::format("{:020}.tmp", meta.first.value));
  ASSIGN_OR_RETURN(writer->file_,
                   fs.Open(writer->temporary_path_, io::OpenMode::kCreateOrTruncate));
  // The header is written last, when the end is known; until then it reads as zeros.
  build.out.assign(kSegmentHeaderBytes, '\0');
  build.offset = kSegmentHeaderBytes;
  return writer;
}

uint64_t SegmentWriter::record_count() const { return build_->hashes.size(); }

absl::Status SegmentWriter::Add(std::string_view record, const Hash& record_hash,
                                uint64_t fingerprint) {
  Build& build = *build_;
  const LogIndex index = meta_.first + build.hashes.size();
  if (build.hashes.size() == kSegmentRecords) {
    return absl::InvalidArgumentError(
        fmt::format("segment {}: holds {} records already", temporary_path_, kSegmentRecords));
  }
  ASSIGN_OR_RETURN(const record::RecordHeader header, record::Decode(record));
  const Hash& previous = build.hashes.empty() ? meta_.previous_hash : build.hashes.back();
  if (header.index != index || header.previous_hash != previous) {
    return absl::InvalidArgumentError(fmt::format(
        "segment {}: record {} does not follow the one before", temporary_path_, index.value));
  }
  const size_t stripped = record.size() - record::kPreviousHashFieldBytes;
  const size_t used = build.block.size();
  build.block.resize(used + VarintSize(stripped) + stripped);
  record::StripPreviousHash(record, PutVarint(build.block.data() + used, stripped));
  ++build.block_records;
  build.hashes.push_back(record_hash);
  build.fingerprints.push_back(fingerprint);
  build.frame.last_received_at_ns = header.received_at_ns;
  if (build.block_records == kBlockRecordsMax || build.block.size() >= kBlockRawBytes) {
    return EndBlock();
  }
  return absl::OkStatus();
}

absl::Status SegmentWriter::EndBlock() {
  Build& build = *build_;
  if (build.block_records == 0) return absl::OkStatus();
  std::string_view stored = build.block;
  SegmentCodec codec = SegmentCodec::kRaw;
  if (codec_ == SegmentCodec::kZstd) {
    const size_t size =
        ZSTD_compressCCtx(build.zstd.get(), build.packed.data(), build.packed.size(),
                          build.block.data(), build.block.size(), kZstdLevel);
    if (!ZSTD_isError(size) && size < build.block.size()) {
      stored = std::string_view(build.packed).substr(0, size);
      codec = SegmentCodec::kZstd;
    }
  }
  SegmentBlock entry;
  entry.offset = build.offset;
  entry.stored_bytes = static_cast<uint32_t>(stored.size());
  entry.raw_bytes = static_cast<uint32_t>(build.block.size());
  entry.first = static_cast<uint32_t>(build.hashes.size() - build.block_records);
  entry.records = build.block_records;
  entry.codec = codec;
  entry.check = SegmentCheck(stored);
  build.index.blocks.push_back(entry);
  build.frame.raw_bytes += build.block.size();
  RETURN_IF_ERROR(Put(stored));
  build.block.clear();
  build.block_records = 0;
  return absl::OkStatus();
}

absl::Status SegmentWriter::Put(std::string_view bytes) {
  build_->out.append(bytes);
  build_->offset += bytes.size();
  return build_->out.size() >= kOutBytes ? WriteOut() : absl::OkStatus();
}

absl::Status SegmentWriter::WriteOut() {
  Build& build = *build_;
  RETURN_IF_ERROR(file_->WriteAt(build.offset - build.out.size(), build.out));
  build.out.clear();
  return absl::OkStatus();
}

absl::Status SegmentWriter::WriteRows(std::span<const Hash> known_row8) {
  Build& build = *build_;
  const auto bytes_of = [](const Hash* hashes, size_t count) {
    return std::string_view(reinterpret_cast<const char*>(hashes), count * Hash::kSize);
  };
  build.frame.rows_at = build.offset;
  for (size_t at = 0; at < build.hashes.size(); at += kRowChunkHashes) {
    const size_t count = std::min(kRowChunkHashes, build.hashes.size() - at);
    const std::string_view chunk = bytes_of(&build.hashes[at], count);
    build.index.row0_checks.push_back(SegmentCheck(chunk));
    RETURN_IF_ERROR(Put(chunk));
  }
  build.frame.last_hash = build.hashes.back();
  std::vector<Hash> row8(known_row8.begin(), known_row8.end());
  if (row8.size() != build.hashes.size() / 256) row8 = FoldEightLevels(std::move(build.hashes));
  build.hashes.clear();
  const std::string_view bytes = bytes_of(row8.data(), row8.size());
  build.index.row8_check = SegmentCheck(bytes);
  RETURN_IF_ERROR(Put(bytes));
  if (build.frame.record_count() == kSegmentRecords) {
    for (size_t pairs = row8.size() / 2; pairs > 0; pairs /= 2) {
      Sha256Nodes(row8.data(), pairs, row8.data());
    }
    build.frame.root16 = row8[0];
  }
  return absl::OkStatus();
}

absl::Status SegmentWriter::WriteIds() {
  Build& build = *build_;
  build.frame.ids_at = build.offset;
  std::vector<std::pair<uint64_t, uint16_t>> ids;
  SortByFingerprint(build.fingerprints, &ids);
  for (size_t at = 0; at < ids.size(); at += kIdChunkEntries) {
    const size_t end = std::min(ids.size(), at + kIdChunkEntries);
    char chunk[kIdChunkEntries * kIdEntryBytes];
    char* out = chunk;
    for (size_t i = at; i < end; ++i, out += kIdEntryBytes) {
      PutFixed64(out, ids[i].first);
      PutFixed16(out + 8, ids[i].second);
    }
    const std::string_view bytes(chunk, static_cast<size_t>(out - chunk));
    build.index.fences.push_back({ids[at].first, SegmentCheck(bytes)});
    RETURN_IF_ERROR(Put(bytes));
  }
  return absl::OkStatus();
}

absl::Status SegmentWriter::WriteIndexAndFooter() {
  Build& build = *build_;
  const std::string index = EncodeSegmentIndex(build.index);
  build.frame.index_at = build.offset;
  build.frame.index_bytes = index.size();
  build.frame.index_check = SegmentCheck(index);
  RETURN_IF_ERROR(Put(index));
  RETURN_IF_ERROR(Put(EncodeSegmentFooter(build.frame)));
  RETURN_IF_ERROR(WriteOut());
  return file_->WriteAt(0, EncodeSegmentHeader(build.frame));
}

absl::StatusOr<SegmentSummary> SegmentWriter::Finish(std::span<const Hash> row8) {
  Build& build = *build_;
  GRAVEN_CHECK(file_ != nullptr);
  if (build.hashes.empty()) return absl::InvalidArgumentError("segment: no records");
  build.frame.origin_hash = meta_.origin_hash;
  build.frame.first = meta_.first;
  build.frame.end = meta_.first + build.hashes.size();
  build.frame.previous_hash = meta_.previous_hash;
  RETURN_IF_ERROR(EndBlock());
  RETURN_IF_ERROR(WriteRows(row8));
  RETURN_IF_ERROR(WriteIds());
  RETURN_IF_ERROR(WriteIndexAndFooter());
  // Until the rename nothing of this is seen; after it, and before the folder is synced, a crash
  // leaves the file under one name or the other, whole.
  RETURN_IF_ERROR(file_->Sync());
  // What is being sealed has just been read by whoever follows the log; its pages are better used
  // again.
  file_->DropFromCache();
  SegmentSummary summary;
  summary.bounds = {build.frame.first, build.frame.end};
  summary.path = io::JoinPath(dir_, SegmentFileName(build.frame.first, build.frame.end));
  summary.file_bytes = build.offset;
  RETURN_IF_ERROR(fs_.Rename(temporary_path_, summary.path));
  file_.reset();
  RETURN_IF_ERROR(fs_.SyncDirectory(dir_));
  return summary;
}

}  // namespace graven::store
