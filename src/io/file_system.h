// The only door to the disk. Every room that keeps bytes is given a FileSystem; the server's is the
// operating system's (PosixFileSystem), the simulator's is io/simulated_file_system.h.
//
// Threads: both classes are thread-safe; reads of a File may run beside a write. One File is meant
// to have one writer.
//
// Invariants that both implementations keep (io/file_system_conformance.h):
// - What WriteAt took is seen by ReadAt at once, and survives power loss only after Sync returned
// OK.
// - Open with kCreateNew, MakeDirectory, Rename and Remove survive power loss only after
//   SyncDirectory of each parent touched returned OK.
// - After any error of WriteAt, Sync, Truncate or SyncDirectory nothing is known about what is on
//   disk of the bytes concerned. A later Sync that returns OK does not heal that, although reads
//   show the bytes: whoever goes on writes them again, then syncs.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace graven::io {

// One open file. Closes at destruction; closing makes nothing durable.
class File {
 public:
  virtual ~File() = default;

  // Fills all of `out` from byte `offset`. kOutOfRange when the file ends before.
  virtual absl::Status ReadAt(uint64_t offset, std::span<char> out) = 0;

  // Appends `data` to the page cache at byte `offset`; a gap reads as zeros. Not durable. An error
  // may leave any part of `data` in the file. kResourceExhausted: disk or quota full.
  virtual absl::Status WriteAt(uint64_t offset, std::string_view data) = 0;

  // On return OK everything written to this file before the call, and its size, survive power loss.
  virtual absl::Status Sync() = 0;

  // In bytes, unsynced ones included.
  virtual absl::StatusOr<uint64_t> Size() = 0;

  // Says that what was synced will not be read soon: the page cache may let go of it. Only a hint.
  virtual void DropFromCache() {}

  // Says that these bytes will be synced soon: the disk may begin now. Only a hint; promises
  // nothing.
  virtual void StartWriteback(uint64_t offset, uint64_t length) {
    (void)offset;
    (void)length;
  }

  // Cuts, or grows with zeros. Not durable until Sync.
  virtual absl::Status Truncate(uint64_t size) = 0;
};

// An exclusive lock on a path, held until destruction or the end of the process.
class FolderLock {
 public:
  virtual ~FolderLock() = default;
};

struct FileInfo {
  uint64_t size = 0;  // bytes
  uint64_t device = 0;
  uint64_t inode = 0;
  uint32_t mode = 0;  // permission bits only (07777)
  uint32_t owner = 0;
  bool is_directory = false;
  uint64_t links = 0;
  int64_t mtime_ns = 0;  // since 1970
};

enum class OpenMode {
  kRead,              // kNotFound when there is no such file
  kReadWrite,         // kNotFound when there is no such file
  kCreateNew,         // read and write; kAlreadyExists when there is one
  kCreateOrTruncate,  // read and write; an existing file is cut to 0
};

// Errors of all calls, both classes:
// - kNotFound, kAlreadyExists
// - kPermissionDenied: also a read-only file system
// - kResourceExhausted: disk, quota, file size or handles used up
// - kFailedPrecondition: a directory where a file is needed or the reverse, a directory not empty,
//   two file systems, a lock taken
// - kOutOfRange: a read beyond the end
// - kUnavailable: anything else, an I/O error above all; the outcome is unknown. The simulated disk
//   answers with it from a crash to the restart.
// Messages name operation, path and cause.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // `permissions` are those of a file that this call creates, before the umask.
  virtual absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode,
                                                     uint32_t permissions = 0644) = 0;

  // Atomic: at any moment, and after power loss, `to` is the old file or the new one. Durable only
  // after SyncDirectory of both parents.
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;

  // Removes a file. An open File of it goes on working.
  virtual absl::Status Remove(const std::string& path) = 0;

  // kAlreadyExists when there is anything of that name. The parent must exist.
  virtual absl::Status MakeDirectory(const std::string& path, uint32_t permissions = 0755) = 0;

  // Removes an empty directory.
  virtual absl::Status RemoveDirectory(const std::string& path) = 0;

  // The names in a directory without "." and "..", sorted bytewise.
  virtual absl::StatusOr<std::vector<std::string>> List(const std::string& path) = 0;

  // On return OK the entries of this directory, as they are now, survive power loss.
  virtual absl::Status SyncDirectory(const std::string& path) = 0;

  virtual absl::StatusOr<FileInfo> Stat(const std::string& path) = 0;

  // Bytes that an unprivileged process may still write on the file system that holds `path`.
  virtual absl::StatusOr<uint64_t> FreeBytes(const std::string& path) = 0;

  // Takes the exclusive lock of the file `path`, creating it when missing; its text becomes our
  // process id. kFailedPrecondition, naming the holder's process id, when somebody has it (this
  // process too).
  virtual absl::StatusOr<std::unique_ptr<FolderLock>> Lock(const std::string& path) = 0;
};

// The operating system's. Lives as long as the process.
FileSystem& PosixFileSystem();

}  // namespace graven::io
