#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "base/hash.h"
#include "base/log_index.h"
#include "io/file_system.h"
#include "store/segment_reader.h"

namespace graven::shelf {

// What is kept in memory of one segment file.
struct SegmentEntry {
  LogIndex first;
  TreeSize end;
  std::string path;
  // The node (16, first >> 16); only of a final segment.
  Hash node16;
  Hash last_hash;
  int64_t last_received_at_ns = 0;

  bool final() const { return end.value - first.value == store::kSegmentRecords; }
};

SegmentEntry DescribeSegment(const store::SegmentReader& reader);

// The segments of one log, from index 0 without gaps; only the last may be provisional. Immutable
// once shared: a change makes a new list.
struct SegmentList {
  std::vector<SegmentEntry> entries;

  TreeSize end() const { return entries.empty() ? TreeSize(0) : entries.back().end; }
  // Where the final segments end.
  TreeSize final_end() const {
    if (entries.empty()) return TreeSize(0);
    return entries.back().final() ? entries.back().end : TreeSize(entries.back().first.value);
  }
  // The one that holds `index`. REQUIRES: `index` is below end().
  const SegmentEntry& Holding(LogIndex index) const {
    return entries[index.value / store::kSegmentRecords];
  }
};

// Open segment files, for all logs of the server: the most recently used ones, so that a thousand
// logs need no thousand file handles. Thread-safe.
class SegmentCache {
 public:
  SegmentCache(io::FileSystem& fs, uint32_t readers_max) : fs_(fs), readers_max_(readers_max) {}

  // kNotFound: no such file (a provisional one that was replaced: look the segment up again).
  // kDataLoss: it is damaged.
  absl::StatusOr<std::shared_ptr<const store::SegmentReader>> Get(const std::string& path);

  // Closes the file, because it is about to be removed.
  void Forget(const std::string& path);

 private:
  struct Held {
    std::shared_ptr<const store::SegmentReader> reader;
    std::list<std::string>::iterator place;
  };

  io::FileSystem& fs_;
  const uint32_t readers_max_;
  std::mutex mutex_;
  std::list<std::string> by_use_;  // most recent first
  std::unordered_map<std::string, Held> held_;
};

}  // namespace graven::shelf
