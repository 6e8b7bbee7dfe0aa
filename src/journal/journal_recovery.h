#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hash.h"
#include "base/log_index.h"
#include "io/file_system.h"

// Reading the journal back: after a start, by the sealer, and by the independent verifier. Reads
// only; any thread. The bytes on disk are described in docs/format.md, section "Journal".
//
// What is believed: a frame whose header and body carry the checksums of this very incarnation of
// its file (they are seeded with the file's random salt), whose sequence number is the next one,
// and which names the frame before it. Reading stops at the first place where that does not hold.
// What to do then is not decided here: the ledger compares `later` and its own floor, and either
// cuts (Journal::Open) or opens read-only.

namespace graven::journal {

// The bytes of one record in a journal file.
struct RecordLocation {
  uint64_t file = 0;
  uint32_t offset = 0;
  uint32_t length = 0;
};

// XXH3-64 of a record's bytes. Kept in memory from the moment the record's hash was computed until
// it stands in a segment, so that what is read back from the journal then is known to be the same
// for a tenth of what hashing it again costs. It never leaves the process.
uint64_t RecordCheck(std::string_view record);

// The records of one log in one frame.
struct FrameSection {
  uint32_t log_number = 0;
  uint32_t record_count = 0;
  LogIndex first;         // index of the first record
  TreeSize acknowledged;  // of this log, already acknowledged when the frame was written
  Hash root;              // of the log's tree after these records
  uint64_t frame_sequence = 0;
  uint64_t file = 0;
  uint32_t records_offset = 0;  // of `records` in the file
  std::string_view records;  // each record behind its length as a varint; checked to be well-formed

  LogIndex end() const { return first + record_count; }
};

// Walks the records of one section, in order.
class RecordCursor {
 public:
  // `section` must outlive the cursor and its views.
  explicit RecordCursor(const FrameSection& section)
      : left_(section.records), file_(section.file), offset_(section.records_offset) {}

  // False at the end. `location` may be null.
  bool Next(std::string_view* record, RecordLocation* location);

 private:
  std::string_view left_;
  uint64_t file_;
  uint32_t offset_;
};

// Called for each section, in the order in which they were made durable. The views live until it
// returns. An error ends the reading and is returned from it.
using SectionCallback = std::function<absl::Status(const FrameSection&)>;

struct LogRange {
  uint32_t log_number = 0;
  LogIndex first;
  LogIndex end;
};

struct JournalFileInfo {
  uint64_t number = 0;
  uint64_t bytes_used = 0;     // from the beginning of the file, header included
  bool current = false;        // appended to
  std::vector<LogRange> logs;  // sorted by log number
};

struct JournalDamage {
  uint64_t file = 0;
  uint64_t offset = 0;
  std::string reason;  // for an operator
  // No torn tail, but loss: a frame behind it says that what is damaged had been synced, or the
  // disk does not give the bytes, so that nobody can say what they were.
  bool was_durable = false;
};

// What valid frames beyond the first bad place say about one log: somebody may have been told that
// its records below `acknowledged` are durable.
struct LaterSection {
  uint32_t log_number = 0;
  TreeSize acknowledged;
  LogIndex end;
  uint64_t file = 0;  // of the frame that says so
  uint64_t offset = 0;
};

using JournalSalt = std::array<uint8_t, 16>;

struct JournalRecovery {
  // The files whose frames were believed, oldest first.
  std::vector<JournalFileInfo> files;
  uint64_t frames = 0;
  // Set when reading did not stop at a clean end: a frame that begins as the next one should but is
  // not whole, valid frames behind a gap, a header or a whole file that cannot be read. A last
  // frame of which not even the beginning reached the disk cannot be told from a clean end: nothing
  // of it was promised.
  std::optional<JournalDamage> damage;
  // One entry for each log, from the valid frames behind the damage. Empty without damage.
  std::vector<LaterSection> later;

  // For Journal::Open, which goes on exactly behind the last believed frame. One entry for each
  // of `files`.
  struct OldFile {
    uint64_t number = 0;
    JournalSalt salt{};
    uint64_t end = 0;
  };
  std::vector<OldFile> chain;
  // Bytes of believed frames of which no later frame says that they were synced: they may be in the
  // page cache alone. Oldest first.
  struct Unproven {
    uint64_t file = 0;
    uint64_t begin = 0;
    uint64_t end = 0;
  };
  std::vector<Unproven> unproven;
  std::vector<uint64_t> cut_files;     // hold only frames behind the damage, or cut earlier
  std::vector<uint64_t> unused_files;  // prepared, never written in this incarnation
  uint64_t next_number = 1;
  uint64_t next_sequence = 0;
  uint64_t last_check = 0;  // names the last believed frame
};

// Reads the journal in folder `dir` from its oldest frame. Memory is bounded by the largest frame
// and a window. Changes nothing. kNotFound: no such folder. Other errors: the folder or a file
// cannot be opened, or of `on_section`. Damage is not an error, nor is a place that cannot be read.
absl::StatusOr<JournalRecovery> ReadJournal(io::FileSystem& fs, const std::string& dir,
                                            const SectionCallback& on_section);

}  // namespace graven::journal
