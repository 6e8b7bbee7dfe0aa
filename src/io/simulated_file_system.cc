#include "io/simulated_file_system.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/simulated_content.h"
#include "io/simulated_disk.h"

namespace graven::io {
namespace {

constexpr uint64_t kUnlimitedBytes = uint64_t{1} << 40;

class SimulatedFile final : public File {
 public:
  SimulatedFile(std::shared_ptr<SimulatedDisk> disk, SimulatedNodePointer node, std::string path,
                uint64_t life, bool writable)
      : disk_(std::move(disk)),
        node_(std::move(node)),
        path_(std::move(path)),
        life_(life),
        writable_(writable) {}

  absl::Status ReadAt(uint64_t offset, std::span<char> out) override {
    const SimulatedCall call{Operation::kRead, path_, {}, offset, out.size()};
    return disk_->Perform(
        call,
        [&] {
          const uint64_t size = node_->content.size();
          if (offset > size || out.size() > size - offset) {
            return SimulatedStatus(
                absl::StatusCode::kOutOfRange, "read", path_,
                fmt::format("the file ends at {}, before {}", size, offset + out.size()));
          }
          for (const auto& [bad_at, bad_bytes] : node_->unreadable) {
            if (offset >= bad_at + bad_bytes || bad_at >= offset + out.size()) continue;
            ++disk_->counts_.unreadable_reads;
            return SimulatedStatus(absl::StatusCode::kUnavailable, "read", path_,
                                   "input/output error");
          }
          node_->content.Read(offset, out);
          return absl::OkStatus();
        },
        life_);
  }

  // Unsynced sectors may reach the disk at any moment anyway.
  void StartWriteback(uint64_t, uint64_t) override {
    const std::lock_guard lock(disk_->mutex_);
    ++disk_->counts_.writebacks_asked;
  }

  absl::Status WriteAt(uint64_t offset, std::string_view data) override {
    const SimulatedCall call{Operation::kWrite, path_, {}, offset, data.size()};
    return disk_->Perform(
        call,
        [&] {
          RETURN_IF_ERROR(Writable("write"));
          return disk_->DoWrite(*node_, path_, offset, data);
        },
        [&] {
          const std::string_view part = data.substr(0, disk_->dice_.Below(data.size() + 1));
          disk_->DoWrite(*node_, path_, offset, part).IgnoreError();
        },
        life_);
  }

  absl::Status Sync() override {
    return disk_->Perform(
        SimulatedCall{Operation::kSync, path_},
        [&] {
          node_->content.Sync();
          return absl::OkStatus();
        },
        [&] { node_->content.FailSync(disk_->dice_, disk_->counts_); }, life_);
  }

  absl::StatusOr<uint64_t> Size() override {
    uint64_t size = 0;
    RETURN_IF_ERROR(disk_->Perform(
        SimulatedCall{Operation::kStat, path_},
        [&] {
          size = node_->content.size();
          return absl::OkStatus();
        },
        life_));
    return size;
  }

  absl::Status Truncate(uint64_t size) override {
    const SimulatedCall call{Operation::kTruncate, path_, {}, size};
    return disk_->Perform(
        call,
        [&] {
          RETURN_IF_ERROR(Writable("truncate"));
          return disk_->DoTruncate(*node_, path_, size);
        },
        life_);
  }

 private:
  absl::Status Writable(std::string_view operation) const {
    if (writable_) return absl::OkStatus();
    return SimulatedStatus(absl::StatusCode::kUnavailable, operation, path_, "opened for reading");
  }

  const std::shared_ptr<SimulatedDisk> disk_;
  const SimulatedNodePointer node_;
  const std::string path_;
  const uint64_t life_;
  const bool writable_;
};

class SimulatedLock final : public FolderLock {
 public:
  SimulatedLock(std::shared_ptr<SimulatedDisk> disk, uint64_t inode, uint64_t life)
      : disk_(std::move(disk)), inode_(inode), life_(life) {}
  ~SimulatedLock() override {
    const std::lock_guard lock(disk_->mutex_);
    if (disk_->life_ == life_) std::erase(disk_->locked_inodes_, inode_);
  }

