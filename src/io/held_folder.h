// Folders in which somebody else may write while they are read: held open, so that what is judged
// is what is read, whatever is put in its place meanwhile. No link is followed, no pipe or device
// opened, and nothing waited for. Linux only; the simulated disk has neither links nor pipes.
//
// Threads: one at a time for each object.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "io/file_system.h"

namespace graven::io {

enum class HeldKind { kFile, kFolder, kLink, kPipe, kSocket, kDevice };

struct HeldEntry;

class HeldFolder {
 public:
  // Owns `descriptor`, a folder's. `path`: for messages.
  HeldFolder(int descriptor, std::string path);
  ~HeldFolder();
  HeldFolder(const HeldFolder&) = delete;
  HeldFolder& operator=(const HeldFolder&) = delete;

  // The names in it without "." and "..", sorted bytewise.
  absl::StatusOr<std::vector<std::string>> List() const;

  // Opens what has this name, if it is a file or a folder. Errors as FileSystem::Open.
  absl::StatusOr<HeldEntry> Open(const std::string& name) const;

  // What the link of this name says. kFailedPrecondition: it is none (any more).
  absl::StatusOr<std::string> ReadLink(const std::string& name) const;

 private:
  const int descriptor_;
  const std::string path_;
};

// What was found under a name, and held open.
struct HeldEntry {
  HeldKind kind = HeldKind::kFile;
  FileInfo info;               // of what was opened; of a pipe and the like, of what is there
  std::unique_ptr<File> file;  // kFile; for reading
  std::unique_ptr<HeldFolder> folder;  // kFolder
  // Of the file as it is later; `links` is 0 when it has no name any more. As long as `file` lives.
  std::function<absl::StatusOr<FileInfo>()> info_now;
};

// Opens an absolute path without "." and "..". A link in it, wherever it stands, is not followed:
// kFailedPrecondition, or at its end an entry of this kind.
absl::StatusOr<HeldEntry> OpenWithoutLinks(const std::string& path);

}  // namespace graven::io
