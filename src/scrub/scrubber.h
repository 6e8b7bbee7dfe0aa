#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/log_index.h"

// The scrubber reads again, in rotation, all that a ledger has stored, and holds it against what it
// knows: every record, hash row and id list of every segment, every frame of the journal, every
// checkpoint that was kept or stamped, the guard. And it looks whether the files behind it are
// still the ones that were there: a file that was unlinked, replaced, cut or linked a second time
// is found while the server has it open and would notice nothing. The search index is no concern of
// it: that is derived, and checked where it is read.
//
// Thread: one drives it (Step, Watch); status() from any. It owns no thread and reads no clock but
// the ledger's.
//
// Invariants: it writes nothing but its own place, in DIR/scrub, which is derived: without the file
// it begins anew. It never repairs and never stops the server; it tells. While something is wrong,
// the place that it keeps is the first such one, so that a restart looks there first.
namespace graven::scrub {

enum class FindingKind {
  kRecord,      // stored bytes contradict a checksum, a hash, or what the server knows of them
  kFile,        // a file is missing, is another, was cut, or has a second name
  kCheckpoint,  // a kept or stamped checkpoint or the guard contradicts the tree, or is missing
};

// "record", "file", "checkpoint".
std::string_view KindText(FindingKind kind);

struct Finding {
  FindingKind kind = FindingKind::kRecord;
  std::string log;                    // "" when it is of no log
  std::optional<LogIndex> first_bad;  // the first record concerned, where there is one
  std::string file;                   // path
  uint64_t offset = 0;                // in the file; 0 for a file as a whole
  std::string what;                   // for an operator
  int64_t found_at_ns = 0;            // wall clock

  // One line.
  std::string Text() const;
};

struct State {
  uint64_t rounds = 0;              // whole ones, since the folder was made (or DIR/scrub removed)
  double progress = 0;              // of the round under way, 0 to 1
  int64_t last_round_ended_ns = 0;  // wall clock; 0: never
  uint64_t bytes = 0;               // read again, since the start
  uint64_t records = 0;             // hashed again, since the start
  uint64_t findings_count = 0;      // since the start
  std::vector<Finding> findings;    // the first kFindingsKept of them
};

inline constexpr size_t kFindingsKept = 100;

class Scrubber {
 public:
  // Called now and then with the bytes read since the last call; it may take its time. An error
  // ends the step, which is then done again from its beginning.
  using Pace = std::function<absl::Status(uint64_t bytes)>;

  virtual ~Scrubber() = default;

  // Checks the next file, or the next log's checkpoints and time stamps. True: with it a round
  // ended. What is found is no error here. Errors: those of `pace`; of the disk, when it cannot be
  // read at all (the step is done again next time).
  virtual absl::StatusOr<bool> Step(const Pace& pace) = 0;

  // Looks at every file without reading it: some microseconds each. May be called by `pace`.
  virtual void Watch() = 0;

  // Keeps the place for the next start. Nothing depends on its success.
  virtual absl::Status KeepPlace() = 0;

  virtual State status() const = 0;
};

}  // namespace graven::scrub
