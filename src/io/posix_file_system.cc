#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>

#include "base/absl_views.h"
#include "fmt/format.h"
#include "io/file_system.h"
#include "io/posix_file.h"

namespace graven::io {
namespace {

int OpenRetrying(const std::string& path, int flags, uint32_t permissions) {
  int fd;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, static_cast<mode_t>(permissions));
  } while (fd < 0 && errno == EINTR);
  return fd;
}

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
    return NamesIn(dir, path);
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
    return InfoOf(st);
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
