#include "search/tally.h"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/status_macros.h"
#include "engine/error_details.h"
#include "fmt/format.h"
#include "index/candidates.h"
#include "index/chunk_format.h"
#include "index/value_counts.h"

namespace graven::search {
namespace {

// Of distinct values that are held at once. What comes new after that makes the numbers partial.
constexpr size_t kValueBytesMax = size_t{64} << 20;
constexpr size_t kValueOverheadBytes = 64;

// A field whose values can be counted.
struct Column {
  const query::FieldFacts* facts = nullptr;
  std::string label_key;
  std::unordered_map<std::string, uint64_t> counts;
  uint64_t without = 0;
};

absl::StatusOr<Column> ColumnOf(std::string_view name) {
  constexpr std::string_view kLabelPrefix = "label.";
  Column column;
  if (name.starts_with(kLabelPrefix) && name.size() > kLabelPrefix.size()) {
    column.facts = &query::FactsOf(query::Field::kLabel);
    column.label_key = name.substr(kLabelPrefix.size());
    return column;
  }
  column.facts = query::FindField(name);
  if (column.facts == nullptr) {
    return engine::InvalidField("field", "there is no such field; docs/search.md has the list");
  }
  switch (column.facts->kind) {
    case query::FieldKind::kExact:
    case query::FieldKind::kAddress:
    case query::FieldKind::kOutcome:
      return column;
    case query::FieldKind::kTime:
    case query::FieldKind::kIndex:
    case query::FieldKind::kWords:
      break;
  }
  return engine::InvalidField("field",
                              fmt::format("{} has no values to count", column.facts->name));
}

// What the matches of a part of the log add to a tally.
class Adder {
 public:
  virtual ~Adder() = default;
  // One match.
  virtual void Add(const query::RecordView& view) = 0;
  // All of `leaves` match. False: the index cannot say it; nothing was added.
  virtual absl::StatusOr<bool> AddFromIndex(const index::Chunk& chunk,
                                            const index::Bitmap& leaves) = 0;
};

// Counts values until they take too much.
class Counter final : public Adder {
 public:
  explicit Counter(std::vector<Column> columns) : columns_(std::move(columns)) {}

  void Add(const query::RecordView& view) override {
    ++matches_;
    for (Column& column : columns_) {
      values_.clear();
      Collect(column, view);
      std::sort(values_.begin(), values_.end());
      values_.erase(std::unique(values_.begin(), values_.end()), values_.end());
      if (values_.empty()) ++column.without;
      for (const std::string_view value : values_) Count(value, 1, &column);
    }
  }

  absl::StatusOr<bool> AddFromIndex(const index::Chunk& chunk,
                                    const index::Bitmap& leaves) override {
    std::vector<index::ValueCounts> counted(columns_.size());
    for (size_t i = 0; i < columns_.size(); ++i) {
      const Column& column = columns_[i];
      ASSIGN_OR_RETURN(const bool known, index::CountValues(chunk, column.facts->field,
                                                            column.label_key, leaves, &counted[i]));
      if (!known) return false;
    }
    const uint64_t records = leaves.count();
    matches_ += records;
    for (size_t i = 0; i < columns_.size(); ++i) {
      columns_[i].without += records - counted[i].with_value;
      for (const auto& [value, count] : counted[i].counts) Count(value, count, &columns_[i]);
    }
    return true;
  }

  uint64_t matches() const { return matches_; }
  bool is_whole() const { return !overflown_; }
  std::vector<Column>& columns() { return columns_; }

 private:
  void Collect(const Column& column, const query::RecordView& view) {
    switch (column.facts->field) {
      case query::Field::kOutcome:
        if (const auto word = query::OutcomeWord(view.outcome)) {
          values_.push_back(*word);
        } else {
          number_ = fmt::format("{}", view.outcome);
          values_.push_back(number_);
        }
        return;
      case query::Field::kLabel:
        for (const auto& label : view.labels) {
          if (label.key == column.label_key) values_.push_back(label.value);
        }
        return;
      case query::Field::kTargetType:
        for (const auto& target : view.targets) Push(target.type);
        return;
      case query::Field::kTargetId:
        for (const auto& target : view.targets) Push(target.id);
        return;
      case query::Field::kTargetName:
        for (const auto& target : view.targets) Push(target.name);
        return;
      default:
        Push(view.Value(column.facts->field));
    }
  }

