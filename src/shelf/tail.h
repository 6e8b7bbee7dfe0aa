#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "base/hash.h"
#include "base/log_index.h"
#include "journal/journal.h"

namespace graven::shelf {

// What is known in memory of the records of one log that are not in a segment yet: hash and place
// in the journal, and the nodes at level 8 of the tree over them. In chunks of 256 records, which
// are the tiles of level 0.
//
// Threads: the writer appends; readers look up what is below a size that was handed to them after
// the append (the log's mutex, behind which sizes are published, orders the two); the background
// thread drops from the front. Only the list of chunks is behind a lock, taken by the writer once
// in 256 records.
class Tail {
 public:
  static constexpr uint64_t kChunkRecords = 256;

  // What it takes to find one record.
  struct Entry {
    Hash hash;
    // RecordCheck of its bytes; only where there is a location.
    uint64_t check = 0;
    // Nothing when the record is in a segment already and only its hash is still needed here.
    std::optional<journal::RecordLocation> location;
  };

  // A tail that begins at `first`. The hashes of the records between the chunk's border and
  // `first`, which stand in a segment, are given so that the chunk's node can be computed.
  Tail(LogIndex first, std::span<const Hash> hashes_before);

  // Adds the next record. Writer only.
  void Append(const Hash& hash, uint64_t check, const journal::RecordLocation& location);
  // Gives the node (8, chunk) of a chunk that Append has just filled. Writer only.
  void SetNode(uint64_t chunk, const Hash& node);

  // The entries from `first` on, at most `count`, as far as they are here; empty when `first` was
  // dropped. REQUIRES: `first` + `count` is not above a size that the caller was handed.
  std::vector<Entry> Find(LogIndex first, uint64_t count) const;

  // Fills `out` with the hashes from `first` on; false when one of them is not here.
  bool Hashes(LogIndex first, std::span<Hash> out) const;
  // The same for nodes of level 8. REQUIRES: those chunks are full below a size handed to the
  // caller.
  bool Nodes(uint64_t first_chunk, std::span<Hash> out) const;

  // Forgets the chunks that lie wholly below `index`. Background thread only.
  void DropBelow(LogIndex index);

 private:
  struct Chunk {
    std::array<Hash, kChunkRecords> hashes;
    std::array<journal::RecordLocation, kChunkRecords> locations;
    std::array<uint64_t, kChunkRecords> checks;
    Hash node;
    uint32_t located_from = 0;  // entries below this have a hash only
  };

  // The chunks `first_chunk`, ... `count` of them; empty when one is missing.
  std::vector<std::shared_ptr<const Chunk>> Chunks(uint64_t first_chunk, uint64_t count) const;

  mutable std::mutex mutex_;
  std::deque<std::shared_ptr<Chunk>> chunks_;  // behind mutex_
  uint64_t first_chunk_;                       // behind mutex_
  // The writer's own.
  Chunk* last_ = nullptr;
  uint64_t next_;
};

}  // namespace graven::shelf
