#include "store/segment_reader.h"

#include <zstd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/cord.h"
#include "base/absl_views.h"
#include "base/check.h"
#include "base/encoding.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "record/record.h"
#include "store/segment_format.h"

namespace graven::store {
namespace {

constexpr char kDamagePayload[] = "graven.store.SegmentDamage";
constexpr size_t kDamageNumbersBytes = 24;

void SetDamage(const SegmentDamage& damage, absl::Status* status) {
  std::string payload(kDamageNumbersBytes, '\0');
  PutFixed64(payload.data(), damage.first_bad.value);
  PutFixed64(payload.data() + 8, damage.offset);
  PutFixed64(payload.data() + 16, damage.end.value);
  payload.append(damage.what);
  status->SetPayload(kDamagePayload, absl::Cord(payload));
}

struct FreeUnpacker {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

// One for each thread: making one costs as much as unpacking a block.
ZSTD_DCtx* UnpackContext() {
  thread_local const std::unique_ptr<ZSTD_DCtx, FreeUnpacker> context(ZSTD_createDCtx());
  GRAVEN_CHECK(context != nullptr);
  return context.get();
}

std::span<char> BytesOf(std::span<Hash> hashes) {
  return {reinterpret_cast<char*>(hashes.data()), hashes.size_bytes()};
}

std::string_view ViewOf(std::span<const Hash> hashes) {
  return {reinterpret_cast<const char*>(hashes.data()), hashes.size_bytes()};
}

std::string_view NameOf(std::string_view path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

std::optional<SegmentDamage> SegmentDamageOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kDamagePayload);
  if (!payload.has_value()) return std::nullopt;
  const std::string bytes(*payload);
  if (bytes.size() < kDamageNumbersBytes) return std::nullopt;
  return SegmentDamage{LogIndex(GetFixed64(bytes.data())), GetFixed64(bytes.data() + 8),
                       bytes.substr(kDamageNumbersBytes), LogIndex(GetFixed64(bytes.data() + 16))};
}

SegmentReader::SegmentReader(std::string path, std::unique_ptr<io::File> file)
    : path_(std::move(path)), file_(std::move(file)), frame_(new SegmentFrame) {}

SegmentReader::~SegmentReader() = default;

LogIndex SegmentReader::first() const { return frame_->first; }
LogIndex SegmentReader::end() const { return frame_->end; }
const Hash& SegmentReader::origin_hash() const { return frame_->origin_hash; }
const Hash& SegmentReader::previous_hash() const { return frame_->previous_hash; }
const Hash& SegmentReader::last_hash() const { return frame_->last_hash; }
int64_t SegmentReader::last_received_at_ns() const { return frame_->last_received_at_ns; }
const Hash& SegmentReader::root16() const {
  GRAVEN_CHECK(final());
  return frame_->root16;
}

absl::Status SegmentReader::Damaged(uint64_t offset, uint64_t first, uint64_t end,
                                    std::string_view what) const {
  const uint64_t base = frame_->first.value;
  absl::Status status =
      absl::DataLossError(fmt::format("{}: {} (at offset {}, records {} to {})", path_, what,
                                      offset, base + first, base + (end == first ? end : end - 1)));
  SetDamage({LogIndex(base + first), offset, std::string(what), LogIndex(base + end)}, &status);
  return status;
}

absl::StatusOr<std::unique_ptr<SegmentReader>> SegmentReader::Open(io::FileSystem& fs,
                                                                   const std::string& path) {
  ASSIGN_OR_RETURN(std::unique_ptr<io::File> file, fs.Open(path, io::OpenMode::kRead));
  std::unique_ptr<SegmentReader> reader(new SegmentReader(path, std::move(file)));
  RETURN_IF_ERROR(reader->Load());
  return reader;
}

absl::Status SegmentReader::Load() {
  const std::optional<SegmentBounds> named = ParseSegmentFileName(NameOf(path_));
  if (!named) {
    return absl::InvalidArgumentError(fmt::format("{}: not the name of a segment", path_));
  }
  // For Damaged, until the footer is read.
  frame_->first = named->first;
  frame_->end = named->end;
  ASSIGN_OR_RETURN(file_bytes_, file_->Size());
  if (file_bytes_ < kSegmentHeaderBytes + kSegmentFooterBytes) {
    return Damaged(file_bytes_, 0, record_count(), "the file is too short");
  }
  const uint64_t footer_at = file_bytes_ - kSegmentFooterBytes;
  std::string bytes(kSegmentFooterBytes, '\0');
  RETURN_IF_ERROR(file_->ReadAt(footer_at, {bytes.data(), bytes.size()}));
  SegmentFrame frame;
  const absl::Status decoded = DecodeSegmentFooter(bytes, file_bytes_, &frame);
  if (absl::IsFailedPrecondition(decoded)) {
    return absl::FailedPreconditionError(fmt::format("{}: {}", path_, ToStd(decoded.message())));
  }
  if (!decoded.ok()) return Damaged(footer_at, 0, record_count(), ToStd(decoded.message()));
  if (frame.first != named->first || frame.end != named->end) {
    return Damaged(footer_at, 0, record_count(), "the file's name is not that of its records");
  }
  bytes.resize(kSegmentHeaderBytes);
  RETURN_IF_ERROR(file_->ReadAt(0, {bytes.data(), bytes.size()}));
  if (const absl::Status header = CheckSegmentHeader(bytes, frame); !header.ok()) {
    return Damaged(0, 0, record_count(), ToStd(header.message()));
  }
  *frame_ = frame;
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const SegmentIndex>> SegmentReader::LoadIndex() const {
  MutexLock lock(&mutex_);
  if (index_ != nullptr) return index_;
  std::string bytes(frame_->index_bytes, '\0');
  RETURN_IF_ERROR(file_->ReadAt(frame_->index_at, {bytes.data(), bytes.size()}));
  auto index = std::make_shared<SegmentIndex>();
  if (SegmentCheck(bytes) != frame_->index_check ||
      !DecodeSegmentIndex(bytes, *frame_, index.get())) {
    return Damaged(frame_->index_at, 0, record_count(), "the index is damaged");
  }
  index_ = std::move(index);
  return index_;
}

absl::Status SegmentReader::ReadStored(const SegmentBlock& block, std::string* stored) const {
  stored->resize(block.stored_bytes);
  return file_->ReadAt(block.offset, {stored->data(), stored->size()});
}

absl::Status SegmentReader::Unpack(const SegmentBlock& block, std::string_view stored,
                                   std::string* raw) const {
  if (block.codec == SegmentCodec::kRaw) {
    raw->assign(stored);
    return absl::OkStatus();
  }
  raw->resize(block.raw_bytes);
  const size_t size =
      ZSTD_decompressDCtx(UnpackContext(), raw->data(), raw->size(), stored.data(), stored.size());
  if (ZSTD_isError(size) || size != block.raw_bytes) {
    return Damaged(block.offset, block.first, block.end(), "a block cannot be unpacked");
  }
  return absl::OkStatus();
}

// `hashes` begins with the hash before the block's first record.
absl::Status SegmentReader::VisitBlock(const SegmentBlock& block, std::string_view raw,
                                       uint64_t first, uint64_t end, std::span<const Hash> hashes,
                                       const RecordCallback& on_record) const {
  std::string record;
  for (uint64_t at = block.first; at < std::min<uint64_t>(end, block.end()); ++at) {
    uint64_t length = 0;
    if (!GetVarint(&raw, &length) || length > raw.size()) {
      return Damaged(block.offset, at, block.end(), "a block's records do not fit it");
    }
    const std::string_view stripped = raw.substr(0, length);
    raw.remove_prefix(length);
    if (at < first) continue;
    record.resize(length + record::kPreviousHashFieldBytes);
    record::RestorePreviousHash(stripped, hashes[at - block.first], record.data());
    RETURN_IF_ERROR(on_record(frame_->first + at, record, hashes[at - block.first + 1]));
  }
  return absl::OkStatus();
}

absl::Status SegmentReader::ReadRecords(LogIndex first, uint64_t count,
                                        const RecordCallback& on_record) const {
  if (first < frame_->first || first > frame_->end || count > frame_->end.value - first.value) {
    return absl::OutOfRangeError(fmt::format("{}: records from {}, {} of them: not within the file",
                                             path_, first.value, count));
  }
  ASSIGN_OR_RETURN(const std::shared_ptr<const SegmentIndex> index, LoadIndex());
  const uint64_t begin = first.value - frame_->first.value;
  const uint64_t end = begin + count;
  auto block = std::upper_bound(
      index->blocks.begin(), index->blocks.end(), begin,
      [](uint64_t at, const SegmentBlock& candidate) { return at < candidate.end(); });
  std::string stored;
  std::string raw;
  std::vector<Hash> hashes;
  for (; block != index->blocks.end() && block->first < end; ++block) {
    RETURN_IF_ERROR(ReadStored(*block, &stored));
    if (SegmentCheck(stored) != block->check) {
      return DamageOfBlock(*index, *block);
    }
    RETURN_IF_ERROR(Unpack(*block, stored, &raw));
    hashes.resize(block->records + 1u);
    if (block->first == 0) {
      hashes[0] = frame_->previous_hash;
      RETURN_IF_ERROR(ReadRow0(*index, 0, std::span(hashes).subspan(1)));
    } else {
      RETURN_IF_ERROR(ReadRow0(*index, block->first - 1, hashes));
    }
    RETURN_IF_ERROR(VisitBlock(*block, raw, begin, end, hashes, on_record));
  }
  return absl::OkStatus();
}

absl::Status SegmentReader::ReadRecord(LogIndex index, std::string* record) const {
  return ReadRecords(index, 1, [record](LogIndex, std::string_view bytes, const Hash&) {
    record->assign(bytes);
    return absl::OkStatus();
  });
}

// Whole chunks are read, because the checksum covers a chunk.
absl::Status SegmentReader::ReadRow0(const SegmentIndex& index, uint64_t first,
                                     std::span<Hash> out) const {
  std::vector<Hash> chunk;
  while (!out.empty()) {
    const uint64_t number = first / kRowChunkHashes;
    const uint64_t chunk_first = number * kRowChunkHashes;
    chunk.resize(std::min<uint64_t>(kRowChunkHashes, record_count() - chunk_first));
    const uint64_t offset = frame_->rows_at + chunk_first * Hash::kSize;
    RETURN_IF_ERROR(file_->ReadAt(offset, BytesOf(chunk)));
    if (SegmentCheck(ViewOf(chunk)) != index.row0_checks[number]) {
      return Damaged(offset, chunk_first, chunk_first + chunk.size(), "the hash row is damaged");
    }
    const size_t skip = first - chunk_first;
    const size_t count = std::min<size_t>(out.size(), chunk.size() - skip);
    std::copy_n(chunk.begin() + static_cast<ptrdiff_t>(skip), count, out.begin());
    out = out.subspan(count);
    first += count;
  }
  return absl::OkStatus();
}

absl::Status SegmentReader::ReadRow8(const SegmentIndex& index, std::vector<Hash>* out) const {
  out->resize(record_count() >> 8);
  const uint64_t offset = frame_->rows_at + record_count() * Hash::kSize;
  RETURN_IF_ERROR(file_->ReadAt(offset, BytesOf(*out)));
  if (SegmentCheck(ViewOf(*out)) != index.row8_check) {
    return Damaged(offset, 0, record_count(), "the row of nodes at level 8 is damaged");
  }
  return absl::OkStatus();
}

absl::Status SegmentReader::ReadHashes(int level, uint64_t first_node, std::span<Hash> out) const {
  if (level != 0 && level != 8 && level != 16) {
    return absl::InvalidArgumentError(fmt::format("level is {}; must be 0, 8 or 16", level));
  }
  const uint64_t base = frame_->first.value >> level;
  const uint64_t nodes = record_count() >> level;
  if (first_node < base || first_node - base > nodes || out.size() > nodes - (first_node - base)) {
    return absl::OutOfRangeError(
        fmt::format("{}: nodes from {}, {} of them, at level {}: not "
                    "within the file",
                    path_, first_node, out.size(), level));
  }
  if (out.empty()) return absl::OkStatus();
  if (level == 16) {
    out[0] = frame_->root16;
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::shared_ptr<const SegmentIndex> index, LoadIndex());
  if (level == 0) return ReadRow0(*index, first_node - base, out);
  std::vector<Hash> row8;
  RETURN_IF_ERROR(ReadRow8(*index, &row8));
  std::copy_n(row8.begin() + static_cast<ptrdiff_t>(first_node - base), out.size(), out.begin());
  return absl::OkStatus();
}

absl::Status SegmentReader::ReadIdChunk(const SegmentIndex& index, size_t chunk,
                                        std::string* out) const {
  const uint64_t first = chunk * kIdChunkEntries;
  out->resize(std::min<uint64_t>(kIdChunkEntries, record_count() - first) * kIdEntryBytes);
  const uint64_t offset = frame_->ids_at + first * kIdEntryBytes;
  RETURN_IF_ERROR(file_->ReadAt(offset, {out->data(), out->size()}));
  if (SegmentCheck(*out) != index.fences[chunk].check) {
    return Damaged(offset, 0, record_count(), "the list of event ids is damaged");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<LogIndex>> SegmentReader::FindFingerprint(uint64_t fingerprint) const {
  ASSIGN_OR_RETURN(const std::shared_ptr<const SegmentIndex> index, LoadIndex());
  // The first chunk that may hold it is the one before the first that begins at or above it.
  const auto fence =
      std::lower_bound(index->fences.begin(), index->fences.end(), fingerprint,
                       [](const IdFence& a, uint64_t b) { return a.first_fingerprint < b; });
  size_t chunk = static_cast<size_t>(fence - index->fences.begin());
  if (chunk > 0) --chunk;
  std::vector<LogIndex> found;
  std::string bytes;
  for (; chunk < index->fences.size() && index->fences[chunk].first_fingerprint <= fingerprint;
       ++chunk) {
    RETURN_IF_ERROR(ReadIdChunk(*index, chunk, &bytes));
    for (size_t at = 0; at < bytes.size(); at += kIdEntryBytes) {
      if (GetFixed64(&bytes[at]) != fingerprint) continue;
      found.push_back(frame_->first + GetFixed16(&bytes[at + 8]));
    }
  }
  return found;
}

absl::Status SegmentReader::ReadFingerprints(
    const std::function<void(uint64_t fingerprint, LogIndex index)>& on_fingerprint) const {
  ASSIGN_OR_RETURN(const std::shared_ptr<const SegmentIndex> index, LoadIndex());
  std::string bytes;
  for (size_t chunk = 0; chunk < index->fences.size(); ++chunk) {
    RETURN_IF_ERROR(ReadIdChunk(*index, chunk, &bytes));
    for (size_t at = 0; at < bytes.size(); at += kIdEntryBytes) {
      on_fingerprint(GetFixed64(&bytes[at]), frame_->first + GetFixed16(&bytes[at + 8]));
    }
  }
  return absl::OkStatus();
}

absl::Status SegmentReader::VerifyAll(const RecordFingerprint& fingerprint_of,
                                      std::optional<SegmentDamage>* damage,
                                      const std::function<absl::Status(uint64_t)>& pace) const {
  const auto verify = [&]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::shared_ptr<const SegmentIndex> index, LoadIndex());
    std::vector<Hash> hashes;
    std::vector<uint64_t> fingerprints;
    RETURN_IF_ERROR(VerifyRecords(*index, &hashes, &fingerprints, fingerprint_of, pace));
    RETURN_IF_ERROR(VerifyRows(*index, hashes));
    return VerifyIds(*index, fingerprints);
  };
  absl::Status status = verify();
  if (damage != nullptr) *damage = SegmentDamageOf(status);
  return status;
}

// Goes on behind wrong checksums as far as the hashes hold, so as to name the very record.
absl::Status SegmentReader::VerifyRecords(const SegmentIndex& index, std::vector<Hash>* hashes,
                                          std::vector<uint64_t>* fingerprints,
                                          const RecordFingerprint& fingerprint_of,
                                          const std::function<absl::Status(uint64_t)>& pace) const {
  hashes->resize(record_count());
  RETURN_IF_ERROR(file_->ReadAt(frame_->rows_at, BytesOf(*hashes)));
  std::vector<bool> row_good;
  for (size_t chunk = 0; chunk < index.row0_checks.size(); ++chunk) {
    const size_t at = chunk * kRowChunkHashes;
    const std::span<const Hash> part =
        std::span(*hashes).subspan(at, std::min(kRowChunkHashes, hashes->size() - at));
    row_good.push_back(SegmentCheck(ViewOf(part)) == index.row0_checks[chunk]);
  }
  Hash previous = frame_->previous_hash;
  int64_t received_at_ns = 0;
  for (const SegmentBlock& block : index.blocks) {
    const RecordCallback check = [&](LogIndex at, std::string_view bytes, const Hash&) {
      const uint64_t relative = at.value - frame_->first.value;
      const absl::StatusOr<record::RecordHeader> header = record::Decode(bytes);
      if (!header.ok() || header->index != at) {
        return Damaged(block.offset, relative, relative + 1, "a record is not what its place says");
      }
      if (fingerprint_of) fingerprints->push_back(fingerprint_of(bytes));
      received_at_ns = header->received_at_ns;
      return absl::OkStatus();
    };
    RETURN_IF_ERROR(VerifyBlock(block, *hashes, row_good, &previous, check));
    if (pace) RETURN_IF_ERROR(pace(block.stored_bytes));
  }
  const uint64_t last = record_count() - 1;
  if (previous != frame_->last_hash || received_at_ns != frame_->last_received_at_ns) {
    return Damaged(file_bytes_ - kSegmentFooterBytes, last, last + 1,
                   "the footer contradicts the last record");
  }
  return absl::OkStatus();
}

absl::Status SegmentReader::DamageOfBlock(const SegmentIndex& index,
                                          const SegmentBlock& block) const {
  std::vector<Hash> row(record_count());
  const uint64_t first = block.first == 0 ? 0 : block.first - 1;
  RETURN_IF_ERROR(ReadRow0(index, first, std::span(row).subspan(first, block.end() - first)));
  Hash previous = block.first == 0 ? frame_->previous_hash : row[first];
  const std::vector<bool> row_good(index.row0_checks.size(), true);  // or ReadRow0 had said so
  absl::Status found =
      VerifyBlock(block, row, row_good, &previous,
                  [](LogIndex, std::string_view, const Hash&) { return absl::OkStatus(); });
  if (found.ok()) return Damaged(block.offset, block.first, block.end(), "a block is damaged");
  // Wherever in it the damage lies: a block whose checksum is wrong gives no record.
  if (std::optional<SegmentDamage> damage = SegmentDamageOf(found)) {
    damage->end = frame_->first + block.end();
    SetDamage(*damage, &found);
  }
  return found;
}

absl::Status SegmentReader::VerifyBlock(const SegmentBlock& block, std::span<const Hash> row,
                                        const std::vector<bool>& row_good, Hash* previous,
                                        const RecordCallback& on_record) const {
  std::string stored;
  std::string raw;
  RETURN_IF_ERROR(ReadStored(block, &stored));
  const bool good = SegmentCheck(stored) == block.check;
  RETURN_IF_ERROR(Unpack(block, stored, &raw));
  std::string_view left = raw;
  std::string record;
  for (uint64_t at = block.first; at < block.end(); ++at) {
    uint64_t length = 0;
    if (!GetVarint(&left, &length) || length > left.size()) {
      return Damaged(block.offset, at, block.end(), "a block's records do not fit it");
    }
    record.resize(length + record::kPreviousHashFieldBytes);
    record::RestorePreviousHash(left.substr(0, length), *previous, record.data());
    left.remove_prefix(length);
    const Hash hash = record::RecordHash(record);
    if (hash != row[at]) {
      if (row_good[at / kRowChunkHashes]) {
        return Damaged(block.offset, at, at + 1, "a record's bytes do not give its hash");
      }
      return Damaged(frame_->rows_at + at * Hash::kSize, at, at + 1,
                     "the hash row does not have the record's hash");
    }
    RETURN_IF_ERROR(on_record(frame_->first + at, record, hash));
    *previous = hash;
  }
  if (!good || !left.empty()) {
    return Damaged(block.offset, block.first, block.end(), "a block is damaged");
  }
  return absl::OkStatus();
}

absl::Status SegmentReader::VerifyRows(const SegmentIndex& index,
                                       const std::vector<Hash>& hashes) const {
  // Every hash was compared with its record; a wrong checksum left is one of the index itself.
  std::vector<Hash> row0(hashes.size());
  RETURN_IF_ERROR(ReadRow0(index, 0, row0));
  std::vector<Hash> row8;
  RETURN_IF_ERROR(ReadRow8(index, &row8));
  std::vector<Hash> nodes = hashes;
  for (int level = 0; level < 8; ++level) {
    Sha256Nodes(nodes.data(), nodes.size() / 2, nodes.data());
    nodes.resize(nodes.size() / 2);
  }
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i] == row8[i]) continue;
    return Damaged(frame_->rows_at + (record_count() + i) * Hash::kSize, i << 8, (i + 1) << 8,
                   "a node at level 8 is not that of its records");
  }
  if (!final()) return absl::OkStatus();
  for (size_t pairs = nodes.size() / 2; pairs > 0; pairs /= 2) {
    Sha256Nodes(nodes.data(), pairs, nodes.data());
  }
  if (nodes[0] != frame_->root16) {
    return Damaged(file_bytes_ - kSegmentFooterBytes, 0, record_count(),
                   "the node at level 16 is not that of the records");
  }
  return absl::OkStatus();
}