  void Push(std::string_view value) {
    if (!value.empty()) values_.push_back(value);
  }

  void Count(std::string_view value, uint64_t count, Column* column) {
    key_ = value;
    const auto found = column->counts.find(key_);
    if (found != column->counts.end()) {
      found->second += count;
      return;
    }
    bytes_ += value.size() + kValueOverheadBytes;
    if (bytes_ > kValueBytesMax) {
      overflown_ = true;
    } else {
      column->counts.emplace(key_, count);
    }
  }

  std::vector<Column> columns_;
  uint64_t matches_ = 0;
  std::vector<std::string_view> values_;  // of one record and column
  std::string number_;
  std::string key_;
  size_t bytes_ = 0;
  bool overflown_ = false;
};

Facet FacetOf(Column column, std::string name, uint64_t top) {
  Facet facet;
  facet.field = std::move(name);
  facet.without = column.without;
  facet.values.reserve(column.counts.size());
  for (auto& [value, count] : column.counts) facet.values.push_back({value, count});
  const auto more = [](const FacetValue& a, const FacetValue& b) {
    return a.count != b.count ? a.count > b.count : a.value < b.value;
  };
  const size_t shown = std::min<size_t>(top, facet.values.size());
  std::partial_sort(facet.values.begin(), facet.values.begin() + static_cast<ptrdiff_t>(shown),
                    facet.values.end(), more);
  for (size_t i = shown; i < facet.values.size(); ++i) facet.others += facet.values[i].count;
  facet.values.resize(shown);
  return facet;
}

absl::Status LookAround(const TallyLimits& limits) {
  if (limits.gone && limits.gone()) return absl::CancelledError("nobody waits for the answer");
  return absl::OkStatus();
}

// Gives the matches of low <= index < high to `adder`, as far as the limits let it. True: all of
// them. Where the index is certain, no record is read.
absl::StatusOr<bool> GiveAll(Clock& clock, const ScanSource& source, uint64_t low, uint64_t high,
                             const TallyLimits& limits, Adder* adder) {
  while (low < high) {
    index::ChunkSet::Stretch stretch{low, high, nullptr};
    if (source.chunks != nullptr) stretch = source.chunks->From(low, high);
    if (stretch.chunk != nullptr) {
      const index::Candidates candidates = index::Find(*source.chunks, source.query.root, stretch);
      if (candidates.chunk != nullptr && candidates.found.is_exact()) {
        const absl::StatusOr<bool> added =
            adder->AddFromIndex(*candidates.chunk, candidates.found.possible);
        if (!added.ok()) candidates.chunk->Distrust();
        if (added.ok() && *added) {
          low = stretch.high;
          RETURN_IF_ERROR(LookAround(limits));
          if (clock.SteadyNs() >= limits.until_ns) return low >= high;
          continue;
        }
      }
    }
    Scan scan = Scan::Within(source, low, stretch.high);
    while (!scan.done()) {
      if (clock.SteadyNs() >= limits.until_ns) return false;
      const Turn turn{&clock, clock.SteadyNs() + kTurnNs};
      RETURN_IF_ERROR(scan.Step(turn.Until(limits.until_ns), [&](const Hit& hit) {
        adder->Add(hit.view);
        return Verdict::kGoOn;
      }));
      RETURN_IF_ERROR(LookAround(limits));
    }
    low = stretch.high;
  }
  return true;
}

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
    const auto bucket =
        static_cast<size_t>((view.received_at_ns - histogram_.from_ns) / histogram_.bucket_ns);
    const size_t column = view.outcome >= 0 ? static_cast<size_t>(view.outcome) : SIZE_MAX;
    ++histogram_.buckets[bucket][std::min(column, kOutcomeColumns - 1)];
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
      ASSIGN_OR_RETURN(const uint32_t border,
                       chunk.FirstSince(histogram_.from_ns +
                                        static_cast<int64_t>(bucket) * histogram_.bucket_ns));
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
  Histogram& histogram_;
};

}  // namespace

