#include "search/tally.h"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/status_macros.h"
#include "engine/error_details.h"
#include "fmt/format.h"
#include "record/record.h"

namespace graven::search {
namespace {

constexpr uint64_t kRecordsPerGlance = 4096;
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

// Counts values until they take too much.
class Counter {
 public:
  explicit Counter(std::vector<Column> columns) : columns_(std::move(columns)) {}

  void Add(const query::RecordView& view) {
    for (Column& column : columns_) {
      values_.clear();
      Collect(column, view);
      std::sort(values_.begin(), values_.end());
      values_.erase(std::unique(values_.begin(), values_.end()), values_.end());
      if (values_.empty()) ++column.without;
      for (const std::string_view value : values_) Count(value, &column);
    }
  }

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

  void Count(std::string_view value, Column* column) {
    key_ = value;
    const auto found = column->counts.find(key_);
    if (found != column->counts.end()) {
      ++found->second;
      return;
    }
    bytes_ += value.size() + kValueOverheadBytes;
    if (bytes_ > kValueBytesMax) {
      overflown_ = true;
    } else {
      column->counts.emplace(key_, 1);
    }
  }

  std::vector<Column> columns_;
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

// Gives every match to `take`, as far as the limits let it. True: all of them.
absl::StatusOr<bool> GiveAll(const ledger::Ledger& ledger, Clock& clock, const TallyRange& range,
                             const TallyLimits& limits,
                             const std::function<void(const query::RecordView&)>& take) {
  ASSIGN_OR_RETURN(Scan scan,
                   Scan::Begin(ledger, range.log, range.query, Order::kOldestFirst, range.size, 0));
  while (!scan.done() && clock.SteadyNs() < limits.until_ns) {
    RETURN_IF_ERROR(scan.Step(kRecordsPerGlance, [&](const Hit& hit) {
      take(hit.view);
      return Verdict::kGoOn;
    }));
    if (limits.gone && limits.gone()) return absl::CancelledError("nobody waits for the answer");
  }
  return scan.done();
}

absl::StatusOr<int64_t> ReceivedAt(const ledger::Ledger& ledger, ledger::LogRef log,
                                   uint64_t index) {
  absl::StatusOr<int64_t> received =
      absl::DataLossError(fmt::format("record {} is published and cannot be read", index));
  RETURN_IF_ERROR(ledger.ReadRecords(log, LogIndex(index), 1,
                                     [&](LogIndex, std::string_view bytes, const Hash&) {
                                       const auto header = record::Decode(bytes);
                                       if (header.ok()) received = header->received_at_ns;
                                       return false;
                                     }));
  return received;
}

// Fills in what the caller left open: the times of the first and the last record that can match.
// Nothing can: an empty range.
absl::Status FillTimes(const ledger::Ledger& ledger, const TallyRange& range,
                       Histogram* histogram) {
  const query::Bounds bounds = query::BoundsOf(range.query.root);
  uint64_t low = bounds.indexes.low;
  uint64_t high = std::min(bounds.indexes.high, range.size.value);
  if (low < high) {
    RETURN_IF_ERROR(NarrowToTimes(ledger, range.log, bounds.received_ns, &low, &high));
  }
  if (low >= high) {
    if (histogram->from_ns == INT64_MIN) histogram->from_ns = 0;
    if (histogram->to_ns == INT64_MAX) histogram->to_ns = histogram->from_ns;
    return absl::OkStatus();
  }
  if (histogram->from_ns == INT64_MIN) {
    ASSIGN_OR_RETURN(histogram->from_ns, ReceivedAt(ledger, range.log, low));
  }
  if (histogram->to_ns == INT64_MAX) {
    ASSIGN_OR_RETURN(const int64_t last, ReceivedAt(ledger, range.log, high - 1));
    histogram->to_ns = std::max(last + 1, histogram->from_ns);
  }
  return absl::OkStatus();
}

// The query, and received within [from, to).
query::Query Within(const query::Query& query, int64_t from_ns, int64_t to_ns) {
  query::Query both;
  query::Expression& time = both.root.children.emplace_back();
  time.kind = query::Expression::Kind::kTerm;
  time.term.field = query::Field::kTime;
  time.term.match = query::Match::kRange;
  time.term.times = {record::FromNs(from_ns), record::FromNs(to_ns)};
  both.root.children.push_back(query.root);
  return both;
}

}  // namespace

absl::StatusOr<Facets> CountFacets(const ledger::Ledger& ledger, Clock& clock,
                                   const TallyRange& range, const std::vector<std::string>& fields,
                                   uint64_t top, const TallyLimits& limits) {
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
  Facets facets;
  ASSIGN_OR_RETURN(const bool all,
                   GiveAll(ledger, clock, range, limits, [&](const query::RecordView& view) {
                     ++facets.matches;
                     counter.Add(view);
                   }));
  facets.is_exact = all && counter.is_whole();
  for (Column& column : counter.columns()) {
    std::string name(column.facts->name);
    if (!column.label_key.empty()) name += "." + column.label_key;
    facets.facets.push_back(FacetOf(std::move(column), std::move(name), top));
  }
  return facets;
}

absl::StatusOr<Histogram> CountHistogram(const ledger::Ledger& ledger, Clock& clock,
                                         const TallyRange& range, const HistogramShape& shape,
                                         const TallyLimits& limits) {
  if (shape.buckets == 0 || shape.buckets > kBucketsMax) {
    return engine::InvalidField("buckets",
                                fmt::format("is {}; from 1 to {}", shape.buckets, kBucketsMax));
  }
  Histogram histogram;
  histogram.from_ns = shape.from_ns;
  histogram.to_ns = shape.to_ns;
  RETURN_IF_ERROR(FillTimes(ledger, range, &histogram));
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
  TallyRange within = range;
  within.query = Within(range.query, histogram.from_ns, histogram.to_ns);
  histogram.to_ns = histogram.from_ns + static_cast<int64_t>(whole);
  ASSIGN_OR_RETURN(
      histogram.is_exact,
      GiveAll(ledger, clock, within, limits, [&](const query::RecordView& view) {
        const auto bucket =
            static_cast<size_t>((view.received_at_ns - histogram.from_ns) / histogram.bucket_ns);
        const size_t column = view.outcome >= 0 ? static_cast<size_t>(view.outcome) : SIZE_MAX;
        ++histogram.buckets[bucket][std::min(column, kOutcomeColumns - 1)];
      }));
  return histogram;
}

}  // namespace graven::search
