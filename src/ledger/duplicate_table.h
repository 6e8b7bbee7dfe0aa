#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "base/log_index.h"

namespace graven::ledger {

// Which recent records of all logs may carry a given event id. In memory only, rebuilt at a start
// from segments and journal. One thread.
//
// It answers with candidates: a candidate may be wrong (28 bits of the fingerprint are kept) and is
// confirmed on the record's bytes; a record at or above CoveredFrom(log) is never missing. The
// fingerprints must already tell logs apart (each log has its own key).
//
// Memory: fixed tables, the generations, allocated as they are needed; when the next one would
// exceed the cap, the oldest is dropped whole, and CoveredFrom of its logs rises.
class DuplicateTable {
 public:
  struct Options {
    size_t bytes_max = size_t{128} << 20;
    size_t generations = 4;                // full ones that fit below bytes_max
    size_t first_slots = size_t{1} << 16;  // of the first generation; the next ones are 32 times
                                           // larger, as far as the cap allows
  };

  explicit DuplicateTable(const Options& options);

  // Which of the generations may hold records of one log at or above some index: a bit each, the
  // oldest the lowest. The others cost a cache miss and can say nothing.
  using Scope = uint64_t;
  static constexpr Scope kAll = ~Scope{0};
  // Cheap when asked again for the same log and an index a little higher. Valid until the next
  // Insert.
  Scope ScopeOf(uint32_t log_number, LogIndex from) const;

  // Begins to fetch what Find and Insert of this fingerprint will touch. For pipelining.
  void Prefetch(uint64_t fingerprint, Scope scope = kAll) const;

  using Candidates = absl::InlinedVector<LogIndex, 4>;
  // The candidates below `size`, the size of the log now, in `scope`; newest first.
  Candidates Find(uint64_t fingerprint, TreeSize size, Scope scope = kAll) const;

  void Insert(uint64_t fingerprint, LogIndex index, uint32_t log_number);

  // The caller has inserted, or is about to insert, every record of this log at or above `index`;
  // older ones it leaves out. Without this call a log counts as covered from 0.
  void StartLog(uint32_t log_number, LogIndex index);

  // Every record of this log at or above the result is in the table.
  LogIndex CoveredFrom(uint32_t log_number) const;

  // Drops the oldest generations as long as all their records lie below `window_start` of their
  // logs.
  void DropBelow(const std::function<LogIndex(uint32_t log_number)>& window_start);

  size_t bytes() const { return bytes_; }
  size_t entries() const { return entries_; }
  // How many generations were dropped so far.
  uint64_t drops() const { return drops_; }

 private:
  struct Unmap {
    size_t bytes;
    void operator()(uint64_t* slots) const;
  };
  struct Generation {
    std::unique_ptr<uint64_t[], Unmap> slots;
    size_t slot_count = 0;
    size_t entries = 0;
    absl::flat_hash_map<uint32_t, LogIndex> highest;  // of each log that it holds
  };

  static std::unique_ptr<uint64_t[], Unmap> MapZeros(size_t slot_count);
  void StartGeneration();
  void DropOldest();

  const Options options_;
  const size_t slots_max_;              // of one generation
  std::deque<Generation> generations_;  // newest at the back
  absl::flat_hash_map<uint32_t, LogIndex> covered_from_;
  size_t bytes_ = 0;
  size_t entries_ = 0;
  uint64_t drops_ = 0;
  // The last log inserted and its entry in the newest generation: batches come log by log.
  uint32_t last_log_ = 0;
  LogIndex* last_highest_ = nullptr;
  // The last answer of ScopeOf; void when generations come or go.
  struct LastScope {
    uint32_t log_number = 0;
    LogIndex from;
    Scope scope = 0;
  };
  mutable std::optional<LastScope> last_scope_;
};

}  // namespace graven::ledger
