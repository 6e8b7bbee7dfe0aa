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
#include "base/hash.h"
#include "base/log_index.h"
#include "base/mutex.h"
#include "io/file_system.h"
#include "store/segment_writer.h"

namespace graven::store {

struct SegmentFrame;
struct SegmentIndex;
struct SegmentBlock;

struct SegmentDamage {
  LogIndex first_bad;   // the first record that cannot be trusted
  uint64_t offset = 0;  // in the file, of what is damaged
  std::string what;     // for an operator
  // Of a read that failed: no read gets any of the records from where it failed to before this. 0:
  // not known.
  LogIndex end = {};
};
// What a kDataLoss of a SegmentReader is about; nothing for another status.
std::optional<SegmentDamage> SegmentDamageOf(const absl::Status& status);

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
  ~SegmentReader();

  LogIndex first() const;
  LogIndex end() const;
  uint64_t record_count() const { return end().value - first().value; }
  bool final() const { return record_count() == kSegmentRecords; }
  const Hash& origin_hash() const;
  const Hash& previous_hash() const;  // of the first record
  const Hash& last_hash() const;      // of the last record
  int64_t last_received_at_ns() const;
  const Hash& root16() const;  // REQUIRES: final()
  uint64_t file_bytes() const { return file_bytes_; }
  const std::string& path() const { return path_; }

  // The record's exact bytes and the hash that the segment keeps for it; the views live until it
  // returns.
  using RecordCallback =
      std::function<absl::Status(LogIndex index, std::string_view record, const Hash& record_hash)>;
  // Records [first, first + count), in order. kOutOfRange: not within the segment. kDataLoss: of a
  // block, the first record of it that is damaged, if its bytes can be unpacked.
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
  // `damage` is set. `pace` (may be empty) is called with the bytes of each block read; an error of
  // its own ends it.
  absl::Status VerifyAll(const RecordFingerprint& fingerprint_of,
                         std::optional<SegmentDamage>* damage,
                         const std::function<absl::Status(uint64_t bytes)>& pace = nullptr) const;

 private:
  SegmentReader(std::string path, std::unique_ptr<io::File> file);

  absl::Status Load();
  absl::StatusOr<std::shared_ptr<const SegmentIndex>> LoadIndex() const;
  absl::Status ReadStored(const SegmentBlock& block, std::string* stored) const;
  absl::Status Unpack(const SegmentBlock& block, std::string_view stored, std::string* raw) const;
  absl::Status VisitBlock(const SegmentBlock& block, std::string_view raw, uint64_t first,
                          uint64_t end, std::span<const Hash> hashes,
                          const RecordCallback& on_record) const;
  absl::Status ReadRow0(const SegmentIndex& index, uint64_t first, std::span<Hash> out) const;
  absl::Status ReadRow8(const SegmentIndex& index, std::vector<Hash>* out) const;
  absl::Status ReadIdChunk(const SegmentIndex& index, size_t chunk, std::string* out) const;
  absl::Status VerifyRecords(const SegmentIndex& index, std::vector<Hash>* hashes,
                             std::vector<uint64_t>* fingerprints,
                             const RecordFingerprint& fingerprint_of,
                             const std::function<absl::Status(uint64_t)>& pace) const;
  // REQUIRES: the block's checksum is wrong. Names the record, as far as it can be told.
  absl::Status DamageOfBlock(const SegmentIndex& index, const SegmentBlock& block) const;
  absl::Status VerifyBlock(const SegmentBlock& block, std::span<const Hash> row,
                           const std::vector<bool>& row_good, Hash* previous,
                           const RecordCallback& on_record) const;
  absl::Status VerifyRows(const SegmentIndex& index, const std::vector<Hash>& hashes) const;
  absl::Status VerifyIds(const SegmentIndex& index,
                         const std::vector<uint64_t>& fingerprints) const;
  // `first` and `end` are relative to the segment.
  absl::Status Damaged(uint64_t offset, uint64_t first, uint64_t end, std::string_view what) const;

  const std::string path_;
  const std::unique_ptr<io::File> file_;
  uint64_t file_bytes_ = 0;
  const std::unique_ptr<SegmentFrame> frame_;

  mutable Mutex mutex_;
  mutable std::shared_ptr<const SegmentIndex> index_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace graven::store
