#include "search/tally.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/status_macros.h"
#include "engine/error_details.h"
#include "fmt/format.h"
#include "index/chunk_format.h"
#include "record/utf8.h"
#include "search/column.h"
#include "search/facet_counter.h"

namespace graven::search {
namespace {

// Where matches can be, by the indexes and times that the query names.
absl::Status Narrow(const ScanSource& source, uint64_t* low, uint64_t* high) {
  const query::Bounds bounds = query::BoundsOf(source.query.root);
  *low = bounds.indexes.low;
  *high = std::min(bounds.indexes.high, source.size.value);
  if (*low >= *high) return absl::OkStatus();
  return NarrowToTimes(*source.ledger, source.log, bounds.received_ns, low, high);
}

// Fills in what the caller left open: the times of the first and the last record of [low, high).
// There is none: an empty range.
absl::Status FillTimes(const ScanSource& source, uint64_t low, uint64_t high,
                       Histogram* histogram) {
  if (low >= high) {
    if (histogram->from_ns == INT64_MIN) histogram->from_ns = 0;
    if (histogram->to_ns == INT64_MAX) histogram->to_ns = histogram->from_ns;
    return absl::OkStatus();
  }
  if (histogram->from_ns == INT64_MIN) {
    ASSIGN_OR_RETURN(histogram->from_ns, ReceivedAt(*source.ledger, source.log, low));
  }
  if (histogram->to_ns == INT64_MAX) {
    ASSIGN_OR_RETURN(const int64_t last, ReceivedAt(*source.ledger, source.log, high - 1));
    histogram->to_ns = std::max(last + 1, histogram->from_ns);
  }
  return absl::OkStatus();
}

// Counts into the buckets of a histogram.
class BucketCounter final : public Adder {
 public:
  explicit BucketCounter(Histogram* histogram) : histogram_(*histogram) {}

  void Add(const query::RecordView& view) override {
    const size_t column = view.outcome >= 0 ? static_cast<size_t>(view.outcome) : SIZE_MAX;
    ++histogram_.buckets[BucketOf(view.received_at_ns)][std::min(column, kOutcomeColumns - 1)];
  }

  // Times grow with the leaves: the leaves of a bucket lie between two borders.
  absl::StatusOr<bool> AddFromIndex(const index::Chunk& chunk,
                                    const index::Bitmap& leaves) override {
    std::array<index::Bitmap, kOutcomeColumns - 1> by_outcome;
    for (size_t outcome = 0; outcome < by_outcome.size(); ++outcome) {
      std::string key;
      index::MakeKey(index::KeyKind::kOutcome, *query::OutcomeWord(static_cast<int32_t>(outcome)),
                     &key);
      ASSIGN_OR_RETURN(by_outcome[outcome], chunk.LeavesOf(key));
      by_outcome[outcome] &= leaves;
    }
    std::vector<std::array<uint64_t, kOutcomeColumns>> below(histogram_.buckets.size() + 1);
    for (size_t bucket = 0; bucket < below.size(); ++bucket) {
      ASSIGN_OR_RETURN(const uint32_t border, chunk.FirstSince(histogram_.borders_ns[bucket]));
      uint64_t named = 0;
      for (size_t outcome = 0; outcome < by_outcome.size(); ++outcome) {
        below[bucket][outcome] = by_outcome[outcome].CountBelow(border);
        named += below[bucket][outcome];
      }
      below[bucket].back() = leaves.CountBelow(border) - named;
    }
    for (size_t bucket = 0; bucket < histogram_.buckets.size(); ++bucket) {
      for (size_t outcome = 0; outcome < kOutcomeColumns; ++outcome) {
        histogram_.buckets[bucket][outcome] += below[bucket + 1][outcome] - below[bucket][outcome];
      }
    }
    return true;
  }

 private:
  // REQUIRES: at or behind the first border, before the last.
  size_t BucketOf(int64_t ns) const {
    if (histogram_.bucket_ns > 0) {
      return static_cast<size_t>((ns - histogram_.from_ns) / histogram_.bucket_ns);
    }
    const std::vector<int64_t>& borders = histogram_.borders_ns;
    return static_cast<size_t>(std::upper_bound(borders.begin(), borders.end(), ns) -
                               borders.begin() - 1);
  }

