#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "index/candidates.h"
#include "index/chunk_store.h"
#include "io/file_system.h"
#include "ledger/ledger.h"

namespace graven::engine {

struct IndexBuilderOptions {
  // The data folder: a log's index lies in logs/<log>/index below it.
  std::string folder;
  // Of blocks of index files that were read.
  size_t cache_bytes = size_t{64} << 20;
  // Of chunks that are too young for a file, of all logs together. Where there is no room, the last
  // 65,536 records of a log are scanned.
  size_t memory_bytes_max = size_t{256} << 20;
  // Told of each file that was written, on the builder's thread; may be empty.
  std::function<void(ledger::LogRef log, const index::Chunk& file)> on_file;
};

// Builds the search index of every log from what is published, behind its back and off the way of
// appends: on a thread of its own, at a low priority.
//
// Per log: chunks of 2^16 records in files, sixteen merged into one of 2^20; the records behind the
// last file in chunks of 2^12 in memory, sixteen of which make the next file; fewer than 2^12 are
// left to be scanned. What is missing, damaged or of another version is built anew, the oldest
// first.
//
// Threads: Chunks and Notify from any. Step is for tests, which do not Start.
class IndexBuilder {
 public:
  // `report` is told, on the builder's thread, of files that had to be built anew, and of errors.
  IndexBuilder(const ledger::Ledger& ledger, io::FileSystem& fs, IndexBuilderOptions options,
               std::function<void(const std::string&)> report);
  ~IndexBuilder();

  void Start();
  // Something was published. Cheap; must not be called before Start's end or after Stop.
  void Notify();
  void Stop();

  // What there is of one log at this moment; never null, may hold no chunk.
  std::shared_ptr<const index::ChunkSet> Chunks(ledger::LogRef log) const;

  // One piece of work: a chunk built, or merged. False: there is nothing to do. An error (a full
  // disk, records that cannot be read) leaves what there is as it was.
  absl::StatusOr<bool> Step();

 private:
  // The builder's own of one log.
  struct LogState {
    ledger::LogRef log;
    std::unique_ptr<index::ChunkStore> store;
    index::IdKey key;
    bool is_open = false;
    std::vector<std::shared_ptr<const index::Chunk>> chunks;  // in order
  };

  LogState& StateOf(ledger::LogRef log);
  absl::Status Open(LogState& state);
  absl::StatusOr<bool> StepLog(LogState& state);
  absl::StatusOr<bool> ReplaceDistrusted(LogState& state);
  absl::StatusOr<bool> MergeOnce(LogState& state);
  absl::StatusOr<bool> BuildOnce(LogState& state);
  absl::StatusOr<std::string> BuildContent(const LogState& state, index::ChunkPlace place,
                                           const Hash& subtree_root) const;
  absl::StatusOr<Hash> SubtreeRoot(ledger::LogRef log, index::ChunkPlace place) const;
  // The chunk as a file, which takes the place of what lies within it.
  absl::Status Write(LogState& state, index::ChunkPlace place, std::string_view content);
  void Add(LogState& state, std::shared_ptr<const index::Chunk> chunk);
  void Show(const LogState& state);
  void Run();
  void Work();

  const ledger::Ledger& ledger_;
  io::FileSystem& fs_;
  const IndexBuilderOptions options_;
  const std::function<void(const std::string&)> report_;
  index::BlockCache cache_;

  std::unordered_map<uint32_t, LogState> logs_;  // by number
  size_t memory_bytes_ = 0;                      // of the chunks in memory
  std::string last_error_;

  mutable Mutex shown_mutex_;
  std::unordered_map<uint32_t, std::shared_ptr<const index::ChunkSet>> shown_
      ABSL_GUARDED_BY(shown_mutex_);

  std::atomic<bool> stopping_ = false;
  std::atomic<bool> has_work_ = false;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::thread thread_;
};

}  // namespace graven::engine