 private:
  const std::shared_ptr<SimulatedDisk> disk_;
  const uint64_t inode_;
  const uint64_t life_;
};

}  // namespace

SimulatedFileSystem::SimulatedFileSystem(uint64_t seed, uint32_t owner)
    : disk_(std::make_shared<SimulatedDisk>(seed, owner)) {}

SimulatedFileSystem::~SimulatedFileSystem() = default;

absl::StatusOr<std::unique_ptr<File>> SimulatedFileSystem::Open(const std::string& path,
                                                                OpenMode mode,
                                                                uint32_t permissions) {
  const bool creates = mode == OpenMode::kCreateNew || mode == OpenMode::kCreateOrTruncate;
  std::unique_ptr<File> file;
  const SimulatedCall call{Operation::kOpen, path, {}, 0, 0, creates};
  RETURN_IF_ERROR(disk_->Perform(call, [&]() -> absl::Status {
    ASSIGN_OR_RETURN(SimulatedNodePointer node, disk_->DoOpen(path, mode, permissions));
    file = std::make_unique<SimulatedFile>(disk_, std::move(node), path, disk_->life_,
                                           mode != OpenMode::kRead);
    return absl::OkStatus();
  }));
  return file;
}

absl::Status SimulatedFileSystem::Rename(const std::string& from, const std::string& to) {
  return disk_->Perform(SimulatedCall{Operation::kRename, from, to},
                        [&] { return disk_->DoRename(from, to); });
}

absl::Status SimulatedFileSystem::Remove(const std::string& path) {
  return disk_->Perform(SimulatedCall{Operation::kRemove, path},
                        [&] { return disk_->DoRemove(path, /*directory=*/false); });
}

absl::Status SimulatedFileSystem::MakeDirectory(const std::string& path, uint32_t permissions) {
  return disk_->Perform(SimulatedCall{Operation::kMakeDirectory, path},
                        [&] { return disk_->DoMakeDirectory(path, permissions); });
}

absl::Status SimulatedFileSystem::RemoveDirectory(const std::string& path) {
  return disk_->Perform(SimulatedCall{Operation::kRemoveDirectory, path},
                        [&] { return disk_->DoRemove(path, /*directory=*/true); });
}

absl::StatusOr<std::vector<std::string>> SimulatedFileSystem::List(const std::string& path) {
  std::vector<std::string> names;
  RETURN_IF_ERROR(disk_->Perform(SimulatedCall{Operation::kList, path}, [&]() -> absl::Status {
    ASSIGN_OR_RETURN(const SimulatedNodePointer node, disk_->Find("list", path));
    if (!node->is_directory) {
      return SimulatedStatus(absl::StatusCode::kFailedPrecondition, "list", path,
                             "not a directory");
    }
    for (const auto& [name, child] : node->entries) names.push_back(name);
    return absl::OkStatus();
  }));
  return names;
}

absl::Status SimulatedFileSystem::SyncDirectory(const std::string& path) {
  return disk_->Perform(SimulatedCall{Operation::kSyncDirectory, path},
                        [&] { return disk_->DoSyncDirectory(path); });
}

absl::StatusOr<FileInfo> SimulatedFileSystem::Stat(const std::string& path) {
  FileInfo info;
  RETURN_IF_ERROR(disk_->Perform(SimulatedCall{Operation::kStat, path}, [&]() -> absl::Status {
    ASSIGN_OR_RETURN(const SimulatedNodePointer node, disk_->Find("stat", path));
    info.size = node->content.size();
    info.device = 1;
    info.inode = node->inode;
    info.mode = node->mode;
    info.owner = disk_->owner_;
    info.is_directory = node->is_directory;
    info.links = 1;
    info.mtime_ns = node->mtime_ns;
    return absl::OkStatus();
  }));
  return info;
}

absl::StatusOr<uint64_t> SimulatedFileSystem::FreeBytes(const std::string& path) {
  uint64_t free_bytes = 0;
  RETURN_IF_ERROR(disk_->Perform(SimulatedCall{Operation::kFreeBytes, path}, [&]() -> absl::Status {
    const absl::Status found = disk_->Find("free bytes", path).status();
    if (!found.ok()) return found;
    const uint64_t used = disk_->pages_used_ * SimulatedContent::kPageBytes;
    const uint64_t capacity = disk_->capacity_.value_or(kUnlimitedBytes);
    free_bytes = capacity - std::min(used, capacity);
    return absl::OkStatus();
  }));
  return free_bytes;
}

absl::StatusOr<std::unique_ptr<FolderLock>> SimulatedFileSystem::Lock(const std::string& path) {
  std::unique_ptr<FolderLock> held;
  RETURN_IF_ERROR(disk_->Perform(SimulatedCall{Operation::kLock, path}, [&]() -> absl::Status {
    ASSIGN_OR_RETURN(const SimulatedNodePointer node, disk_->DoLock(path));
    held = std::make_unique<SimulatedLock>(disk_, node->inode, disk_->life_);
    return absl::OkStatus();
  }));
  return held;
}

void SimulatedFileSystem::AddFault(Fault fault) {
  const std::lock_guard lock(disk_->mutex_);
  fault.nth = std::max<uint64_t>(fault.nth, 1);
  disk_->faults_.push_back(std::move(fault));
}

void SimulatedFileSystem::ClearFaults() {
  const std::lock_guard lock(disk_->mutex_);
  disk_->faults_.clear();
}

void SimulatedFileSystem::Crash() {
  const std::lock_guard lock(disk_->mutex_);
  disk_->DoCrash();
}

void SimulatedFileSystem::Kill() {
  const std::lock_guard lock(disk_->mutex_);
  disk_->DoKill();
}

void SimulatedFileSystem::Restart() {
  const std::lock_guard lock(disk_->mutex_);
  if (disk_->crashed_) disk_->Trace("  restart");
  disk_->crashed_ = false;
}

bool SimulatedFileSystem::crashed() const {
  const std::lock_guard lock(disk_->mutex_);
  return disk_->crashed_;
}

void SimulatedFileSystem::SetCapacity(std::optional<uint64_t> bytes) {
  const std::lock_guard lock(disk_->mutex_);
  disk_->capacity_ = bytes;
}

uint64_t SimulatedFileSystem::UsedBytes() const {
  const std::lock_guard lock(disk_->mutex_);
  return disk_->pages_used_ * SimulatedContent::kPageBytes;
}

absl::Status SimulatedFileSystem::FlipBit(const std::string& path, uint64_t bit) {
  const std::lock_guard lock(disk_->mutex_);
  ASSIGN_OR_RETURN(const SimulatedNodePointer node, disk_->Find("flip bit", path));
  if (bit / 8 >= node->content.size()) {
    return SimulatedStatus(absl::StatusCode::kOutOfRange, "flip bit", path, "beyond the end");
  }
  const uint64_t before = node->content.pages_used();
  node->content.FlipBit(bit);
  disk_->pages_used_ += node->content.pages_used() - before;
  ++disk_->counts_.bit_flips;
  if (disk_->trace_) disk_->Trace(fmt::format("  bit {} of {} flips", bit, path));
  return absl::OkStatus();
}

absl::Status SimulatedFileSystem::MakeUnreadable(const std::string& path, uint64_t offset,
                                                 uint64_t bytes) {
  const std::lock_guard lock(disk_->mutex_);
  ASSIGN_OR_RETURN(const SimulatedNodePointer node, disk_->Find("make unreadable", path));
  node->unreadable.emplace_back(offset, bytes);
  return absl::OkStatus();
}

uint64_t SimulatedFileSystem::ChangingOperations() const {
  const std::lock_guard lock(disk_->mutex_);
  return disk_->operations_;
}

FaultCounts SimulatedFileSystem::Counts() const {
  const std::lock_guard lock(disk_->mutex_);
  return disk_->counts_;
}

void SimulatedFileSystem::SetTrace(std::function<void(const std::string&)> trace) {
  const std::lock_guard lock(disk_->mutex_);
  disk_->trace_ = std::move(trace);
}

}  // namespace graven::io
