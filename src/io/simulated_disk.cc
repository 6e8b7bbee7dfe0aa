#include "io/simulated_disk.h"

#include <algorithm>
#include <utility>

#include "base/absl_views.h"
#include "base/status_macros.h"
#include "fmt/format.h"

namespace graven::io {
namespace {

bool ChangesDisk(Operation operation) {
  switch (operation) {
    case Operation::kWrite:
    case Operation::kSync:
    case Operation::kTruncate:
    case Operation::kRename:
    case Operation::kRemove:
    case Operation::kMakeDirectory:
    case Operation::kRemoveDirectory:
    case Operation::kSyncDirectory:
      return true;
    case Operation::kOpen:  // with create: the caller knows
    case Operation::kRead:
    case Operation::kList:
    case Operation::kStat:
    case Operation::kFreeBytes:
    case Operation::kLock:
      return false;
  }
  return false;
}

std::string Describe(const SimulatedCall& call) {
  std::string text = fmt::format("{} {}", OperationName(call.operation), call.path);
  if (!call.to.empty()) text += fmt::format(" to {}", call.to);
  if (call.operation == Operation::kRead || call.operation == Operation::kWrite) {
    text += fmt::format(" at {}, {} bytes", call.offset, call.bytes);
  }
  if (call.operation == Operation::kTruncate) text += fmt::format(" at {}", call.offset);
  return text;
}

}  // namespace

absl::Status SimulatedStatus(absl::StatusCode code, std::string_view operation,
                             std::string_view path, std::string_view cause) {
  const std::string message = fmt::format("{} {}: {}", operation, path, cause);
  return absl::Status(code, ToAbsl(message));
}

std::string_view OperationName(Operation operation) {
  switch (operation) {
    case Operation::kOpen:
      return "open";
    case Operation::kRead:
      return "read";
    case Operation::kWrite:
      return "write";
    case Operation::kSync:
      return "sync";
    case Operation::kTruncate:
      return "truncate";
    case Operation::kRename:
      return "rename";
    case Operation::kRemove:
      return "remove";
    case Operation::kMakeDirectory:
      return "make directory";
    case Operation::kRemoveDirectory:
      return "remove directory";
    case Operation::kSyncDirectory:
      return "sync directory";
    case Operation::kList:
      return "list";
    case Operation::kStat:
      return "stat";
    case Operation::kFreeBytes:
      return "free bytes";
    case Operation::kLock:
      return "lock";
  }
  return "unknown operation";
}

// ---- Paths

absl::StatusOr<SimulatedDisk::Place> SimulatedDisk::FindPlace(std::string_view operation,
                                                              std::string_view path) const {
  Place place{root_, ""};
  std::string_view rest = path;
  while (!rest.empty()) {
    const size_t slash = rest.find('/');
    const std::string_view name = rest.substr(0, slash);
    rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      return SimulatedStatus(absl::StatusCode::kInvalidArgument, operation, path, "'..' in a path");
    }
    if (!place.name.empty()) {
      const auto next = place.directory->entries.find(place.name);
      if (next == place.directory->entries.end()) {
        return SimulatedStatus(absl::StatusCode::kNotFound, operation, path, "no such directory");
      }
      if (!next->second->is_directory) {
        return SimulatedStatus(absl::StatusCode::kFailedPrecondition, operation, path,
                               "a file where a directory is needed");
      }
      place.directory = next->second;
    }
    place.name = name;
  }
  return place;
}

absl::StatusOr<SimulatedNodePointer> SimulatedDisk::Find(std::string_view operation,
                                                         std::string_view path) const {
  ASSIGN_OR_RETURN(const Place place, FindPlace(operation, path));
  if (place.name.empty()) return root_;
  const auto found = place.directory->entries.find(place.name);
  if (found == place.directory->entries.end()) {
    return SimulatedStatus(absl::StatusCode::kNotFound, operation, path,
                           "no such file or directory");
  }
  return found->second;
}

// ---- Faults

std::optional<FaultKind> SimulatedDisk::NextFault(const SimulatedCall& call) {
  const bool changes = call.creates || ChangesDisk(call.operation);
  if (changes) ++operations_;
  std::optional<FaultKind> fired;
  for (auto fault = faults_.begin(); fault != faults_.end();) {
    const bool fits =
        (fault->operation.has_value() ? *fault->operation == call.operation : changes) &&
        (call.path.find(fault->path_part) != std::string_view::npos ||
         call.to.find(fault->path_part) != std::string_view::npos);
    if (fits && --fault->nth == 0) {
      if (!fired.has_value()) fired = fault->kind;
      fault = faults_.erase(fault);
    } else {
      ++fault;
    }
  }
  return fired;
}

