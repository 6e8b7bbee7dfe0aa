#include "io/posix_file.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/absl_views.h"
#include "fmt/format.h"

namespace graven::io {
namespace {

absl::StatusCode CodeOf(int error) {
  switch (error) {
    case ENOENT:
      return absl::StatusCode::kNotFound;
    case EEXIST:
      return absl::StatusCode::kAlreadyExists;
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::StatusCode::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
      return absl::StatusCode::kResourceExhausted;
    case EISDIR:
    case ENOTDIR:
    case ENOTEMPTY:
    case EXDEV:
    case ETXTBSY:
    case ELOOP:
    case ENAMETOOLONG:
      return absl::StatusCode::kFailedPrecondition;
    default:
      return absl::StatusCode::kUnavailable;
  }
}

}  // namespace

absl::Status ErrnoStatus(std::string_view operation, std::string_view path, int error) {
  const std::string message = fmt::format("{} {}: {}", operation, path, std::strerror(error));
  return absl::Status(CodeOf(error), ToAbsl(message));
}

FileInfo InfoOf(const struct stat& st) {
  FileInfo info;
  info.size = static_cast<uint64_t>(st.st_size);
  info.device = st.st_dev;
  info.inode = st.st_ino;
  info.mode = st.st_mode & 07777;
  info.owner = st.st_uid;
  info.is_directory = S_ISDIR(st.st_mode);
  info.links = st.st_nlink;
  info.mtime_ns = int64_t{st.st_mtim.tv_sec} * 1'000'000'000 + st.st_mtim.tv_nsec;
  return info;
}

absl::StatusOr<std::vector<std::string>> NamesIn(DIR* dir, const std::string& path) {
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(dir)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  const int error = errno;
  ::closedir(dir);
  if (error != 0) return ErrnoStatus("list", path, error);
  std::sort(names.begin(), names.end());
  return names;
}

absl::Status PosixFile::ReadAt(uint64_t offset, std::span<char> out) {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t n =
        ::pread(fd_.get(), out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (n > 0) {
      done += static_cast<size_t>(n);
    } else if (n == 0) {
      const std::string message = fmt::format("read {}: the file ends at {}, before {}", path_,
                                              offset + done, offset + out.size());
      return absl::OutOfRangeError(ToAbsl(message));
    } else if (errno != EINTR) {
      return ErrnoStatus("read", path_, errno);
    }
  }
  return absl::OkStatus();
}

absl::Status PosixFile::WriteAt(uint64_t offset, std::string_view data) {
  size_t done = 0;
  while (done < data.size()) {
    const ssize_t n = ::pwrite(fd_.get(), data.data() + done, data.size() - done,
                               static_cast<off_t>(offset + done));
    if (n > 0) {
      done += static_cast<size_t>(n);
    } else if (n == 0) {
      return ErrnoStatus("write", path_, EIO);
    } else if (errno != EINTR) {
      // The first `done` bytes are in the page cache and may reach the disk.
      return ErrnoStatus("write", path_, errno);
    }
  }
  return absl::OkStatus();
}

absl::Status PosixFile::Sync() {
  // Never tried again, not even after EINTR: Linux marks pages whose write failed as clean, so
  // the second try would say OK about bytes that are nowhere.
  if (::fdatasync(fd_.get()) != 0) return ErrnoStatus("sync", path_, errno);
  return absl::OkStatus();
}

void PosixFile::StartWriteback(uint64_t offset, uint64_t length) {
  (void)::sync_file_range(fd_.get(), static_cast<off64_t>(offset), static_cast<off64_t>(length),
                          SYNC_FILE_RANGE_WRITE);
}

void PosixFile::DropFromCache() { (void)::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_DONTNEED); }

absl::StatusOr<uint64_t> PosixFile::Size() {
  struct stat st;
  if (::fstat(fd_.get(), &st) != 0) return ErrnoStatus("stat", path_, errno);
  return static_cast<uint64_t>(st.st_size);
}

absl::Status PosixFile::Truncate(uint64_t size) {
  int result;
  do {
    result = ::ftruncate(fd_.get(), static_cast<off_t>(size));
  } while (result != 0 && errno == EINTR);
  if (result != 0) return ErrnoStatus("truncate", path_, errno);
  return absl::OkStatus();
}

absl::StatusOr<FileInfo> PosixFile::Info() const {
  struct stat st;
  if (::fstat(fd_.get(), &st) != 0) return ErrnoStatus("stat", path_, errno);
  return InfoOf(st);
}

}  // namespace graven::io
