#include "shelf/segments.h"

#include <utility>

#include "base/status_macros.h"

namespace graven::shelf {

SegmentEntry DescribeSegment(const store::SegmentReader& reader) {
  SegmentEntry entry;
  entry.first = reader.first();
  entry.end = TreeSize(reader.end().value);
  entry.path = reader.path();
  if (reader.final()) entry.node16 = reader.root16();
  entry.last_hash = reader.last_hash();
  entry.last_received_at_ns = reader.last_received_at_ns();
  return entry;
}

absl::StatusOr<std::shared_ptr<const store::SegmentReader>> SegmentCache::Get(
    const std::string& path) {
  {
    std::lock_guard lock(mutex_);
    if (auto found = held_.find(path); found != held_.end()) {
      by_use_.splice(by_use_.begin(), by_use_, found->second.place);
      return found->second.reader;
    }
  }
  // Opened outside the lock: two threads may open one file at once, and one of the two readers
  // wins.
  ASSIGN_OR_RETURN(auto opened, store::SegmentReader::Open(fs_, path));
  std::shared_ptr<const store::SegmentReader> reader = std::move(opened);
  std::lock_guard lock(mutex_);
  auto [entry, inserted] = held_.try_emplace(path);
  if (!inserted) return entry->second.reader;
  by_use_.push_front(path);
  entry->second = {reader, by_use_.begin()};
  while (held_.size() > readers_max_) {
    held_.erase(by_use_.back());
    by_use_.pop_back();
  }
  return reader;
}

void SegmentCache::Forget(const std::string& path) {
  std::lock_guard lock(mutex_);
  auto found = held_.find(path);
  if (found == held_.end()) return;
  by_use_.erase(found->second.place);
  held_.erase(found);
}

}  // namespace graven::shelf
