#include "store/segment_format.h"

#include <xxhash.h>

#include <cstring>

#include "base/encoding.h"
#include "fmt/format.h"

namespace graven::store {
namespace {

constexpr std::string_view kSegmentMagic = "GRAVENS1";
constexpr uint32_t kFormatVersion = 1;
constexpr size_t kBlockEntryBytes = 32;
constexpr size_t kFenceBytes = 16;
constexpr size_t kIndexHeaderBytes = 16;

uint64_t Chunks(uint64_t count, uint64_t chunk) { return (count + chunk - 1) / chunk; }

void PutHash(char* out, const Hash& hash) { std::memcpy(out, hash.bytes.data(), Hash::kSize); }
Hash GetHash(const char* in) { return Hash::FromBytes({in, Hash::kSize}); }

void PutCheck128(char* out, std::string_view bytes) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), bytes.size()));
  std::memcpy(out, canonical.digest, sizeof(canonical.digest));
}

void EncodeBlock(const SegmentBlock& block, char* out) {
  PutFixed64(out, block.offset);
  PutFixed32(out + 8, block.stored_bytes);
  PutFixed32(out + 12, block.raw_bytes);
  PutFixed32(out + 16, block.first);
  PutFixed16(out + 20, block.records);
  PutFixed16(out + 22, static_cast<uint16_t>(block.codec));
  PutFixed64(out + 24, block.check);
}

SegmentBlock DecodeBlock(const char* in) {
  SegmentBlock block;
  block.offset = GetFixed64(in);
  block.stored_bytes = GetFixed32(in + 8);
  block.raw_bytes = GetFixed32(in + 12);
  block.first = GetFixed32(in + 16);
  block.records = GetFixed16(in + 20);
  block.codec = static_cast<SegmentCodec>(GetFixed16(in + 22));
  block.check = GetFixed64(in + 24);
  return block;
}

// Blocks stand one behind the other from the header to the rows, without gaps, and so do their
// records.
bool BlocksFit(const std::vector<SegmentBlock>& blocks, const SegmentFrame& frame) {
  uint64_t offset = kSegmentHeaderBytes;
  uint64_t first = 0;
  uint64_t raw_bytes = 0;
  for (const SegmentBlock& block : blocks) {
    const bool codec_known =
        block.codec == SegmentCodec::kRaw || block.codec == SegmentCodec::kZstd;
    if (block.offset != offset || block.first != first || block.records == 0 ||
        block.records > kBlockRecordsMax || block.raw_bytes > kBlockRawBytesMax || !codec_known ||
        (block.codec == SegmentCodec::kRaw && block.raw_bytes != block.stored_bytes)) {
      return false;
    }
    offset += block.stored_bytes;
    first += block.records;
    raw_bytes += block.raw_bytes;
  }
  return offset == frame.rows_at && first == frame.record_count() && raw_bytes == frame.raw_bytes;
}

// Sections follow each other; sizes of all but blocks and index follow from the number of records.
bool LayoutFits(const SegmentFrame& frame, uint64_t file_bytes) {
  const uint64_t count = frame.record_count();
  const uint64_t rows_bytes = (count + (count >> 8)) * Hash::kSize;
  return frame.rows_at >= kSegmentHeaderBytes && frame.rows_at <= file_bytes &&
         frame.ids_at == frame.rows_at + rows_bytes &&
         frame.index_at == frame.ids_at + count * kIdEntryBytes && frame.index_at <= file_bytes &&
         frame.index_bytes <= file_bytes &&
         frame.index_at + frame.index_bytes + kSegmentFooterBytes == file_bytes;
}

}  // namespace

