// The guard: the last (size, root) of every log that may have been signed, made durable before the
// signature is made. What keeps a server from signing two histories, through any crash.
//
// Threads: none of its own; one call at a time (the publisher's).
//
// Invariants:
// - A log's entry only grows: a larger size, or the same (size, root) again.
// - After any crash the file holds the values of the last Raise that returned OK, or later ones
//   that were being raised; never older ones, never a mixture.
//
// The file: two slots of equal length, overwritten in place in turn. Numbers are little-endian; the
// slot length is half the file's, a multiple of 4096. A slot:
//   0   8 bytes  "GRVNGRD1"
//   8   u64      sequence: 1 for the first slot written, one more for each; the newer one counts
//   16  u32      entries
//   20  u32      0
//   24  entries  ascending by log number: u32 log number, u64 size, 32 bytes root
//   ..  16 bytes XXH3-128 of all before it, low half first
//   ..  zeros, or left over from earlier
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hash.h"
#include "base/log_index.h"
#include "io/file_system.h"

namespace graven::store {

struct GuardEntry {
  uint32_t log = 0;  // the log's number
  TreeSize size;
  Hash root;

  bool operator==(const GuardEntry&) const = default;
};

// What one slot holds. Entries in ascending order of log number, each once.
struct GuardState {
  uint64_t sequence = 0;
  std::vector<GuardEntry> entries;

  bool operator==(const GuardState&) const = default;
};

// A guard's file is refused beyond this: some 760,000 logs.
inline constexpr uint64_t kGuardFileBytesMax = uint64_t{64} << 20;

// The bytes of a slot without what fills it up.
std::string EncodeGuardSlot(const GuardState& state);

// kDataLoss: the slot is torn, damaged, or was never written.
absl::StatusOr<GuardState> DecodeGuardSlot(std::string_view slot);

// The newer valid slot of a whole guard file. kDataLoss: neither is valid.
absl::StatusOr<GuardState> DecodeGuardFile(std::string_view bytes);

class Guard {
 public:
  // Makes an empty guard. On return OK it is durable under `path`, which may be on another disk
  // than the data. kAlreadyExists.
  static absl::Status Create(io::FileSystem& fs, const std::string& path);

  // Opens the guard and makes what was read durable once more: after a failed sync reads may show
  // what is not on disk. kNotFound: none there. kDataLoss: neither slot is valid. kUnavailable: a
  // read, write or sync failed.
  static absl::StatusOr<std::unique_ptr<Guard>> Open(io::FileSystem& fs, const std::string& path);

  // What the guard holds, without writing anything; for those who only check. Errors as Open.
  static absl::StatusOr<std::vector<GuardEntry>> Read(io::FileSystem& fs, const std::string& path);

  // Raises these logs' entries; others stay. On return OK all are durable, by one write and one
  // sync (nothing is written when nothing is new). kFailedPrecondition: an entry is smaller than
  // the one there, or has its size with another root: nothing was written; or an earlier call
  // failed to write: the guard takes nothing more until it is opened again. kUnavailable,
  // kResourceExhausted: writing failed, either state may be on disk.
  absl::Status Raise(std::span<const GuardEntry> entries);

  // The entry of a log, as of the last Raise that returned OK (or of Open).
  std::optional<GuardEntry> Find(uint32_t log) const;

  // All, in ascending order of log number. Valid until the next Raise.
  std::span<const GuardEntry> entries() const { return state_.entries; }

 private:
  Guard(io::FileSystem& fs, std::string path, GuardState state, std::unique_ptr<io::File> file,
        uint64_t slot_bytes, uint64_t newest_slot);

  absl::StatusOr<std::vector<GuardEntry>> Merge(std::span<const GuardEntry> entries) const;
  absl::Status WriteSlot(uint64_t slot, std::string_view bytes);
  absl::Status WriteLargerFile(std::string_view bytes);

  io::FileSystem& fs_;
  const std::string path_;
  GuardState state_;
  std::unique_ptr<io::File> file_;
  uint64_t slot_bytes_;
  uint64_t newest_slot_;
  bool failed_ = false;
};

}  // namespace graven::store
