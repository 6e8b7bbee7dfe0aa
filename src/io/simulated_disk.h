// The state of a simulated disk: the tree of files and directories, what of it is on the disk, the
// faults to come. Private to the simulated file system.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/file_system.h"
#include "io/simulated_content.h"
#include "io/simulated_file_system.h"

namespace graven::io {

absl::Status SimulatedStatus(absl::StatusCode code, std::string_view operation,
                             std::string_view path, std::string_view cause);

struct SimulatedNode {
  uint64_t inode = 0;
  bool is_directory = false;
  bool linked = true;  // has a name, as programs see it
  uint32_t mode = 0;
  int64_t mtime_ns = 0;
  SimulatedContent content;
  std::vector<std::pair<uint64_t, uint64_t>> unreadable;                       // offset, bytes
  std::map<std::string, std::shared_ptr<SimulatedNode>, std::less<>> entries;  // as programs see it
  std::map<std::string, std::shared_ptr<SimulatedNode>, std::less<>>
      disk_entries;  // as it is on the disk
};
using SimulatedNodePointer = std::shared_ptr<SimulatedNode>;

// One entry of a directory set to a node, or taken out (null).
struct EntryChange {
  SimulatedNodePointer directory;
  std::string name;
  SimulatedNodePointer target;
};

// One directory operation that is not on the disk yet: all its changes get there, or none.
struct SimulatedChange {
  SimulatedNodePointer moved;  // the file or directory that was made, renamed or removed
  std::vector<EntryChange> changes;
};

struct SimulatedCall {
  Operation operation;
  std::string_view path;
  std::string_view to = {};
  uint64_t offset = 0;
  uint64_t bytes = 0;
  bool creates = false;
};

// The state, shared with files and locks so that those may outlive the file system object.
// Do... functions run under the lock, inside Perform.
class SimulatedDisk {
 public:
  SimulatedDisk(uint64_t seed, uint32_t owner)
      : dice_(seed), owner_(owner), root_(NewNode(true, 0755)) {}

  // Runs one operation under the lock: counts it, lets a fault strike, traces it. `part` is what a
  // partial success does.
  absl::Status Perform(const SimulatedCall& call, absl::FunctionRef<absl::Status()> body,
                       absl::FunctionRef<void()> part, std::optional<uint64_t> of_life = {});
  absl::Status Perform(const SimulatedCall& call, absl::FunctionRef<absl::Status()> body,
                       std::optional<uint64_t> of_life = {}) {
    return Perform(
        call, body, [] {}, of_life);
  }

  absl::StatusOr<SimulatedNodePointer> DoOpen(const std::string& path, OpenMode mode,
                                              uint32_t permissions);
  absl::Status DoRename(const std::string& from, const std::string& to);
  absl::Status DoRemove(const std::string& path, bool directory);
  absl::Status DoMakeDirectory(const std::string& path, uint32_t permissions);
  absl::Status DoSyncDirectory(const std::string& path);
  absl::StatusOr<SimulatedNodePointer> DoLock(const std::string& path);
  absl::Status DoWrite(SimulatedNode& node, std::string_view path, uint64_t offset,
                       std::string_view data);
  absl::Status DoTruncate(SimulatedNode& node, std::string_view path, uint64_t size);
  void DoCrash();
  void DoKill();

  absl::StatusOr<SimulatedNodePointer> Find(std::string_view operation,
                                            std::string_view path) const;

  void Trace(const std::string& line) {
    if (trace_) trace_(line);
  }

  mutable std::mutex mutex_;
  Dice dice_;
  const uint32_t owner_;
  uint64_t inodes_ = 0;
  SimulatedNodePointer root_;
  std::vector<SimulatedChange> pending_;
  std::vector<uint64_t> locked_inodes_;
  std::vector<Fault> faults_;
  FaultCounts counts_;
  std::optional<uint64_t> capacity_;
  uint64_t pages_used_ = 0;  // by files that have a name
  uint64_t operations_ = 0;  // those that change the disk
  uint64_t life_ = 1;        // grows with each crash and kill; also the process id
  bool crashed_ = false;
  std::function<void(const std::string&)> trace_;

 private:
  struct Place {
    SimulatedNodePointer directory;
    std::string name;
  };

  SimulatedNodePointer NewNode(bool is_directory, uint32_t mode) {
    auto node = std::make_shared<SimulatedNode>();
    node->inode = ++inodes_;
    node->is_directory = is_directory;
    node->mode = mode & 07777;
    return node;
  }

  absl::StatusOr<Place> FindPlace(std::string_view operation, std::string_view path) const;
  std::optional<FaultKind> NextFault(const SimulatedCall& call);
  absl::Status Strike(FaultKind kind, const SimulatedCall& call,
                      absl::FunctionRef<absl::Status()> body, absl::FunctionRef<void()> part);
  void Link(const Place& place, const SimulatedNodePointer& node);
  void Unlinked(SimulatedNode& node);
  void WriteEntries(const SimulatedChange& change);
  void CrashEntries();
  void CrashNode(SimulatedNode& node);
};

}  // namespace graven::io