  Histogram& histogram_;
};

absl::Status CheckFilter(const char* field, const std::string& text) {
  if (text.size() > kFacetTextBytesMax) {
    return engine::InvalidField(
        field, fmt::format("has {} bytes; at most {}", text.size(), kFacetTextBytesMax));
  }
  if (!record::IsUtf8(text)) return engine::InvalidField(field, "is not UTF-8");
  return absl::OkStatus();
}

absl::Status CheckBorders(const std::vector<int64_t>& borders_ns) {
  if (borders_ns.size() < 2 || borders_ns.size() > kBucketsMax + 1) {
    return engine::InvalidField(
        "at", fmt::format("has {} times; from 2 to {}", borders_ns.size(), kBucketsMax + 1));
  }
  for (size_t i = 1; i < borders_ns.size(); ++i) {
    if (borders_ns[i] > borders_ns[i - 1]) continue;
    return engine::InvalidField(fmt::format("at[{}]", i), "is not behind the one before it");
  }
  return absl::OkStatus();
}

// The stretches of `shape` over what can match, the records of [low, high); none when there is none
// and the caller has not said where they lie.
absl::StatusOr<Histogram> Laid(const ScanSource& source, const HistogramShape& shape, uint64_t low,
                               uint64_t high) {
  Histogram histogram;
  if (shape.borders_ns) {
    RETURN_IF_ERROR(CheckBorders(*shape.borders_ns));
    histogram.borders_ns = *shape.borders_ns;
    histogram.from_ns = histogram.borders_ns.front();
    histogram.to_ns = histogram.borders_ns.back();
    histogram.buckets.resize(histogram.borders_ns.size() - 1);
    return histogram;
  }
  if (shape.buckets == 0 || shape.buckets > kBucketsMax) {
    return engine::InvalidField("buckets",
                                fmt::format("is {}; from 1 to {}", shape.buckets, kBucketsMax));
  }
  histogram.from_ns = shape.from_ns;
  histogram.to_ns = shape.to_ns;
  RETURN_IF_ERROR(FillTimes(source, low, high, &histogram));
  if (histogram.to_ns < histogram.from_ns) {
    return engine::InvalidField("to", "is before from");
  }
  if (histogram.to_ns == histogram.from_ns) return histogram;
  // Unsigned: the difference of two int64 may be larger than one.
  const uint64_t from = static_cast<uint64_t>(histogram.from_ns);
  const uint64_t width = (static_cast<uint64_t>(histogram.to_ns) - from - 1) / shape.buckets + 1;
  const uint64_t whole = width * shape.buckets;
  if (width > INT64_MAX / shape.buckets || whole > static_cast<uint64_t>(INT64_MAX) - from) {
    return engine::InvalidField("to", "is too far away");
  }
  histogram.bucket_ns = static_cast<int64_t>(width);
  histogram.buckets.resize(shape.buckets);
  for (uint64_t bucket = 0; bucket <= shape.buckets; ++bucket) {
    histogram.borders_ns.push_back(static_cast<int64_t>(from + bucket * width));
  }
  return histogram;
}

}  // namespace

FacetWork::FacetWork(ScanSource source, std::vector<Column> columns, const FacetShape& shape,
                     uint64_t low, uint64_t high, const TallyLimits& limits)
    : limits_(limits),
      source_(std::move(source)),
      columns_(std::move(columns)),
      top_(shape.top),
      filter_(shape.values),
      low_(low),
      high_(high),
      pass_(source_, low, high),
      counter_(std::make_unique<FacetCounter>(columns_, filter_, limits,
                                              WholeChunks::kByFrequentValues)) {}

FacetWork::~FacetWork() = default;

absl::StatusOr<std::unique_ptr<FacetWork>> FacetWork::Begin(ScanSource source,
                                                            const FacetShape& shape,
                                                            const TallyLimits& limits) {
  const std::vector<std::string>& fields = shape.fields;
  if (fields.empty()) return engine::InvalidField("field", "at least one is needed");
  if (fields.size() > kFacetFieldsMax) {
    return engine::InvalidField(
        "field", fmt::format("there are {}; at most {}", fields.size(), kFacetFieldsMax));
  }
  if (shape.top == 0 || shape.top > kFacetTopMax) {
    return engine::InvalidField("top", fmt::format("is {}; from 1 to {}", shape.top, kFacetTopMax));
  }
  RETURN_IF_ERROR(CheckFilter("prefix", shape.values.prefix));
  RETURN_IF_ERROR(CheckFilter("contains", shape.values.contains));
  std::vector<Column> columns;
  for (const std::string& name : fields) {
    ASSIGN_OR_RETURN(Column column, Column::Find(name));
    for (const Column& other : columns) {
      if (other.name() == column.name()) {
        return engine::InvalidField("field", fmt::format("{} is there twice", column.name()));
      }
    }
    columns.push_back(std::move(column));
  }
  uint64_t low = 0;
  uint64_t high = 0;
  RETURN_IF_ERROR(Narrow(source, &low, &high));
  return std::unique_ptr<FacetWork>(
      new FacetWork(std::move(source), std::move(columns), shape, low, high, limits));
}

absl::Status FacetWork::Count(const Turn& turn) {
  if (!pass_.done()) {
    RETURN_IF_ERROR(pass_.GoOn(turn, counter_.get()));
    if (!pass_.done() || turn.is_over()) return absl::OkStatus();
  }
  const absl::StatusOr<bool> settled = counter_->Settle(top_, turn);
  if (settled.ok()) {
    is_settled_ = *settled;
    return absl::OkStatus();
  }
  // The index could not be read once more. Counted one by one, the records stand in for the part of
  // it that cannot be read.
  pass_ = Pass(source_, low_, high_);
  counter_ = std::make_unique<FacetCounter>(columns_, filter_, limits_, WholeChunks::kOneByOne);
  return absl::OkStatus();
}

absl::StatusOr<bool> FacetWork::GoOn(const Turn& turn) {
  if (!turn.IsPast(limits_.until_ns)) {
    RETURN_IF_ERROR(Count(turn.Until(limits_.until_ns)));
    if (!is_settled_ && !turn.IsPast(limits_.until_ns)) return false;
  }
  facets_.matches = counter_->matches();
  facets_.is_exact = is_settled_ && counter_->is_whole();
  facets_.facets = counter_->FacetsOf(top_);
  counter_.reset();
  return true;
}

absl::StatusOr<std::unique_ptr<HistogramWork>> HistogramWork::Begin(ScanSource source,
                                                                    const HistogramShape& shape,
                                                                    const TallyLimits& limits) {
  uint64_t low = 0;
  uint64_t high = 0;
  RETURN_IF_ERROR(Narrow(source, &low, &high));
  ASSIGN_OR_RETURN(Histogram histogram, Laid(source, shape, low, high));
  if (histogram.buckets.empty()) {
    high = low;
  } else {
    // What was received in [from, to): whole records lie between two indexes.
    RETURN_IF_ERROR(NarrowToTimes(*source.ledger, source.log, {histogram.from_ns, histogram.to_ns},
                                  &low, &high));
    histogram.to_ns = histogram.borders_ns.back();
  }
  return std::unique_ptr<HistogramWork>(
      new HistogramWork(Pass(std::move(source), low, high), std::move(histogram), limits));
}

absl::StatusOr<bool> HistogramWork::GoOn(const Turn& turn) {
  if (!pass_.done() && !turn.IsPast(limits_.until_ns)) {
    BucketCounter counter(&histogram_);
    RETURN_IF_ERROR(pass_.GoOn(turn.Until(limits_.until_ns), &counter));
    if (!pass_.done() && !turn.IsPast(limits_.until_ns)) return false;
  }
  histogram_.is_exact = pass_.done();
  return true;
}

}  // namespace graven::search
