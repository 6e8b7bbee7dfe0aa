#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/file_system.h"
#include "journal/journal.h"
#include "ledger/duplicate_finder.h"
#include "ledger/ledger.h"
#include "shelf/log.h"
#include "shelf/segments.h"
#include "shelf/stored_records.h"
#include "store/segment_writer.h"

namespace graven::ledger {

// Moves durable records from the journal into segments, so that journal files can be used again.
// The background thread's own.
//
// The order in which things become true, each before the next begins: the segment is durable under
// its name; readers are given it; the provisional one that it replaces is removed; a journal file
// of which every record is in a segment is retired.
class Sealer {
 public:
  struct Options {
    // The oldest journal file is emptied, by carrying the tails of slow logs into provisional
    // segments, when more files than this are in use.
    uint64_t journal_files_kept = 4;
    // Free bytes that are left on the disk, for what a clean stop writes.
    uint64_t disk_bytes_kept = 0;
    std::function<Log*(uint32_t number)> log_of;
    std::function<std::string(const Log&)> segments_folder_of;
  };

  Sealer(io::FileSystem& fs, journal::Journal& journal, shelf::SegmentCache& segments,
         const shelf::StoredRecords& records, store::FingerprintFunction fingerprint,
         const Options& options)
      : fs_(fs),
        journal_(journal),
        segments_(segments),
        records_(records),
        fingerprint_(fingerprint),
        options_(options) {}

  // One piece of work on `logs`, the most urgent: false when there is none.
  // kResourceExhausted: the disk is full; nothing is lost, try again later. kDataLoss: a record is
  // damaged. kFailedPrecondition: a read-only log has records in the oldest journal file that it
  // does not own up to; the file stays.
  absl::StatusOr<bool> Step(const std::vector<Log*>& logs, store::SegmentCodec codec);

  // Puts what the log has behind its final segments into a provisional one. Errors as Step.
  absl::Status CarryTail(Log& log, store::SegmentCodec codec);

  // Whether the journal got no new file: then the oldest one is emptied however few there are. Any
  // thread.
  void WantRoom(bool wanted) { room_wanted_ = wanted; }

 private:
  // The first range of a journal file with records that are in no segment; null: all are.
  const journal::LogRange* FirstUnsealed(const journal::JournalFileInfo& file) const;
  absl::Status Retire(const journal::JournalFileInfo& file);
  absl::StatusOr<bool> SealFullRange(const std::vector<Log*>& logs, store::SegmentCodec codec);
  absl::StatusOr<bool> EmptyOldest(const journal::LogRange& unsealed, store::SegmentCodec codec);
  absl::Status WriteSegment(Log& log, LogIndex first, TreeSize end, store::SegmentCodec codec);
  // Gives readers the new segment in the place of the provisional one, which is removed.
  absl::Status Replace(Log& log, const std::string& path);

  io::FileSystem& fs_;
  journal::Journal& journal_;
  shelf::SegmentCache& segments_;
  const shelf::StoredRecords& records_;
  const store::FingerprintFunction fingerprint_;
  const Options options_;
  std::atomic<bool> room_wanted_{false};
  // Where the search for a full range goes on, so that every log has its turn.
  size_t next_log_ = 0;
};

}  // namespace graven::ledger
