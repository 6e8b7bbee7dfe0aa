// Where a snapshot reads from: folders and files as they were when they were opened. On a disk that
// strangers may write to, each is judged as what it is when it is open, never by its name alone.
//
// Threads: one at a time.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "io/file_system.h"

namespace graven::store {

class SourceFolder;

struct SourceEntry {
  // What is odd about it: "a pipe", "a link to /x, which belongs to another user". "": nothing.
  std::string words;
  // At most one of them; none: it is left alone.
  std::unique_ptr<SourceFolder> folder;
  std::unique_ptr<io::File> file;
  // Of the file: as it was opened, and as it is when asked. kNotFound: it has no name any more.
  io::FileInfo info;
  std::function<absl::StatusOr<io::FileInfo>()> info_now;

  bool is_left() const { return folder == nullptr && file == nullptr; }
};

class SourceFolder {
 public:
  virtual ~SourceFolder() = default;
  // The names in it, sorted bytewise.
  virtual absl::StatusOr<std::vector<std::string>> List() = 0;
  virtual absl::StatusOr<SourceEntry> Open(const std::string& name) = 0;
};

// Opens what somebody named.
using OpenSource = std::function<absl::StatusOr<SourceEntry>(const std::string& path)>;

// Through `fs`, by names: for a disk on which nobody else writes. `fs` must outlive what it opens.
OpenSource SourcesOf(io::FileSystem& fs);

// Who decides what of a disk with links in it is read.
class PlaceJudge {
 public:
  virtual ~PlaceJudge() = default;

  struct LinkVerdict {
    std::string why_left;  // "which leads nowhere"; "": it is followed
    std::string target;    // then: an absolute path without "." and ".."
  };
  // The link in `folder` that says `text`; `by_link`: the folder was itself come to by a link.
  virtual LinkVerdict JudgeLink(const std::string& folder, const std::string& text,
                                bool by_link) const = 0;

  // Why this file or folder, which is open, is left alone: "one of the keys"; "": it is not.
  // `by_link`: a link led to it.
  virtual std::string WhyLeft(const io::FileInfo& info, bool by_link) const = 0;
};

// The operating system's, by io/held_folder.h. Paths are absolute and have no link in them: one
// that is put there meanwhile is not followed.
OpenSource HeldSources(std::shared_ptr<const PlaceJudge> judge);

}  // namespace graven::store
