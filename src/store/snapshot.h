// A snapshot of a data folder for whoever looks into an incident later: taken before anything else
// is touched, hashed, and made read-only. Nothing in the source is written, locked or waited for: a
// running server goes on, and what it changed meanwhile is named.
//
//   OUT/data/...       the folder as it is, without keys/: nobody can sign with a snapshot; nor
//                      the lock, nor journal files that hold only zeros
//   OUT/also/...       other files and folders that were named: a guard elsewhere, what a monitor
//                      saw
//   OUT/preserved.txt  when, of what, what was left out, and what changed while it was copied
//   OUT/SHA256SUMS     of every file above, for sha256sum -c; its own hash is what one writes down
//
// A bad day is no reason to end half-way: what cannot be read is named, and all the rest is copied.
// Nor may a stranger's link or pipe in the folder lead the copy elsewhere, or hold it up for ever,
// whenever it is put there: what was opened is judged, and what was judged is read (HeldSources).
// Only the one who made the copy may read it: it may be a copy of what only the server could read.
//
// Threads: stateless.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hash.h"
#include "io/file_system.h"
#include "store/source_folder.h"

namespace graven::store {

struct SnapshotRequest {
  std::string folder;             // a data folder
  std::vector<std::string> also;  // files and folders
  std::string output;             // must not exist; its parent must
  // Lines for preserved.txt: who, when, with what.
  std::string heading;
  // Hears of the bytes of each piece copied.
  std::function<void(uint64_t bytes)> on_bytes;
  // How `folder` and `also` are opened; none: by names.
  OpenSource open;
};

struct Snapshot {
  uint64_t files = 0;
  uint64_t bytes = 0;
  // Journal files that hold nothing but zeros: made ready, and not used yet. They are not copied.
  std::vector<std::string> unused;
  // Of OUT/SHA256SUMS.
  Hash digest;
  // Files of the source that changed, came or went while they were copied, as paths in OUT.
  std::vector<std::string> changed;
  // Sentences "PLACE: WORDS": links that were followed, and what was left out for being a link, a
  // pipe or a key, or for lying too deep.
  std::vector<std::string> followed;
  std::vector<std::string> left_out;
  // The same of what could not be read. Where it was part of a file only, zeros stand for it.
  std::vector<std::string> unreadable;
};

// On return OK the snapshot survives power loss, and holds all but what it names. kAlreadyExists:
// `output`. kNotFound: the folder, or one of `also`. kFailedPrecondition: not a data folder; one
// whose version file alone is gone or damaged is taken. Other errors are those of writing, and
// name the file; what was copied so far stays in `output`, without SHA256SUMS.
absl::StatusOr<Snapshot> TakeSnapshot(io::FileSystem& fs, const SnapshotRequest& request);

// What a look at a snapshot found.
struct SnapshotCheck {
  uint64_t files = 0;
  Hash digest;
  // One sentence for each file that is missing, changed, unreadable, or was not there.
  std::vector<std::string> differences;
};

// Hashes everything again. kNotFound: no SHA256SUMS. kDataLoss: it is not one of ours.
absl::StatusOr<SnapshotCheck> CheckSnapshot(io::FileSystem& fs, const std::string& output,
                                            const std::function<void(uint64_t)>& on_bytes,
                                            const OpenSource& open = {});

}  // namespace graven::store
