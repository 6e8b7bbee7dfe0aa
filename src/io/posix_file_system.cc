#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/absl_views.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/file_system.h"

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

absl::Status ErrnoStatus(std::string_view operation, std::string_view path, int error) {
  const std::string message = fmt::format("{} {}: {}", operation, path, std::strerror(error));
  return absl::Status(CodeOf(error), ToAbsl(message));
}

// Owns a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  // An error of close says nothing that a sync has not said before, so it is not looked at.
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

int OpenRetrying(const std::string& path, int flags, uint32_t permissions) {
  int fd;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, static_cast<mode_t>(permissions));
  } while (fd < 0 && errno == EINTR);
  return fd;
}

class PosixFile final : public File {
 public:
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  absl::Status ReadAt(uint64_t offset, std::span<char> out) override {
    size_t done = 0;
    while (done < out.size()) {
      const ssize_t n = ::pread(fd_.get(), out.data() + done, out.size() - done,
                                static_cast<off_t>(offset + done));
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

  absl::Status WriteAt(uint64_t offset, std::string_view data) override {
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

  absl::Status Sync() override {
    // Never tried again, not even after EINTR: Linux marks pages whose write failed as clean, so
    // the second try would say OK about bytes that are nowhere.
    if (::fdatasync(fd_.get()) != 0) return ErrnoStatus("sync", path_, errno);
    return absl::OkStatus();
  }

  void StartWriteback(uint64_t offset, uint64_t length) override {
    (void)::sync_file_range(fd_.get(), static_cast<off64_t>(offset), static_cast<off64_t>(length),
                            SYNC_FILE_RANGE_WRITE);
  }

  void DropFromCache() override { (void)::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_DONTNEED); }

  absl::StatusOr<uint64_t> Size() override {
    struct stat st;
    if (::fstat(fd_.get(), &st) != 0) return ErrnoStatus("stat", path_, errno);
    return static_cast<uint64_t>(st.st_size);
  }

  absl::Status Truncate(uint64_t size) override {
    int result;
    do {
      result = ::ftruncate(fd_.get(), static_cast<off_t>(size));
    } while (result != 0 && errno == EINTR);
    if (result != 0) return ErrnoStatus("truncate", path_, errno);
    return absl::OkStatus();
  }

 private:
  const Descriptor fd_;
  const std::string path_;
};

// Whoever else may look into the folder has no use for it.
constexpr mode_t kLockPermissions = 0600;

// flock, not fcntl locks: those are dropped when any descriptor of the file is closed in this
// process.
class PosixFolderLock final : public FolderLock {
 public:
  explicit PosixFolderLock(int fd) : fd_(fd) {}

 private:
  const Descriptor fd_;
};

std::string HolderOf(int fd) {
  char text[24];
  const ssize_t n = ::pread(fd, text, sizeof text, 0);
  std::string digits;
  for (ssize_t i = 0; i < n && text[i] >= '0' && text[i] <= '9'; ++i) digits.push_back(text[i]);
  return digits.empty() ? "an unknown process" : "process " + digits;
}

class PosixFileSystemImpl final : public FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode,
                                             uint32_t permissions) override {
    int flags = O_RDWR;
    switch (mode) {
      case OpenMode::kRead:
        flags = O_RDONLY;
        break;
      case OpenMode::kReadWrite:
        break;
      case OpenMode::kCreateNew:
        flags |= O_CREAT | O_EXCL;
        break;
      case OpenMode::kCreateOrTruncate:
        flags |= O_CREAT | O_TRUNC;
        break;
    }
    Descriptor fd(OpenRetrying(path, flags, permissions));
    if (fd.get() < 0) return ErrnoStatus("open", path, errno);
    struct stat st;
    if (::fstat(fd.get(), &st) != 0) return ErrnoStatus("stat", path, errno);
    if (S_ISDIR(st.st_mode)) return ErrnoStatus("open", path, EISDIR);
    return std::make_unique<PosixFile>(fd.Release(), path);
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
    return ErrnoStatus("rename", fmt::format("{} to {}", from, to),
                       errno == EEXIST ? ENOTEMPTY : errno);
  }

  absl::Status Remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return ErrnoStatus("remove", path, errno);
    return absl::OkStatus();
  }

  absl::Status MakeDirectory(const std::string& path, uint32_t permissions) override {
    if (::mkdir(path.c_str(), static_cast<mode_t>(permissions)) != 0) {
      return ErrnoStatus("make directory", path, errno);
    }
    return absl::OkStatus();
  }

  absl::Status RemoveDirectory(const std::string& path) override {
    if (::rmdir(path.c_str()) == 0) return absl::OkStatus();
    return ErrnoStatus("remove directory", path, errno == EEXIST ? ENOTEMPTY : errno);
  }

  absl::StatusOr<std::vector<std::string>> List(const std::string& path) override {
    DIR* dir = ::opendir(path.c_str());
    if (dir == nullptr) return ErrnoStatus("list", path, errno);
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

  absl::Status SyncDirectory(const std::string& path) override {
    Descriptor fd(OpenRetrying(path, O_RDONLY | O_DIRECTORY, 0));
    if (fd.get() < 0) return ErrnoStatus("open directory", path, errno);
    if (::fsync(fd.get()) != 0) return ErrnoStatus("sync directory", path, errno);
    return absl::OkStatus();
  }

  absl::StatusOr<FileInfo> Stat(const std::string& path) override {
    struct stat st;
    if (::stat(path.c_str(), &st) != 0) return ErrnoStatus("stat", path, errno);
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

  absl::StatusOr<uint64_t> FreeBytes(const std::string& path) override {
    struct statvfs st;
    if (::statvfs(path.c_str(), &st) != 0) return ErrnoStatus("statvfs", path, errno);
    return uint64_t{st.f_bavail} * st.f_frsize;
  }

  absl::StatusOr<std::unique_ptr<FolderLock>> Lock(const std::string& path) override {
    Descriptor fd(OpenRetrying(path, O_RDWR | O_CREAT, kLockPermissions));
    if (fd.get() < 0) return ErrnoStatus("open lock", path, errno);
    // One of an older version; whose file it is not cannot change it, and need not.
    [[maybe_unused]] const int changed = ::fchmod(fd.get(), kLockPermissions);
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return ErrnoStatus("lock", path, errno);
      const std::string message = fmt::format("lock {}: held by {}", path, HolderOf(fd.get()));
      return absl::FailedPreconditionError(ToAbsl(message));
    }
    // The text only helps the next one's message; the lock holds without it, on a full disk too.
    const std::string text = fmt::format("{}\n", ::getpid());
    if (::ftruncate(fd.get(), 0) == 0) {
      [[maybe_unused]] const ssize_t n = ::pwrite(fd.get(), text.data(), text.size(), 0);
    }
    return std::make_unique<PosixFolderLock>(fd.Release());
  }
};

}  // namespace

FileSystem& PosixFileSystem() {
  static PosixFileSystemImpl instance;
  return instance;
}

}  // namespace graven::io
