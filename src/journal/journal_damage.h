#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "base/hash.h"
#include "base/log_index.h"
#include "io/file_system.h"
#include "journal/journal_recovery.h"
#include "merkle/frontier.h"

namespace graven::journal {

// A record in a damaged frame that is not what was written.
struct BadRecord {
  uint32_t log_number = 0;
  LogIndex index;
  RecordLocation location;
};

// What is known, and trusted, of a log before the damaged frame is looked into.
struct LogTip {
  merkle::Frontier frontier;
  Hash last_hash;
  // Of a record before the end: a frame may hold what is in a segment already. Nothing if it cannot
  // be read; then only the record's form can be judged.
  std::function<std::optional<Hash>(LogIndex)> hash_of;
};

// Looks into the frame at which reading stopped for the record that is damaged: a checksum covers
// the whole frame, but segments, the chain, and the root that the frame names tell its records
// apart. `tip_of` gives the end of a log, or nothing for a log that is not known. Nothing is
// returned when the file or the frame's own header cannot be read, or when all its records are what
// was written. Errors: of the disk. REQUIRES: recovery.damage.
absl::StatusOr<std::optional<BadRecord>> FindBadRecord(
    io::FileSystem& fs, const std::string& dir, const JournalRecovery& recovery,
    const std::function<std::optional<LogTip>(uint32_t log_number)>& tip_of);

}  // namespace graven::journal