absl::Status SimulatedDisk::Strike(FaultKind kind, const SimulatedCall& call,
                                   absl::FunctionRef<absl::Status()> body,
                                   absl::FunctionRef<void()> part) {
  const std::string_view name = OperationName(call.operation);
  switch (kind) {
    case FaultKind::kError:
      ++counts_.errors;
      if (call.operation == Operation::kSync) part();
      return SimulatedStatus(absl::StatusCode::kUnavailable, name, call.path,
                             "simulated I/O error");
    case FaultKind::kErrorButDone:
      RETURN_IF_ERROR(body());
      ++counts_.errors_but_done;
      return SimulatedStatus(absl::StatusCode::kUnavailable, name, call.path,
                             "simulated I/O error after the fact");
    case FaultKind::kPartialWrite:
      ++counts_.partial_writes;
      part();
      return SimulatedStatus(absl::StatusCode::kUnavailable, name, call.path,
                             "simulated I/O error half-way");
    case FaultKind::kDiskFull:
      ++counts_.disk_full;
      part();
      return SimulatedStatus(absl::StatusCode::kResourceExhausted, name, call.path,
                             "simulated: no space left on device");
    case FaultKind::kCrash:
      // Before, during or after.
      switch (dice_.Below(3)) {
        case 0:
          break;
        case 1:
          part();
          break;
        default:
          body().IgnoreError();
          break;
      }
      DoCrash();
      return SimulatedStatus(absl::StatusCode::kUnavailable, name, call.path, "simulated crash");
  }
  return absl::OkStatus();
}

absl::Status SimulatedDisk::Perform(const SimulatedCall& call,
                                    absl::FunctionRef<absl::Status()> body,
                                    absl::FunctionRef<void()> part,
                                    std::optional<uint64_t> of_life) {
  const std::lock_guard lock(mutex_);
  if (crashed_ || of_life.value_or(life_) != life_) {
    return SimulatedStatus(absl::StatusCode::kUnavailable, OperationName(call.operation), call.path,
                           crashed_ ? "crashed" : "opened before the crash");
  }
  const std::optional<FaultKind> fault = NextFault(call);
  if (trace_) Trace(fmt::format("{} {}", operations_, Describe(call)));
  const absl::Status status = fault.has_value() ? Strike(*fault, call, body, part) : body();
  if (trace_ && !status.ok()) Trace(fmt::format("  -> {}", ToStd(status.message())));
  return status;
}

// ---- Directories

void SimulatedDisk::Link(const Place& place, const SimulatedNodePointer& node) {
  place.directory->entries[place.name] = node;
  place.directory->mtime_ns = static_cast<int64_t>(operations_);
  node->mtime_ns = static_cast<int64_t>(operations_);
  pending_.push_back({node, {{place.directory, place.name, node}}});
}

void SimulatedDisk::Unlinked(SimulatedNode& node) {
  node.linked = false;
  pages_used_ -= node.content.pages_used();
}

absl::StatusOr<SimulatedNodePointer> SimulatedDisk::DoOpen(const std::string& path, OpenMode mode,
                                                           uint32_t permissions) {
  ASSIGN_OR_RETURN(const Place place, FindPlace("open", path));
  const auto found = place.directory->entries.find(place.name);
  if (place.name.empty() ||
      (found != place.directory->entries.end() && found->second->is_directory)) {
    const bool exists_already = mode == OpenMode::kCreateNew;
    return SimulatedStatus(
        exists_already ? absl::StatusCode::kAlreadyExists : absl::StatusCode::kFailedPrecondition,
        "open", path, "is a directory");
  }
  if (found != place.directory->entries.end()) {
    if (mode == OpenMode::kCreateNew) {
      return SimulatedStatus(absl::StatusCode::kAlreadyExists, "open", path, "file exists");
    }
    if (mode == OpenMode::kCreateOrTruncate) {
      RETURN_IF_ERROR(DoTruncate(*found->second, path, 0));
    }
    return found->second;
  }
  if (mode == OpenMode::kRead || mode == OpenMode::kReadWrite) {
    return SimulatedStatus(absl::StatusCode::kNotFound, "open", path, "no such file or directory");
  }
  SimulatedNodePointer node = NewNode(/*is_directory=*/false, permissions);
  Link(place, node);
  return node;
}

