#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "index/value_counts.h"
#include "search/byte_budget.h"
#include "search/column.h"
#include "search/pass.h"
#include "search/turn.h"

// Numbers about the matches of a query: how often each value of a field, how many in each stretch
// of time.
namespace graven::search {

inline constexpr uint64_t kFacetFieldsMax = 16;
inline constexpr uint64_t kFacetTopDefault = 10;
inline constexpr uint64_t kFacetTopMax = 1000;
inline constexpr uint64_t kBucketsDefault = 60;
inline constexpr uint64_t kBucketsMax = 1000;
// Of a text that values must begin with or contain: so much of every value is in the index.
inline constexpr size_t kFacetTextBytesMax = 100;

// What it may cost.
struct TallyLimits {
  int64_t until_ns = INT64_MAX;  // by the turns' clock; then the numbers are those so far
  // Of distinct values that are held, and once more while those of one chunk of the index are
  // counted. What comes new after that makes the numbers partial.
  size_t value_bytes_max = size_t{64} << 20;
  ByteBudget* values = nullptr;  // what they are taken from too; null: nothing. Outlives the work
};

// Of values in one answer, all fields together, so that it fits into a message.
inline constexpr size_t kFacetBytesMax = size_t{1} << 20;

struct FacetShape {
  std::vector<std::string> fields;
  uint64_t top = kFacetTopDefault;
  // Of all fields: other values are not told of and count as if they were not there.
  index::ValueFilter values = {};
};

struct FacetValue {
  std::string value;
  uint64_t count = 0;  // records
};

struct Facet {
  std::string field;  // "actor.id", "label.env"
  // The most frequent, by count, then by bytes; fewer than were asked for when they are large. Of a
  // record that has a value twice (targets), it counts once.
  std::vector<FacetValue> values;
  uint64_t others = 0;   // counts of the values that are left out, together
  uint64_t without = 0;  // records that have no value, or none that was asked for
};

struct Facets {
  uint64_t matches = 0;
  bool is_exact = false;
  std::vector<Facet> facets;
};

class FacetCounter;

// How often each value of some fields.
class FacetWork final : public Work {
 public:
  // Reads a few records, to find where the query's times lie. kInvalidArgument: a field that has no
  // values to count (index, time, text), one that is there twice, or too many; a filter that is too
  // long or no UTF-8. kDataLoss.
  static absl::StatusOr<std::unique_ptr<FacetWork>> Begin(ScanSource source,
                                                          const FacetShape& shape,
                                                          const TallyLimits& limits);
  ~FacetWork() override;

  absl::StatusOr<bool> GoOn(const Turn& turn) override;
  // Once it is done.
  const Facets& facets() const { return facets_; }

 private:
  FacetWork(ScanSource source, std::vector<Column> columns, const FacetShape& shape, uint64_t low,
            uint64_t high, const TallyLimits& limits);
  absl::Status Count(const Turn& turn);

  const TallyLimits limits_;
  const ScanSource source_;
  const std::vector<Column> columns_;
  const uint64_t top_;
  const index::ValueFilter filter_;
  const uint64_t low_;
  const uint64_t high_;
  Pass pass_;
  std::unique_ptr<FacetCounter> counter_;
  bool is_settled_ = false;
  Facets facets_;
};

struct HistogramShape {
  // Of received_at. INT64_MIN, INT64_MAX: from the first record that can match, through the last.
  int64_t from_ns = INT64_MIN;
  int64_t to_ns = INT64_MAX;
  uint64_t buckets = kBucketsDefault;
  // In place of all these: where each stretch begins and the one before it ends. 2 to
  // kBucketsMax + 1, each behind the one before.
  std::optional<std::vector<int64_t>> borders_ns;
};

inline constexpr size_t kOutcomeColumns = 5;  // unknown, success, failure, denied, any other

struct Histogram {
  bool is_exact = false;
  int64_t from_ns = 0;
  int64_t to_ns = 0;
  int64_t bucket_ns = 0;            // 0: the caller's own borders
  std::vector<int64_t> borders_ns;  // one more than there are buckets, from from_ns to to_ns
  std::vector<std::array<uint64_t, kOutcomeColumns>> buckets;
};

// How many in each stretch of time; what lies before the first or behind the last is in none.
class HistogramWork final : public Work {
 public:
  // Reads a few records, to find where the times lie. Empty when no record can match.
  // kInvalidArgument: a range that ends before it begins, borders that do not ascend. kDataLoss.
  static absl::StatusOr<std::unique_ptr<HistogramWork>> Begin(ScanSource source,
                                                              const HistogramShape& shape,
                                                              const TallyLimits& limits);

  absl::StatusOr<bool> GoOn(const Turn& turn) override;
  // Once it is done.
  const Histogram& histogram() const { return histogram_; }

 private:
  HistogramWork(Pass pass, Histogram histogram, const TallyLimits& limits)
      : limits_(limits), pass_(std::move(pass)), histogram_(std::move(histogram)) {}

  const TallyLimits limits_;
  Pass pass_;
  Histogram histogram_;
};

}  // namespace graven::search
