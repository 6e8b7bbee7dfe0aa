#include "io/held_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <string_view>
#include <utility>

#include "io/durable_file.h"
#include "io/posix_file.h"

namespace graven::io {
namespace {

HeldKind HeldKindOf(mode_t mode) {
  if (S_ISREG(mode)) return HeldKind::kFile;
  if (S_ISDIR(mode)) return HeldKind::kFolder;
  if (S_ISLNK(mode)) return HeldKind::kLink;
  if (S_ISFIFO(mode)) return HeldKind::kPipe;
  if (S_ISSOCK(mode)) return HeldKind::kSocket;
  return HeldKind::kDevice;
}

HeldEntry EntryOf(const struct stat& st) {
  HeldEntry entry;
  entry.kind = HeldKindOf(st.st_mode);
  entry.info = InfoOf(st);
  return entry;
}

int OpenAt(int folder, const std::string& name, int flags) {
  int fd;
  do {
    fd = ::openat(folder, name.c_str(), flags | O_NOFOLLOW | O_CLOEXEC);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

}  // namespace

HeldFolder::HeldFolder(int descriptor, std::string path)
    : descriptor_(descriptor), path_(std::move(path)) {}

HeldFolder::~HeldFolder() { ::close(descriptor_); }

absl::StatusOr<std::vector<std::string>> HeldFolder::List() const {
  // Of its own: a second list begins at the start again, and closedir closes it.
  const int fd = OpenAt(descriptor_, ".", O_RDONLY | O_DIRECTORY);
  if (fd < 0) return ErrnoStatus("list", path_, errno);
  DIR* dir = ::fdopendir(fd);
  if (dir == nullptr) {
    const int error = errno;
    ::close(fd);
    return ErrnoStatus("list", path_, error);
  }
  return NamesIn(dir, path_);
}

absl::StatusOr<HeldEntry> HeldFolder::Open(const std::string& name) const {
  const std::string path = JoinPath(path_, name);
  struct stat st;
  // To open a pipe would wake who waits at its other end, to open a device may do anything.
  if (::fstatat(descriptor_, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
    return ErrnoStatus("stat", path, errno);
  }
  if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) return EntryOf(st);
  // Something else may have its name by now: a link is not followed, a pipe not waited for, and
  // what was opened is looked at again.
  const int fd = OpenAt(descriptor_, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return ErrnoStatus("open", path, errno);
  Descriptor opened(fd);
  if (::fstat(opened.get(), &st) != 0) return ErrnoStatus("stat", path, errno);
  HeldEntry entry = EntryOf(st);
  if (entry.kind == HeldKind::kFolder) {
    entry.folder = std::make_unique<HeldFolder>(opened.Release(), path);
  } else if (entry.kind == HeldKind::kFile) {
    auto file = std::make_unique<PosixFile>(opened.Release(), path);
    entry.info_now = [of = file.get()] { return of->Info(); };
    entry.file = std::move(file);
  }
  return entry;
}

absl::StatusOr<std::string> HeldFolder::ReadLink(const std::string& name) const {
  const std::string path = JoinPath(path_, name);
  char text[PATH_MAX];
  const ssize_t size = ::readlinkat(descriptor_, name.c_str(), text, sizeof text);
  if (size >= 0) return std::string(text, static_cast<size_t>(size));
  if (errno == EINVAL) return absl::FailedPreconditionError("read link " + path + ": it is none");
  return ErrnoStatus("read link", path, errno);
}

absl::StatusOr<HeldEntry> OpenWithoutLinks(const std::string& path) {
  const int root = ::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return ErrnoStatus("open", "/", errno);
  auto folder = std::make_unique<HeldFolder>(root, "/");
  int at = root;
  std::string so_far = "/";
  std::string_view rest = path;
  const auto skip_slashes = [&rest] {
    while (rest.starts_with('/')) rest.remove_prefix(1);
  };
  while (rest.ends_with('/')) rest.remove_suffix(1);
  skip_slashes();
  for (size_t slash; (slash = rest.find('/')) != rest.npos; skip_slashes()) {
    const std::string name(rest.substr(0, slash));
    rest.remove_prefix(slash);
    so_far = JoinPath(so_far, name);
    const int next = OpenAt(at, name, O_PATH | O_DIRECTORY);
    if (next < 0) return ErrnoStatus("open", so_far, errno);
    folder = std::make_unique<HeldFolder>(next, so_far);
    at = next;
  }
  return folder->Open(rest.empty() ? "." : std::string(rest));
}

}  // namespace graven::io