uint64_t SegmentCheck(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

std::string EncodeSegmentHeader(const SegmentFrame& frame) {
  std::string bytes(kSegmentHeaderBytes, '\0');
  char* const out = bytes.data();
  std::memcpy(out, kSegmentMagic.data(), kSegmentMagic.size());
  PutFixed32(out + 8, kFormatVersion);
  PutFixed32(out + 12, kSegmentHeaderBytes);
  PutHash(out + 16, frame.origin_hash);
  PutFixed64(out + 48, frame.first.value);
  PutFixed64(out + 56, frame.end.value);
  PutHash(out + 64, frame.previous_hash);
  PutFixed64(out + 120, SegmentCheck({out, 120}));
  return bytes;
}

std::string EncodeSegmentFooter(const SegmentFrame& frame) {
  std::string bytes(kSegmentFooterBytes, '\0');
  char* const out = bytes.data();
  std::memcpy(out, kSegmentMagic.data(), kSegmentMagic.size());
  PutFixed32(out + 8, kFormatVersion);
  PutFixed32(out + 12, kSegmentFooterBytes);
  PutFixed64(out + 16, frame.first.value);
  PutFixed64(out + 24, frame.end.value);
  PutHash(out + 32, frame.origin_hash);
  PutHash(out + 64, frame.previous_hash);
  PutHash(out + 96, frame.last_hash);
  PutHash(out + 128, frame.root16);
  PutFixed64(out + 160, static_cast<uint64_t>(frame.last_received_at_ns));
  PutFixed64(out + 168, frame.raw_bytes);
  PutFixed64(out + 176, frame.rows_at);
  PutFixed64(out + 184, frame.ids_at);
  PutFixed64(out + 192, frame.index_at);
  PutFixed64(out + 200, frame.index_bytes);
  PutFixed64(out + 208, frame.index_check);
  PutCheck128(out + 240, {out, 240});
  return bytes;
}

absl::Status DecodeSegmentFooter(std::string_view bytes, uint64_t file_bytes, SegmentFrame* frame) {
  const char* const in = bytes.data();
  char check[16];
  PutCheck128(check, bytes.substr(0, 240));
  if (bytes.substr(0, 8) != kSegmentMagic || std::memcmp(check, in + 240, sizeof(check)) != 0) {
    return absl::DataLossError("the footer is damaged");
  }
  if (GetFixed32(in + 8) > kFormatVersion) {
    return absl::FailedPreconditionError("made by a newer version of graven");
  }
  frame->first = LogIndex(GetFixed64(in + 16));
  frame->end = LogIndex(GetFixed64(in + 24));
  frame->origin_hash = GetHash(in + 32);
  frame->previous_hash = GetHash(in + 64);
  frame->last_hash = GetHash(in + 96);
  frame->root16 = GetHash(in + 128);
  frame->last_received_at_ns = static_cast<int64_t>(GetFixed64(in + 160));
  frame->raw_bytes = GetFixed64(in + 168);
  frame->rows_at = GetFixed64(in + 176);
  frame->ids_at = GetFixed64(in + 184);
  frame->index_at = GetFixed64(in + 192);
  frame->index_bytes = GetFixed64(in + 200);
  frame->index_check = GetFixed64(in + 208);
  const bool bounds_fit = frame->first.value % kSegmentRecords == 0 && frame->first < frame->end &&
                          frame->record_count() <= kSegmentRecords &&
                          frame->end.value <= kLogIndexLimit;
  if (GetFixed32(in + 8) != kFormatVersion || GetFixed32(in + 12) != kSegmentFooterBytes ||
      !bounds_fit || !LayoutFits(*frame, file_bytes)) {
    return absl::DataLossError("the footer contradicts itself or the size of the file");
  }
  return absl::OkStatus();
}

absl::Status CheckSegmentHeader(std::string_view bytes, const SegmentFrame& frame) {
  if (bytes != EncodeSegmentHeader(frame)) {
    return absl::DataLossError("the header is damaged or contradicts the footer");
  }
  return absl::OkStatus();
}

std::string EncodeSegmentIndex(const SegmentIndex& index) {
  std::string bytes(kIndexHeaderBytes + index.blocks.size() * kBlockEntryBytes +
                        index.row0_checks.size() * 8 + index.fences.size() * kFenceBytes,
                    '\0');
  char* out = bytes.data();
  PutFixed32(out, static_cast<uint32_t>(index.blocks.size()));
  PutFixed64(out + 8, index.row8_check);
  out += kIndexHeaderBytes;
  for (const SegmentBlock& block : index.blocks) {
    EncodeBlock(block, out);
    out += kBlockEntryBytes;
  }
  for (const uint64_t check : index.row0_checks) {
    PutFixed64(out, check);
    out += 8;
  }
  for (const IdFence& fence : index.fences) {
    PutFixed64(out, fence.first_fingerprint);
    PutFixed64(out + 8, fence.check);
    out += kFenceBytes;
  }
  return bytes;
}

bool DecodeSegmentIndex(std::string_view bytes, const SegmentFrame& frame, SegmentIndex* index) {
  if (bytes.size() < kIndexHeaderBytes) return false;
  const char* in = bytes.data();
  const uint64_t blocks = GetFixed32(in);
  const uint64_t row_chunks = Chunks(frame.record_count(), kRowChunkHashes);
  const uint64_t fences = Chunks(frame.record_count(), kIdChunkEntries);
  if (bytes.size() !=
      kIndexHeaderBytes + blocks * kBlockEntryBytes + row_chunks * 8 + fences * kFenceBytes) {
    return false;
  }
  index->row8_check = GetFixed64(in + 8);
  in += kIndexHeaderBytes;
  index->blocks.reserve(blocks);
  for (uint64_t i = 0; i < blocks; ++i, in += kBlockEntryBytes) {
    index->blocks.push_back(DecodeBlock(in));
  }
  index->row0_checks.reserve(row_chunks);
  for (uint64_t i = 0; i < row_chunks; ++i, in += 8) index->row0_checks.push_back(GetFixed64(in));
  index->fences.reserve(fences);
  for (uint64_t i = 0; i < fences; ++i, in += kFenceBytes) {
    index->fences.push_back({GetFixed64(in), GetFixed64(in + 8)});
  }
  return BlocksFit(index->blocks, frame);
}

}  // namespace graven::store
