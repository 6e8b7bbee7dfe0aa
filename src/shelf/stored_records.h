#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "journal/journal.h"
#include "merkle/proof.h"
#include "shelf/log.h"
#include "shelf/segments.h"

namespace graven::shelf {

// Called with a record's exact bytes and its hash, in order; false ends the reading. Views live
// during the call only.
using RecordVisitor =
    std::function<bool(LogIndex index, std::string_view record, const Hash& record_hash)>;

// Reads records wherever they stand: in a segment, or still in the journal. A record moves from the
// one to the other while it is being looked for; then it is looked for again. Thread-safe.
class StoredRecords {
 public:
  explicit StoredRecords(SegmentCache& segments) : segments_(segments) {}

  // Recovery, before any other thread reads. Until then only segments are read.
  void UseJournal(const journal::Journal* journal) { journal_ = journal; }

  // Calls `visit` with the records `first`, ... `count` of them, until it returns false. The hash
  // of each is computed from the bytes that are handed out and held against the one in the tree.
  // REQUIRES: they are below a size that the caller was handed. kDataLoss names the record.
  absl::Status Visit(const Log& log, LogIndex first, uint64_t count,
                     const RecordVisitor& visit) const;

  // The same for the sealer: what the journal returns is held against the checksum of the bytes
  // that were hashed, not hashed again.
  absl::Status VisitUnsealed(const Log& log, LogIndex first, uint64_t count,
                             const RecordVisitor& visit) const;

  // One record.
  absl::StatusOr<std::string> Get(const Log& log, LogIndex index) const;

 private:
  // One step of Visit: advances `first` and lowers `count` by what it visited, which may be nothing
  // when the records have just moved. Sets `stopped` when `visit` returned false.
  struct Progress {
    LogIndex first;
    uint64_t count;
    bool by_check = false;
    bool stopped = false;
  };
  absl::Status VisitAll(const Log& log, const RecordVisitor& visit, Progress progress) const;
  absl::Status VisitSegment(const Log& log, const SegmentEntry& segment, const RecordVisitor& visit,
                            Progress* progress) const;
  absl::Status VisitTail(const Log& log, const RecordVisitor& visit, Progress* progress) const;

  SegmentCache& segments_;
  const journal::Journal* journal_ = nullptr;
};

// The nodes of one log's tree, from hash rows of segments and from the tail. Not thread-safe; make
// one for each proof.
class LogNodes final : public merkle::NodeSource {
 public:
  LogNodes(const Log& log, SegmentCache& segments) : log_(log), cache_(segments) {}

  absl::StatusOr<Hash> Node(int level, uint64_t index) override;

  // Nodes `first`, ... of `level`. REQUIRES: they are whole below a size handed to the caller.
  absl::Status Row(int level, uint64_t first, std::span<Hash> out);

  // The hashes of the records from `first` on.
  absl::Status Leaves(LogIndex first, std::span<Hash> out);

 private:
  absl::Status NodesOfLevel8(uint64_t first, std::span<Hash> out);
  absl::Status NodesOfLevel16(uint64_t first, std::span<Hash> out);
  // Nodes `first`, ... of `level` (0 or 8), from one segment.
  absl::Status FromSegments(int level, uint64_t first, std::span<Hash> out);

  const Log& log_;
  SegmentCache& cache_;
};

}  // namespace graven::shelf
