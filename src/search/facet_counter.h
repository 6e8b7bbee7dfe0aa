#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "index/chunk.h"
#include "index/frequent_values.h"
#include "index/value_counts.h"
#include "search/column.h"
#include "search/pass.h"
#include "search/tally.h"
#include "search/turn.h"

namespace graven::search {

// Whether the values of a whole chunk are counted by its frequent ones, or one by one.
enum class WholeChunks : uint8_t { kByFrequentValues, kOneByOne };

// Counts the values of some fields until they take too much.
//
// Of chunks that match as a whole only the frequent values are added at first. Settle then finds
// out whether another one can be among the most frequent of all, and looks up what is missing of
// those that can: few, for what is frequent in a hundred chunks is in most of them. Where that
// cannot be told, all values are counted after all.
class FacetCounter final : public Adder {
 public:
  // Values that `filter` does not let through count as if they were not there; with one, whole
  // chunks are counted one by one.
  FacetCounter(const std::vector<Column>& columns, index::ValueFilter filter,
               const TallyLimits& limits, WholeChunks whole);
  FacetCounter(const FacetCounter&) = delete;
  ~FacetCounter() override;

  void Add(const query::RecordView& view) override;
  // The chunk must outlive the counter.
  absl::StatusOr<bool> AddFromIndex(const index::Chunk& chunk,
                                    const index::Bitmap& leaves) override;

  // Once all matches have been added, until it returns true: then the `top` most frequent values
  // are known with their counts. Errors as of Chunk, which is distrusted if it is damaged: count
  // anew, one by one.
  absl::StatusOr<bool> Settle(uint64_t top, const Turn& turn);

  uint64_t matches() const { return matches_; }
  // No value was left out for want of room.
  bool is_whole() const { return is_whole_; }

  // What was counted of each column; before Settle is through counts are the least there may be.
  std::vector<Facet> FacetsOf(uint64_t top) const;

 private:
  struct Counted {
    uint64_t records = 0;
    uint64_t covered = 0;  // of `others_at_most` below: of the chunks that name the value
  };
  using Counts = std::unordered_map<std::string, Counted>;
  struct Counting {
    Column column;
    Counts counts;
    uint64_t sum = 0;  // of the records of each value, those left out too
    uint64_t without = 0;
    // Chunks that do not name all their values, and how many records one may have that none of them
    // names.
    std::vector<const index::Chunk*> unnamed_in;
    uint64_t others_at_most = 0;

    bool is_settling = false;
    size_t settled_chunks = 0;
    bool is_walked = false;                    // all values are looked up, not only `missing`
    std::vector<Counts::value_type*> missing;  // in the order of their bytes
  };

  void AddFrequent(const index::Chunk& chunk, const index::FrequentValues& frequent,
                   Counting* counting);
  void AddAll(uint64_t records, const index::ValueCounts& all, Counting* counting);
  void Count(std::string_view value, uint64_t records, uint64_t covered, Counting* counting);
  static void BeginToSettle(uint64_t top, Counting* counting);
  absl::StatusOr<bool> SettleOne(uint64_t top, const Turn& turn, Counting* counting);
  absl::Status Complete(const index::Chunk& chunk, Counting* counting);
  static Facet FacetOf(const Counting& counting, uint64_t top, size_t bytes_max);

  std::vector<Counting> countings_;
  const index::ValueFilter filter_;
  const TallyLimits limits_;
  const WholeChunks whole_;
  uint64_t matches_ = 0;
  std::vector<std::string_view> values_;  // of one record and column
  std::string number_;
  std::string key_;
  size_t bytes_ = 0;
  bool is_whole_ = true;
};

}  // namespace graven::search
