// Whole small files on any FileSystem: written so that power loss leaves the old or the new one,
// and read with a limit. Stateless; may be called from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/file_system.h"

namespace graven::io {

// `path` without its last component ("." when it has one only, "/" for the root's children).
std::string ParentDirectory(std::string_view path);

// One slash between the two.
std::string JoinPath(std::string_view directory, std::string_view name);

// The temporary file that WriteFileDurably writes first. A crash may leave one behind; it means
// nothing and may be removed.
std::string TemporaryPath(std::string_view path);

// Replaces or creates `path`. On return OK the new content is durable under that name; after a
// crash at any moment the file is the old one (or missing, when there was none) or the new one,
// whole. The permissions are applied as given when the file is created (before the umask).
absl::Status WriteFileDurably(FileSystem& fs, const std::string& path, std::string_view bytes,
                              uint32_t permissions = 0644);

// The same, but kAlreadyExists when there is a file of that name already. Not safe against another
// process that creates it at the same time: the folder's lock is.
absl::Status CreateFileDurably(FileSystem& fs, const std::string& path, std::string_view bytes,
                               uint32_t permissions = 0644);

// Makes one directory and syncs its parent. One that exists already is OK (its parent is synced
// again, because the one who made it may have crashed before that).
absl::Status MakeDirectoryDurably(FileSystem& fs, const std::string& path,
                                  uint32_t permissions = 0755);

// kOutOfRange when the file is larger than `bytes_max`.
absl::StatusOr<std::string> ReadWholeFile(FileSystem& fs, const std::string& path,
                                          uint64_t bytes_max);

}  // namespace graven::io
