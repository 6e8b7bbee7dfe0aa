#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/hash.h"
#include "base/log_index.h"
#include "io/file_system.h"
#include "store/segment_writer.h"

namespace graven::store {

struct SegmentDamage {
  LogIndex first_bad;   // the first record that cannot be trusted
  uint64_t offset = 0;  // in the file, of what is damaged
  std::string what;     // for an operator
};

// Reads one segment. Thread-safe. Keeps the file open, and in memory the index (some 15 KiB for
// usual records) after the first read; no block is cached.
//
// Every read checks the checksums of what it read. kDataLoss from any call names file, offset and
// records.
class SegmentReader {
 public:
  // Reads footer and header only; checks them, the size of the file, and its name against its
  // bounds. kNotFound; kDataLoss: damaged; kFailedPrecondition: made by a newer version.
  static absl::StatusOr<std::unique_ptr<SegmentReader>> Open(io::FileSystem& fs,
                                                             const std::string& path);

  LogIndex first() const { return first_; }
  LogIndex end() const { return end_; }
  bool final() const { return end_.value - first_.value == kSegmentRecords; }
  uint64_t record_count() const { return end_.value - first_.value; }
  const Hash& origin_hash() const { return origin_hash_; }
  const Hash& previous_hash() const { return previous_hash_; }  // of the first record
  const Hash& last_hash() const { return last_hash_; }          // of the last record
  int64_t last_received_at_ns() const { return last_received_at_ns_; }
  const Hash& root16() const { return root16_; }  // REQUIRES: final()
  uint64_t file_bytes() const { return file_bytes_; }
  const std::string& path() const { return path_; }

  // The record's exact bytes and the hash that the segment keeps for it; the views live until it
  // returns.
  using RecordCallback =
      std::function<absl::Status(LogIndex index, std::string_view record, const Hash& record_hash)>;
  // Records [first, first + count), in order. kOutOfRange: not within the segment.
  absl::Status ReadRecords(LogIndex first, uint64_t count, const RecordCallback& on_record) const;
  absl::Status ReadRecord(LogIndex index, std::string* record) const;

  // Nodes of the log's tree at `level` 0, 8 or 16: node n covers the records [n << level, (n+1) <<
  // level). Only whole nodes are there. kOutOfRange: not within the segment; kInvalidArgument:
  // another level.
  absl::Status ReadHashes(int level, uint64_t first_node, std::span<Hash> out) const;

  // The records whose event id has this fingerprint, ascending. One read of some 5 KiB.
  absl::StatusOr<std::vector<LogIndex>> FindFingerprint(uint64_t fingerprint) const;

  // All of them, ordered by fingerprint.
  absl::Status ReadFingerprints(
      const std::function<void(uint64_t fingerprint, LogIndex index)>& on_fingerprint) const;

  // Computes the fingerprint of a record's event id, from the record's bytes.
  using RecordFingerprint = std::function<uint64_t(std::string_view record)>;
  // Reads all and checks all: checksums, each record's index and hash, chain, rows against each
  // other, order of the id list, its contents with `fingerprint_of` (may be empty). kDataLoss:
  // `damage` is set.
  absl::Status VerifyAll(const RecordFingerprint& fingerprint_of,
                         std::optional<SegmentDamage>* damage) const;

 private:
  struct Block {
    uint64_t offset;
    uint32_t stored_bytes;
    uint32_t raw_bytes;
    uint32_t first;  // relative
    uint16_t records;
    uint16_t codec;
    uint64_t check;
  };
  struct IdFence {
    uint64_t first_fingerprint;
    uint64_t check;
  };
  struct Index {
    std::vector<Block> blocks;
    std::vector<uint64_t> row0_checks;  // one for 256 hashes
    uint64_t row8_check = 0;
    std::vector<IdFence> fences;
  };

  SegmentReader(std::string path, std::unique_ptr<io::File> file);

  absl::Status Load(uint64_t file_bytes);
  absl::Status DecodeFooter(std::string_view footer);
  absl::Status CheckHeader(std::string_view header) const;
  absl::StatusOr<std::shared_ptr<const Index>> LoadIndex() const;
  absl::Status DecodeIndex(std::string_view bytes, Index* index) const;
  absl::Status ReadBlock(const Block& block, std::string* stored, std::string* raw) const;
  absl::Status ReadRow0(const Index& index, uint64_t first, uint64_t count, Hash* out) const;
  absl::Status ReadRow8(const Index& index, uint64_t first, uint64_t count, Hash* out) const;
  absl::Status ReadIdChunk(const Index& index, size_t chunk, std::string* out) const;
  absl::Status Damaged(uint64_t offset, uint64_t first, uint64_t end, std::string_view what) const;

  const std::string path_;
  const std::unique_ptr<io::File> file_;
  uint64_t file_bytes_ = 0;
  LogIndex first_;
  LogIndex end_;
  Hash origin_hash_;
  Hash previous_hash_;
  Hash last_hash_;
  Hash root16_;
  int64_t last_received_at_ns_ = 0;
  uint64_t rows_at_ = 0;
  uint64_t ids_at_ = 0;
  uint64_t index_at_ = 0;
  uint64_t index_bytes_ = 0;
  uint64_t index_check_ = 0;
  uint64_t raw_bytes_ = 0;

  mutable absl::Mutex mutex_;
  mutable std::shared_ptr<const Index> index_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace graven::store
