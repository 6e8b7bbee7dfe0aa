#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "index/bitmap.h"
#include "index/chunk.h"
#include "index/id_fingerprint.h"
#include "query/expression.h"

// What an index says to a query: which records of a stretch may match, and which do for certain.
//
//   chunk_builder.h   records to a chunk           chunk.h        a chunk, for reading
//   chunk_merger.h    sixteen chunks to one        candidates.h   a query over chunks
//   blocks.h          files of checked blocks      value_counts.h how often each value
//
// Threads: builders belong to one; chunks and sets of them are immutable and thread-safe.
//
// Invariants: `certain` is within the matches, the matches are within `possible`; what a chunk
// cannot say, or can no longer say because its file is damaged or gone, is left to be scanned. An
// index is derived: it may be deleted at any time. The same records make the same bytes.
namespace graven::index {

// The chunks of one log that there are: in order, none over another, perhaps with gaps. Immutable.
class ChunkSet {
 public:
  ChunkSet(const IdKey& key, std::vector<std::shared_ptr<const Chunk>> chunks)
      : key_(key), chunks_(std::move(chunks)) {}

  struct Stretch {
    uint64_t low = 0;
    uint64_t high = 0;
    std::shared_ptr<const Chunk> chunk;  // null: there is none here
  };
  // The stretch of one chunk, or of none, that begins at `low`. REQUIRES: low < limit.
  Stretch From(uint64_t low, uint64_t limit) const;
  // The one that ends before `high`. REQUIRES: limit < high.
  Stretch Before(uint64_t high, uint64_t limit) const;

  const IdKey& key() const { return key_; }
  const std::vector<std::shared_ptr<const Chunk>>& chunks() const { return chunks_; }

 private:
  const IdKey key_;
  const std::vector<std::shared_ptr<const Chunk>> chunks_;
};

// Leaves are counted from the chunk's first one.
struct Found {
  Bitmap possible;
  // Nothing: all of `possible` are certain, no look at the bytes is needed.
  std::optional<Bitmap> certain;

  bool is_exact() const { return !certain.has_value(); }
};

// Over the whole chunk. Errors as of Chunk.
absl::StatusOr<Found> FindInChunk(const Chunk& chunk, const IdKey& key,
                                  const query::Expression& expression);

struct Candidates {
  // What this is about: low <= index < high.
  uint64_t low = 0;
  uint64_t high = 0;
  // Null: every record of it must be looked at.
  std::shared_ptr<const Chunk> chunk;
  Found found;  // within low and high; of `chunk`
};

// A query within a stretch that one of the two above gave.
Candidates Find(const ChunkSet& chunks, const query::Expression& expression,
                const ChunkSet::Stretch& stretch);

}  // namespace graven::index
