// A disk in memory that is as bad as a real one may be, driven by a seed: the same seed and the
// same calls give the same results, to the byte.
//
// Threads: thread-safe, but only one thread at a time gives a deterministic run.
//
// What it keeps apart: each file's content as programs see it (the page cache) and as it is on the
// disk, in sectors of 512 bytes; each directory's entries as programs see them and as they are on
// the disk. A crash keeps what was synced and rolls dice for the rest:
// - each unsynced sector survives or not, independently (torn, reordered), or all, none or the
//   first ones of a file do; a sector overwritten before it was synced may have the version
//   between;
// - an unsynced change of a file's size happened, did not, or stopped half-way;
// - each create, rename, removal and new directory not covered by SyncDirectory of a parent
//   happened or not, each for itself, a rename never by half.
// A Sync that fails writes any of the sectors and marks all as clean, as Linux does: a later Sync
// says OK and does not write them, reads see them until the crash.
//
// Every kind of damage that really happened is counted (Counts), so that a test can show that it
// tested something.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/file_system.h"

namespace graven::io {

enum class Operation {
  kOpen,
  kRead,
  kWrite,
  kSync,
  kTruncate,
  kRename,
  kRemove,
  kMakeDirectory,
  kRemoveDirectory,
  kSyncDirectory,
  kList,
  kStat,
  kFreeBytes,
  kLock,
};

std::string_view OperationName(Operation operation);

enum class FaultKind {
  kError,         // fails with kUnavailable; nothing happens (a Sync: any part of it)
  kErrorButDone,  // happens wholly, but says kUnavailable
  kPartialWrite,  // a write: some first part of the data, then kUnavailable; else like kError
  kDiskFull,      // fails with kResourceExhausted; a write: some first part of the data is written
  kCrash,         // the machine loses power before, during or after the operation
};

// One fault to come: it fires once, on the `nth` matching operation counted from AddFault.
struct Fault {
  FaultKind kind = FaultKind::kError;
  // Nothing: any operation that changes the disk (open with create, write, sync, truncate, rename,
  // remove, make or remove directory, sync directory).
  std::optional<Operation> operation;
  uint64_t nth = 1;
  // Only operations whose path has this in it.
  std::string path_part;
};

// What really happened since construction. A fault that was added but never reached counts nothing.
struct FaultCounts {
  uint64_t errors = 0;
  uint64_t errors_but_done = 0;
  uint64_t partial_writes = 0;
  uint64_t disk_full = 0;
  uint64_t crashes = 0;
  uint64_t kills = 0;
  uint64_t bit_flips = 0;
  uint64_t unreadable_reads = 0;
  // By crashes:
  uint64_t sectors_kept = 0;      // unsynced and survived
  uint64_t sectors_lost = 0;      // unsynced and gone
  uint64_t files_torn = 0;        // files of which some unsynced sectors survived and some did not
  uint64_t sizes_kept = 0;        // unsynced changes of size that survived
  uint64_t sizes_lost = 0;        // that did not
  uint64_t sizes_torn = 0;        // that stopped half-way
  uint64_t entries_kept = 0;      // unsynced directory operations that survived
  uint64_t entries_lost = 0;      // that did not
  uint64_t early_writebacks = 0;  // sectors that reached the disk before they were overwritten
  uint64_t writebacks_asked = 0;  // no fault: calls of StartWriteback
  // By failed syncs:
  uint64_t sync_sectors_kept = 0;  // written although the Sync failed
  uint64_t sync_sectors_lost = 0;  // marked clean without being written
};

class SimulatedDisk;

class SimulatedFileSystem final : public FileSystem {
 public:
  // `owner` is the user id that every file has.
  explicit SimulatedFileSystem(uint64_t seed, uint32_t owner = 1000);
  ~SimulatedFileSystem() override;

  // --- What a program sees. Paths begin at the root "/", which exists; a relative path means the
  // same. ".." is refused. Permissions are kept and not enforced. A file holds at most 1 GiB.
  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode,
                                             uint32_t permissions = 0644) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override;
  absl::Status MakeDirectory(const std::string& path, uint32_t permissions = 0755) override;
  absl::Status RemoveDirectory(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> List(const std::string& path) override;
  absl::Status SyncDirectory(const std::string& path) override;
  absl::StatusOr<FileInfo> Stat(const std::string& path) override;
  absl::StatusOr<uint64_t> FreeBytes(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<FolderLock>> Lock(const std::string& path) override;

  // --- What the test does to it.
  void AddFault(Fault fault);
  // Drops the faults that have not fired.
  void ClearFaults();

  // Power loss now. Until Restart every call answers kUnavailable; files and locks from before stay
  // dead for ever.
  void Crash();
  // The process dies, the machine goes on: nothing written is lost, locks are free. Then as Crash.
  void Kill();
  // Lets calls through again after Crash or Kill.
  void Restart();
  bool crashed() const;

  // Room for this many bytes in all files together (by whole pages of 4,096 written); nothing: no
  // limit. A write that does not fit stops after the pages that do, with kResourceExhausted.
  void SetCapacity(std::optional<uint64_t> bytes);
  uint64_t UsedBytes() const;

  // Inverts one bit on the disk and in what programs see. kNotFound, kOutOfRange.
  absl::Status FlipBit(const std::string& path, uint64_t bit);

  // From now on reads that touch these bytes of the file answer kUnavailable, through crashes too.
  // kNotFound.
  absl::Status MakeUnreadable(const std::string& path, uint64_t offset, uint64_t bytes);

  // Operations so far that change the disk (those that a Fault without `operation` counts).
  uint64_t ChangingOperations() const;
  FaultCounts Counts() const;

  // Called with one line for every operation, fault, crash and restart: "17 write journal/1 at
  // 4096, 512 bytes". Empty: off (the default).
  void SetTrace(std::function<void(const std::string&)> trace);

 private:
  const std::shared_ptr<SimulatedDisk> disk_;
};

}  // namespace graven::io