absl::Status SegmentReader::VerifyIds(const SegmentIndex& index,
                                      const std::vector<uint64_t>& fingerprints) const {
  std::vector<bool> seen(record_count());
  uint64_t last = 0;
  std::string bytes;
  for (size_t chunk = 0; chunk < index.fences.size(); ++chunk) {
    RETURN_IF_ERROR(ReadIdChunk(index, chunk, &bytes));
    const uint64_t offset = frame_->ids_at + chunk * kIdChunkEntries * kIdEntryBytes;
    for (size_t at = 0; at < bytes.size(); at += kIdEntryBytes) {
      const uint64_t fingerprint = GetFixed64(&bytes[at]);
      const uint16_t relative = GetFixed16(&bytes[at + 8]);
      const bool fence_fits = at != 0 || fingerprint == index.fences[chunk].first_fingerprint;
      if (relative >= seen.size() || seen[relative] || fingerprint < last || !fence_fits ||
          (!fingerprints.empty() && fingerprints[relative] != fingerprint)) {
        return Damaged(offset + at, relative < seen.size() ? relative : 0, record_count(),
                       "the list of event ids is not that of the records");
      }
      seen[relative] = true;
      last = fingerprint;
    }
  }
  return absl::OkStatus();
}

}  // namespace graven::store