absl::StatusOr<Facets> CountFacets(Clock& clock, const ScanSource& source,
                                   const std::vector<std::string>& fields, uint64_t top,
                                   const TallyLimits& limits) {
  if (fields.empty()) return engine::InvalidField("field", "at least one is needed");
  if (fields.size() > kFacetFieldsMax) {
    return engine::InvalidField(
        "field", fmt::format("there are {}; at most {}", fields.size(), kFacetFieldsMax));
  }
  if (top == 0 || top > kFacetTopMax) {
    return engine::InvalidField("top", fmt::format("is {}; from 1 to {}", top, kFacetTopMax));
  }
  std::vector<Column> columns;
  for (const std::string& name : fields) {
    ASSIGN_OR_RETURN(Column column, ColumnOf(name));
    columns.push_back(std::move(column));
  }
  Counter counter(std::move(columns));
  uint64_t low = 0;
  uint64_t high = 0;
  RETURN_IF_ERROR(Narrow(source, &low, &high));
  ASSIGN_OR_RETURN(const bool all, GiveAll(clock, source, low, high, limits, &counter));
  Facets facets;
  facets.matches = counter.matches();
  facets.is_exact = all && counter.is_whole();
  for (Column& column : counter.columns()) {
    std::string name(column.facts->name);
    if (!column.label_key.empty()) name += "." + column.label_key;
    facets.facets.push_back(FacetOf(std::move(column), std::move(name), top));
  }
  return facets;
}

absl::StatusOr<Histogram> CountHistogram(Clock& clock, const ScanSource& source,
                                         const HistogramShape& shape, const TallyLimits& limits) {
  if (shape.buckets == 0 || shape.buckets > kBucketsMax) {
    return engine::InvalidField("buckets",
                                fmt::format("is {}; from 1 to {}", shape.buckets, kBucketsMax));
  }
  uint64_t low = 0;
  uint64_t high = 0;
  RETURN_IF_ERROR(Narrow(source, &low, &high));
  Histogram histogram;
  histogram.from_ns = shape.from_ns;
  histogram.to_ns = shape.to_ns;
  RETURN_IF_ERROR(FillTimes(source, low, high, &histogram));
  if (histogram.to_ns < histogram.from_ns) {
    return engine::InvalidField("to", "is before from");
  }
  if (histogram.to_ns == histogram.from_ns) {
    histogram.is_exact = true;
    return histogram;
  }
  // Unsigned: the difference of two int64 may be larger than one.
  const uint64_t span =
      static_cast<uint64_t>(histogram.to_ns) - static_cast<uint64_t>(histogram.from_ns);
  const uint64_t width = (span - 1) / shape.buckets + 1;
  const uint64_t whole = width * shape.buckets;
  if (width > INT64_MAX / shape.buckets ||
      whole > static_cast<uint64_t>(INT64_MAX) - static_cast<uint64_t>(histogram.from_ns)) {
    return engine::InvalidField("to", "is too far away");
  }
  histogram.bucket_ns = static_cast<int64_t>(width);
  histogram.buckets.resize(shape.buckets);
  // What was received in [from, to): whole records lie between two indexes.
  RETURN_IF_ERROR(
      NarrowToTimes(*source.ledger, source.log, {histogram.from_ns, histogram.to_ns}, &low, &high));
  histogram.to_ns = histogram.from_ns + static_cast<int64_t>(whole);
  BucketCounter counter(&histogram);
  ASSIGN_OR_RETURN(histogram.is_exact, GiveAll(clock, source, low, high, limits, &counter));
  return histogram;
}

}  // namespace graven::search