absl::Status SimulatedDisk::DoMakeDirectory(const std::string& path, uint32_t permissions) {
  ASSIGN_OR_RETURN(const Place place, FindPlace("make directory", path));
  if (place.name.empty() || place.directory->entries.contains(place.name)) {
    return SimulatedStatus(absl::StatusCode::kAlreadyExists, "make directory", path, "exists");
  }
  Link(place, NewNode(/*is_directory=*/true, permissions));
  return absl::OkStatus();
}

absl::Status SimulatedDisk::DoRename(const std::string& from, const std::string& to) {
  ASSIGN_OR_RETURN(const SimulatedNodePointer node, Find("rename", from));
  ASSIGN_OR_RETURN(const Place source, FindPlace("rename", from));
  ASSIGN_OR_RETURN(const Place target, FindPlace("rename", to));
  if (source.name.empty() || target.name.empty()) {
    return SimulatedStatus(absl::StatusCode::kFailedPrecondition, "rename", from,
                           "the root has one name");
  }
  if (const auto old = target.directory->entries.find(target.name);
      old != target.directory->entries.end()) {
    if (old->second == node) return absl::OkStatus();
    if (old->second->is_directory || node->is_directory) {
      return SimulatedStatus(absl::StatusCode::kFailedPrecondition, "rename", from,
                             "a directory is in the way, or would be put over a file");
    }
    Unlinked(*old->second);
  }
  source.directory->entries.erase(source.name);
  target.directory->entries[target.name] = node;
  source.directory->mtime_ns = static_cast<int64_t>(operations_);
  target.directory->mtime_ns = static_cast<int64_t>(operations_);
  pending_.push_back(
      {node, {{source.directory, source.name, nullptr}, {target.directory, target.name, node}}});
  return absl::OkStatus();
}

absl::Status SimulatedDisk::DoRemove(const std::string& path, bool directory) {
  const std::string_view operation = directory ? "remove directory" : "remove";
  ASSIGN_OR_RETURN(const SimulatedNodePointer node, Find(operation, path));
  ASSIGN_OR_RETURN(const Place place, FindPlace(operation, path));
  if (node->is_directory != directory || place.name.empty()) {
    return SimulatedStatus(absl::StatusCode::kFailedPrecondition, operation, path,
                           directory ? "not a directory" : "is a directory");
  }
  if (!node->entries.empty()) {
    return SimulatedStatus(absl::StatusCode::kFailedPrecondition, operation, path, "not empty");
  }
  place.directory->entries.erase(place.name);
  place.directory->mtime_ns = static_cast<int64_t>(operations_);
  Unlinked(*node);
  pending_.push_back({node, {{place.directory, place.name, nullptr}}});
  return absl::OkStatus();
}

void SimulatedDisk::WriteEntries(const SimulatedChange& change) {
  for (const EntryChange& entry : change.changes) {
    if (entry.target == nullptr) {
      entry.directory->disk_entries.erase(entry.name);
    } else {
      entry.directory->disk_entries[entry.name] = entry.target;
    }
  }
}

absl::Status SimulatedDisk::DoSyncDirectory(const std::string& path) {
  ASSIGN_OR_RETURN(const SimulatedNodePointer directory, Find("sync directory", path));
  if (!directory->is_directory) {
    return SimulatedStatus(absl::StatusCode::kFailedPrecondition, "sync directory", path,
                           "not a directory");
  }
  // Backwards: what is written takes along the earlier changes of the same file.
  std::vector<const SimulatedNode*> taken;
  std::vector<bool> write(pending_.size());
  for (size_t i = pending_.size(); i-- > 0;) {
    const SimulatedChange& change = pending_[i];
    const bool here = std::any_of(change.changes.begin(), change.changes.end(),
                                  [&](const EntryChange& e) { return e.directory == directory; });
    write[i] = here || std::count(taken.begin(), taken.end(), change.moved.get()) != 0;
    if (write[i]) taken.push_back(change.moved.get());
  }
  std::vector<SimulatedChange> left;
  for (size_t i = 0; i < pending_.size(); ++i) {
    if (write[i]) {
      WriteEntries(pending_[i]);
    } else {
      left.push_back(std::move(pending_[i]));
    }
  }
  pending_ = std::move(left);
  return absl::OkStatus();
}

