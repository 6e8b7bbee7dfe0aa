#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "index/candidates.h"
#include "index/chunk_merger.h"
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
  // Part of the format; tests have less.
  uint64_t merged_content_bytes_max = index::kMergedContentBytesMax;
  // By which a log rests after an error; null: the system's.
  Clock* clock = nullptr;
  // Told of each file that was written, and of the hash of the log's manifest with it (of all files
  // that were believed right then), on the builder's thread; may be empty.
  std::function<void(ledger::LogRef log, const index::Chunk& file, const Hash& manifest)> on_file;
};

// Builds the search index of every log from what is published, behind its back and off the way of
// appends: on a thread of its own, at idle priority, and not at all while a burst passes. What it
// is behind with is scanned.
//
// Per log: chunks of 2^16 records in files, sixteen merged into one of 2^20; the records behind the
// last file in chunks of 2^12 in memory, sixteen of which make the next file; fewer than 2^12 are
// left to be scanned. What is missing, damaged or of another version is built anew, the oldest
// first; what cannot be read at the moment is left alone and tried again later.
//
// Each file is read whole once after the start and each day, the one that waited longest first, one
// in ten seconds: blocks that no query asks for are damaged too. A burst breaks it off.
//
// It looks at a log when something of it was published, and each second for files that queries
// found damaged. A log of which something failed rests, for a second first and twice as long each
// time after that, up to a minute; answers are exact meanwhile. Stop waits for a piece of work at
// most: some thousand records or terms, or one sync of 1 MiB.
//
// At idle priority its thread holds no lock that others wait for: with all processors taken by
// others it might keep it for seconds, and the writer of the log, the publisher and searches would
// wait as long. Where it takes one (reading of the log, what it shows and is told) it goes by the
// ordinary priority, for some hundred microseconds at a time. The one exception is the cache of
// blocks: a merge goes through it at idle priority, and holds its lock for well below a
// microsecond each time.
//
// Threads: Chunks, Notify, LetBurstPass, RecordsBehind and files_replaced from any. Step and
// CheckNextFile are for tests, which do not Start.
class IndexBuilder {
 public:
  // `report` is told, on the builder's thread, of files that had to be built anew, and of errors,
  // of each log once until its error changes.
  IndexBuilder(const ledger::Ledger& ledger, io::FileSystem& fs, IndexBuilderOptions options,
               std::function<void(const std::string&)> report);
  ~IndexBuilder();

  void Start();
  // Whether a burst of appends passes: nothing is built meanwhile, but for the piece under way.
  // After Stop it does nothing.
  void LetBurstPass(bool passes);
  // Of these something was published. Cheap; after Stop it does nothing.
  void Notify(const std::vector<ledger::LogRef>& logs);
  // What has been built stays to be asked for. On return `on_file` is not called any more.
  void Stop();

  // What there is of one log at this moment; never null, may hold no chunk.
  std::shared_ptr<const index::ChunkSet> Chunks(ledger::LogRef log) const;

  // Reads the next file that was not read for a day, past the cache, if one is due: damage is found
  // before a query meets it, and the file is built anew, a second later at most.
  void CheckNextFile();

  // Records of all logs that are in no chunk: every search reads them.
  uint64_t RecordsBehind() const;
  // Files that were damaged, gone, of other records or of another format, since the start.
  uint64_t files_replaced() const { return files_replaced_; }

  // One piece of work of each log that may have some: a chunk built, or merged. False: there is
  // nothing to do. An error (a full disk, records that cannot be read) leaves what there is as it
  // was.
  absl::StatusOr<bool> Step();

 private:
  // For how long something that failed is left alone; none: all zeros.
  struct Rest {
    int64_t until_ns = 0;
    int64_t span_ns = 0;
    std::string error;  // it was told of
  };

