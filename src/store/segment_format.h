#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "base/hash.h"
#include "base/log_index.h"
#include "store/segment_writer.h"

// The segment's bytes, shared by writer and reader. docs/format.md, section "Segment", has the same
// in words. Pure functions.

namespace graven::store {

inline constexpr size_t kSegmentHeaderBytes = 128;
inline constexpr size_t kSegmentFooterBytes = 256;
inline constexpr size_t kBlockRecordsMax = 256;
inline constexpr size_t kBlockRawBytes = size_t{128}
                                         << 10;  // a block is ended when it has this much
inline constexpr size_t kBlockRawBytesMax = kBlockRawBytes + (size_t{64} << 10) + 3;
inline constexpr size_t kRowChunkHashes = 256;
inline constexpr size_t kIdEntryBytes = 10;
inline constexpr size_t kIdChunkEntries = 512;

uint64_t SegmentCheck(std::string_view bytes);

// What header and footer say.
struct SegmentFrame {
  Hash origin_hash;
  LogIndex first;
  LogIndex end;
  Hash previous_hash;
  Hash last_hash;
  Hash root16;  // zeros unless the segment is final
  int64_t last_received_at_ns = 0;
  uint64_t raw_bytes = 0;  // of all blocks before compression
  uint64_t rows_at = 0;
  uint64_t ids_at = 0;
  uint64_t index_at = 0;
  uint64_t index_bytes = 0;
  uint64_t index_check = 0;

  uint64_t record_count() const { return end.value - first.value; }
};

std::string EncodeSegmentHeader(const SegmentFrame& frame);
std::string EncodeSegmentFooter(const SegmentFrame& frame);

// The message says what is wrong. kDataLoss: damaged. kFailedPrecondition: from a newer version.
absl::Status DecodeSegmentFooter(std::string_view bytes, uint64_t file_bytes, SegmentFrame* frame);
absl::Status CheckSegmentHeader(std::string_view bytes, const SegmentFrame& frame);

struct SegmentBlock {
  uint64_t offset = 0;  // in the file
  uint32_t stored_bytes = 0;
  uint32_t raw_bytes = 0;
  uint32_t first = 0;  // index of its first record, relative to the segment's
  uint16_t records = 0;
  SegmentCodec codec = SegmentCodec::kRaw;
  uint64_t check = 0;  // of the stored bytes

  uint32_t end() const { return first + records; }
};

struct IdFence {
  uint64_t first_fingerprint = 0;  // of a chunk of the id list
  uint64_t check = 0;
};

// Where what is, and what it checks with. Its own checksum stands in the footer.
struct SegmentIndex {
  std::vector<SegmentBlock> blocks;
  std::vector<uint64_t> row0_checks;  // one for kRowChunkHashes hashes
  uint64_t row8_check = 0;
  std::vector<IdFence> fences;  // one for kIdChunkEntries entries
};

std::string EncodeSegmentIndex(const SegmentIndex& index);
// False when it does not describe exactly the segment of `frame`.
bool DecodeSegmentIndex(std::string_view bytes, const SegmentFrame& frame, SegmentIndex* index);

}  // namespace graven::store
