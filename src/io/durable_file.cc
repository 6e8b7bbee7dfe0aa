#include "io/durable_file.h"

#include <memory>
#include <utility>

#include "base/absl_views.h"
#include "base/status_macros.h"
#include "fmt/format.h"

namespace graven::io {

std::string ParentDirectory(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  if (slash == 0) return "/";
  return std::string(path.substr(0, slash));
}

std::string JoinPath(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!path.ends_with('/')) path.push_back('/');
  path.append(name);
  return path;
}

std::string TemporaryPath(std::string_view path) { return std::string(path) + ".new"; }

absl::Status WriteFileDurably(FileSystem& fs, const std::string& path, std::string_view bytes,
                              uint32_t permissions) {
  const std::string temporary = TemporaryPath(path);
  // One that an earlier crash left may have other permissions, so it goes.
  if (absl::Status removed = fs.Remove(temporary); !removed.ok() && !absl::IsNotFound(removed)) {
    return removed;
  }
  {
    ASSIGN_OR_RETURN(std::unique_ptr<File> file,
                     fs.Open(temporary, OpenMode::kCreateNew, permissions));
    absl::Status written = file->WriteAt(0, bytes);
    if (written.ok()) written = file->Sync();
    if (!written.ok()) {
      // The file under `path` is untouched. The temporary one is worth nothing; on a full disk its
      // space is. When it cannot be removed, the next write removes it.
      fs.Remove(temporary).IgnoreError();
      return written;
    }
  }
  RETURN_IF_ERROR(fs.Rename(temporary, path));
  // When this fails, a crash may bring the old file back: the caller must not count on either.
  return fs.SyncDirectory(ParentDirectory(path));
}

absl::Status CreateFileDurably(FileSystem& fs, const std::string& path, std::string_view bytes,
                               uint32_t permissions) {
  absl::StatusOr<FileInfo> info = fs.Stat(path);
  if (info.ok()) {
    const std::string message = fmt::format("create {}: there is one already", path);
    return absl::AlreadyExistsError(ToAbsl(message));
  }
  if (!absl::IsNotFound(info.status())) return info.status();
  return WriteFileDurably(fs, path, bytes, permissions);
}

absl::Status MakeDirectoryDurably(FileSystem& fs, const std::string& path, uint32_t permissions) {
  absl::Status made = fs.MakeDirectory(path, permissions);
  if (absl::IsAlreadyExists(made)) {
    ASSIGN_OR_RETURN(const FileInfo info, fs.Stat(path));
    if (!info.is_directory) {
      const std::string message = fmt::format("make directory {}: a file is in the way", path);
      return absl::FailedPreconditionError(ToAbsl(message));
    }
  } else if (!made.ok()) {
    return made;
  }
  return fs.SyncDirectory(ParentDirectory(path));
}

absl::StatusOr<std::string> ReadWholeFile(FileSystem& fs, const std::string& path,
                                          uint64_t bytes_max) {
  ASSIGN_OR_RETURN(std::unique_ptr<File> file, fs.Open(path, OpenMode::kRead));
  ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  if (size > bytes_max) {
    const std::string message =
        fmt::format("read {}: {} bytes, at most {} are expected", path, size, bytes_max);
    return absl::OutOfRangeError(ToAbsl(message));
  }
  std::string bytes(size, '\0');
  RETURN_IF_ERROR(file->ReadAt(0, std::span<char>(bytes)));
  return bytes;
}

}  // namespace graven::io