absl::StatusOr<SimulatedNodePointer> SimulatedDisk::DoLock(const std::string& path) {
  absl::StatusOr<SimulatedNodePointer> node = DoOpen(path, OpenMode::kReadWrite, 0644);
  if (absl::IsNotFound(node.status())) node = DoOpen(path, OpenMode::kCreateNew, 0644);
  if (!node.ok()) return node.status();
  if (std::count(locked_inodes_.begin(), locked_inodes_.end(), (*node)->inode) != 0) {
    return SimulatedStatus(absl::StatusCode::kFailedPrecondition, "lock", path,
                           fmt::format("held by process {}", life_));
  }
  locked_inodes_.push_back((*node)->inode);
  // As on a real disk, a lock holds without its text.
  DoTruncate(**node, path, 0).IgnoreError();
  DoWrite(**node, path, 0, fmt::format("{}\n", life_)).IgnoreError();
  return node;
}

// ---- Content

absl::Status SimulatedDisk::DoWrite(SimulatedNode& node, std::string_view path, uint64_t offset,
                                    std::string_view data) {
  if (offset > SimulatedContent::kSizeMax || data.size() > SimulatedContent::kSizeMax - offset) {
    return SimulatedStatus(absl::StatusCode::kResourceExhausted, "write", path, "file too large");
  }
  node.mtime_ns = static_cast<int64_t>(operations_);
  const uint64_t before = node.content.pages_used();
  bool full = false;
  if (capacity_.has_value() && node.linked) {
    const uint64_t page_bytes = SimulatedContent::kPageBytes;
    const uint64_t room = *capacity_ / page_bytes - std::min(pages_used_, *capacity_ / page_bytes);
    while (!data.empty() && node.content.PagesNeeded(offset, data.size()) > room) {
      full = true;
      // Back to the page boundary before the last byte.
      const uint64_t last_page = (offset + data.size() - 1) / page_bytes * page_bytes;
      data = data.substr(0, last_page > offset ? last_page - offset : 0);
    }
  }
  node.content.Write(offset, data, dice_, counts_);
  if (node.linked) pages_used_ += node.content.pages_used() - before;
  if (!full) return absl::OkStatus();
  ++counts_.disk_full;
  return SimulatedStatus(absl::StatusCode::kResourceExhausted, "write", path,
                         "no space left on device");
}

absl::Status SimulatedDisk::DoTruncate(SimulatedNode& node, std::string_view path, uint64_t size) {
  if (size > SimulatedContent::kSizeMax) {
    return SimulatedStatus(absl::StatusCode::kResourceExhausted, "truncate", path,
                           "file too large");
  }
  node.mtime_ns = static_cast<int64_t>(operations_);
  const uint64_t before = node.content.pages_used();
  node.content.Truncate(size);
  if (node.linked) pages_used_ -= before - node.content.pages_used();
  return absl::OkStatus();
}

// ---- Crash

void SimulatedDisk::CrashEntries() {
  Survival survival(dice_, pending_.size());
  std::vector<const SimulatedNode*> gone;
  for (const SimulatedChange& change : pending_) {
    // A change of a file whose earlier change was lost is lost too.
    const bool possible = std::count(gone.begin(), gone.end(), change.moved.get()) == 0;
    if (survival.Next() && possible) {
      WriteEntries(change);
      ++counts_.entries_kept;
    } else {
      gone.push_back(change.moved.get());
      ++counts_.entries_lost;
    }
  }
  pending_.clear();
}

void SimulatedDisk::CrashNode(SimulatedNode& node) {
  node.linked = true;
  if (!node.is_directory) {
    node.content.Crash(dice_, counts_);
    pages_used_ += node.content.pages_used();
    return;
  }
  node.entries = node.disk_entries;
  for (const auto& [name, child] : node.entries) CrashNode(*child);
}

void SimulatedDisk::DoCrash() {
  if (crashed_) return;
  const FaultCounts before = counts_;
  ++counts_.crashes;
  CrashEntries();
  pages_used_ = 0;
  CrashNode(*root_);
  crashed_ = true;
  ++life_;
  locked_inodes_.clear();
  if (!trace_) return;
  Trace(fmt::format(
      "  crash: of the unsynced, {} sectors survived and {} did not, {} sizes did, {} did not and "
      "{} by half, {} directory entries did and {} did not",
      counts_.sectors_kept - before.sectors_kept, counts_.sectors_lost - before.sectors_lost,
      counts_.sizes_kept - before.sizes_kept, counts_.sizes_lost - before.sizes_lost,
      counts_.sizes_torn - before.sizes_torn, counts_.entries_kept - before.entries_kept,
      counts_.entries_lost - before.entries_lost));
}

void SimulatedDisk::DoKill() {
  if (crashed_) return;
  ++counts_.kills;
  crashed_ = true;
  ++life_;
  locked_inodes_.clear();
  Trace("  the process is killed");
}

}  // namespace graven::io