  // While it lives, the builder's thread has the ordinary priority, if it has been lowered.
  class Ordinarily {
   public:
    explicit Ordinarily(const IndexBuilder& builder);
    ~Ordinarily();
    Ordinarily(const Ordinarily&) = delete;
    Ordinarily& operator=(const Ordinarily&) = delete;

   private:
    const IndexBuilder& builder_;
    const bool raises_;
  };

  // The builder's own of one log.
  struct LogState {
    ledger::LogRef log;
    std::unique_ptr<index::ChunkStore> store;
    index::IdKey key;
    bool is_open = false;
    std::vector<std::shared_ptr<const index::Chunk>> chunks;  // in order
    // Files that could not be read. Neither replaced nor believed: what only they cover is scanned.
    std::vector<index::ChunkPlace> unread;
    Rest rest;         // of the log
    Rest merge_rest;   // of merging alone
    Rest unread_rest;  // of the unread files alone
  };

  LogState& StateOf(ledger::LogRef log);
  absl::Status Open(LogState& state);
  absl::StatusOr<bool> StepLog(LogState& state);
  absl::StatusOr<bool> ReplaceDistrusted(LogState& state);
  bool Merge(LogState& state);
  absl::StatusOr<bool> MergeOnce(LogState& state);
  absl::StatusOr<bool> BuildOnce(LogState& state);
  bool ReadAgain(LogState& state);
  // Where what is not covered begins, and the most where it may end.
  std::pair<uint64_t, uint64_t> FirstGap(const LogState& state, uint64_t published) const;
  absl::StatusOr<bool> IsOfLog(const LogState& state, const index::Chunk& chunk) const;
  absl::StatusOr<std::string> BuildContent(const LogState& state, index::ChunkPlace place,
                                           const Hash& subtree_root) const;
  absl::StatusOr<Hash> SubtreeRoot(ledger::LogRef log, index::ChunkPlace place) const;
  uint64_t PublishedSize(ledger::LogRef log) const;
  Hash ManifestHash(const LogState& state) const;
  // The chunk as a file, which takes the place of what lies within it.
  absl::Status Write(LogState& state, index::ChunkPlace place, std::string_view content);
  void Add(LogState& state, std::shared_ptr<const index::Chunk> chunk);
  void Show(const LogState& state);
  void Run();
  void Work();
  // Into due_: what was published, what has rested, what queries found damaged.
  void Gather();
  // Of those that rest, into `candidates`: those whose time has come.
  void GatherRested(int64_t now_ns, std::map<uint32_t, ledger::LogRef>* candidates);
  void Prolong(const LogState& state, Rest* rest);
  // And tells of the error.
  void LetRest(LogState& state, Rest* rest, const absl::Status& error);

  const ledger::Ledger& ledger_;
  io::FileSystem& fs_;
  const IndexBuilderOptions options_;
  const std::function<void(const std::string&)> report_;
  index::BlockCache cache_;

  Clock& clock_;
  const index::GoOn go_on_;

  // The builder's thread's own; by number.
  std::unordered_map<uint32_t, LogState> logs_;
  std::map<uint32_t, ledger::LogRef> due_;  // may have work
  std::set<uint32_t> resting_;
  bool has_begun_ = false;
  int64_t looked_for_damage_ns_ = 0;
  int64_t gathered_ns_ = 0;
  int64_t next_check_ns_ = 0;
  size_t memory_bytes_ = 0;  // of the chunks in memory

  mutable Mutex shown_mutex_;
  std::unordered_map<uint32_t, std::shared_ptr<const index::ChunkSet>> shown_
      ABSL_GUARDED_BY(shown_mutex_);

  std::atomic<uint64_t> files_replaced_ = 0;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> burst_passes_ = false;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::map<uint32_t, ledger::LogRef> published_;  // since the last look; guarded by mutex_
  std::thread thread_;
  std::atomic<pid_t> thread_id_ = 0;
  bool may_lower_ = false;  // set before the thread begins
  // The builder's thread's own: it was lowered, and stands so.
  mutable bool is_low_ = false;
};

}  // namespace graven::engine
