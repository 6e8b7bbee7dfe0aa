#include "scrub/file_watch.h"

#include <fmt/format.h>

namespace graven::scrub {

std::optional<std::string> FileWatch::Look(const std::string& path, FileChange change,
                                           bool may_be_absent) {
  const absl::StatusOr<io::FileInfo> now = fs_.Stat(path);
  if (absl::IsNotFound(now.status())) {
    const auto seen = seen_.find(path);
    if (may_be_absent && seen == seen_.end()) return std::nullopt;
    if (seen != seen_.end()) seen->second.pass = pass_;  // it goes on being missed
    return "the file is gone: it was removed or renamed";
  }
  if (!now.ok()) return fmt::format("cannot be looked at: {}", std::string(now.status().message()));
  if (now->links > 1) {
    return fmt::format("the file has {} names: whoever has another one can change it", now->links);
  }
  const auto [found, first] = seen_.try_emplace(path, Seen{*now, pass_});
  Seen& seen = found->second;
  seen.pass = pass_;
  if (first) return std::nullopt;
  const bool same_file = now->inode == seen.info.inode && now->device == seen.info.device;
  const bool larger = now->size > seen.info.size;
  if (!same_file && !(change == FileChange::kReplacedWhenLarger && larger)) {
    return fmt::format("another file stands in its place: inode {}, was {}", now->inode,
                       seen.info.inode);
  }
  if (change != FileChange::kInPlace && !(change == FileChange::kReplacedWhenLarger && larger) &&
      now->size != seen.info.size) {
    return fmt::format("has {} bytes, had {}", now->size, seen.info.size);
  }
  seen.info = *now;
  return std::nullopt;
}

void FileWatch::EndPass() {
  std::erase_if(seen_, [this](const auto& entry) { return entry.second.pass != pass_; });
}

uint64_t FileWatch::SizeOf(const std::string& path) const {
  const auto found = seen_.find(path);
  return found == seen_.end() ? 0 : found->second.info.size;
}

}  // namespace graven::scrub
