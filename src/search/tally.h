#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "search/scan.h"

// Numbers about the matches of a query: how often each value of a field, how many in each stretch
// of time.
namespace graven::search {

inline constexpr uint64_t kFacetFieldsMax = 16;
inline constexpr uint64_t kFacetTopDefault = 10;
inline constexpr uint64_t kFacetTopMax = 1000;
inline constexpr uint64_t kBucketsDefault = 60;
inline constexpr uint64_t kBucketsMax = 1000;

// What it may cost.
struct TallyLimits {
  int64_t until_ns = INT64_MAX;  // by Clock::SteadyNs; then the numbers are those so far
  std::function<bool()> gone;
};

struct FacetValue {
  std::string value;
  uint64_t count = 0;  // records
};

struct Facet {
  std::string field;  // "actor.id", "label.env"
  // The most frequent, by count, then by bytes. Of a record that has a value twice (targets), it
  // counts once.
  std::vector<FacetValue> values;
  uint64_t others = 0;   // counts of the values that are left out, together
  uint64_t without = 0;  // records that have no value
};

struct Facets {
  uint64_t matches = 0;
  bool is_exact = false;
  std::vector<Facet> facets;
};

// kInvalidArgument: a field that has no values to count (index, time, text), or too many fields.
// kCancelled: nobody waits. kDataLoss.
absl::StatusOr<Facets> CountFacets(Clock& clock, const ScanSource& source,
                                   const std::vector<std::string>& fields, uint64_t top,
                                   const TallyLimits& limits);

struct HistogramShape {
  // Of received_at. INT64_MIN, INT64_MAX: from the first record that can match, through the last.
  int64_t from_ns = INT64_MIN;
  int64_t to_ns = INT64_MAX;
  uint64_t buckets = kBucketsDefault;
};

inline constexpr size_t kOutcomeColumns = 5;  // unknown, success, failure, denied, any other

struct Histogram {
  bool is_exact = false;
  int64_t from_ns = 0;
  int64_t to_ns = 0;  // from_ns + buckets * bucket_ns
  int64_t bucket_ns = 0;
  std::vector<std::array<uint64_t, kOutcomeColumns>> buckets;
};

// Empty when no record can match. kInvalidArgument: a range that ends before it begins.
absl::StatusOr<Histogram> CountHistogram(Clock& clock, const ScanSource& source,
                                         const HistogramShape& shape, const TallyLimits& limits);

}  // namespace graven::search
