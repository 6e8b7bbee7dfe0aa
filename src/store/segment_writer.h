#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hash.h"
#include "base/log_index.h"
#include "io/file_system.h"

namespace graven::store {

// A final segment holds exactly one range of this many records, from a multiple of it.
inline constexpr uint64_t kSegmentRecords = uint64_t{1} << 16;

enum class SegmentCodec : uint16_t { kRaw = 0, kZstd = 1 };

// "<first>-<end>", 20 decimal digits each.
std::string SegmentFileName(LogIndex first, LogIndex end);
struct SegmentBounds {
  LogIndex first;
  LogIndex end;
  bool final() const { return end.value - first.value == kSegmentRecords; }
};
// Nothing for another name, or for bounds that no segment has.
std::optional<SegmentBounds> ParseSegmentFileName(std::string_view name);
// Whether a file of this name is the leaving of an interrupted write and may be removed.
bool IsSegmentLeftover(std::string_view name);

struct SegmentMeta {
  Hash origin_hash;    // SHA-256 of the log's origin
  LogIndex first;      // a multiple of kSegmentRecords
  Hash previous_hash;  // of the first record
};

struct SegmentSummary {
  std::string path;
  SegmentBounds bounds;
  uint64_t file_bytes = 0;
};

// Writes one segment: an immutable file of one log's records from one index to another. One thread.
// The bytes are described in docs/format.md, section "Segment".
//
// Until Finish the file stands under a temporary name; destroyed before that, it is removed.
class SegmentWriter {
 public:
  // `dir` is the log's folder of segments. kInvalidArgument: `meta.first` is no multiple.
  static absl::StatusOr<std::unique_ptr<SegmentWriter>> Create(io::FileSystem& fs,
                                                               const std::string& dir,
                                                               const SegmentMeta& meta,
                                                               SegmentCodec codec);
  ~SegmentWriter();

  // Adds the next record: its exact bytes, its hash, the fingerprint of its event id. Not durable.
  // kInvalidArgument: no record, another index, a previous_hash that is not the hash of the record
  // before, or more than kSegmentRecords. kResourceExhausted: disk full. After an error only
  // destroy it.
  absl::Status Add(std::string_view record, const Hash& record_hash, uint64_t fingerprint);

  // `row8`: the nodes of level 8 of all full groups of 256 records, where the caller has them; they
  // are computed otherwise. Writes rows, index and footer, syncs, renames, syncs the folder:
  // durable and visible on return. Replaces a file with the same bounds; removes nothing else.
  // kInvalidArgument: no records. On error the temporary file is removed, or left to
  // IsSegmentLeftover.
  absl::StatusOr<SegmentSummary> Finish(std::span<const Hash> row8 = {});

  uint64_t record_count() const;

 private:
  struct Build;  // what is kept in memory until Finish

  SegmentWriter(io::FileSystem& fs, std::string dir, const SegmentMeta& meta, SegmentCodec codec);

  absl::Status EndBlock();
  absl::Status Put(std::string_view bytes);
  absl::Status WriteOut();
  absl::Status WriteRows(std::span<const Hash> known_row8);
  absl::Status WriteIds();
  absl::Status WriteIndexAndFooter();

  io::FileSystem& fs_;
  const std::string dir_;
  const SegmentMeta meta_;
  const SegmentCodec codec_;
  std::string temporary_path_;
  std::unique_ptr<io::File> file_;  // null when finished
  std::unique_ptr<Build> build_;
};

}  // namespace graven::store
