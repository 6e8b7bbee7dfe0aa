#include "search/facet_counter.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "index/chunk_format.h"
#include "index/frequent_values.h"
#include "index/value_counts.h"

namespace graven::search {
namespace {

// Values that are looked up one by one in each chunk. With more of them it is no dearer to go
// through all there are.
constexpr size_t kMissingMax = 1024;

// False: a record is not wholly in the chunk.
absl::StatusOr<bool> HasAllTerms(const index::Chunk& chunk) {
  std::string key;
  index::MakeKey(index::KeyKind::kOverfull, "", &key);
  ASSIGN_OR_RETURN(const index::Bitmap overfull, chunk.LeavesOf(key));
  return overfull.empty();
}

}  // namespace

FacetCounter::FacetCounter(const std::vector<Column>& columns, index::ValueFilter filter,
                           const TallyLimits& limits, WholeChunks whole)
    : filter_(std::move(filter)),
      limits_(limits),
      whole_(filter_.IsEmpty() ? whole : WholeChunks::kOneByOne) {
  for (const Column& column : columns) countings_.push_back({.column = column});
}

FacetCounter::~FacetCounter() {
  if (limits_.values != nullptr) limits_.values->GiveBack(bytes_);
}

void FacetCounter::Add(const query::RecordView& view) {
  ++matches_;
  for (Counting& counting : countings_) {
    counting.column.Collect(view, &number_, &values_);
    std::erase_if(values_, [this](std::string_view value) { return !filter_.Passes(value); });
    if (values_.empty()) ++counting.without;
    counting.sum += values_.size();
    for (const std::string_view value : values_) Count(value, 1, 0, &counting);
  }
}

absl::StatusOr<bool> FacetCounter::AddFromIndex(const index::Chunk& chunk,
                                                const index::Bitmap& leaves) {
  const uint64_t records = leaves.count();
  bool by_frequent = whole_ == WholeChunks::kByFrequentValues && records == chunk.leaves();
  if (by_frequent) {
    ASSIGN_OR_RETURN(by_frequent, HasAllTerms(chunk));
  }
  // All of it is read before any of it is added.
  struct OfColumn {
    std::optional<index::FrequentValues> frequent;
    index::ValueCounts all;
  };
  std::vector<OfColumn> found(countings_.size());
  size_t bytes_left = limits_.value_bytes_max;
  for (size_t i = 0; i < countings_.size(); ++i) {
    const Column& column = countings_[i].column;
    const std::optional<index::KeyKind> kind = index::KeyKindOf(column.field());
    if (by_frequent && kind && index::HasFrequentValues(*kind)) {
      ASSIGN_OR_RETURN(found[i].frequent, chunk.Frequent(*kind));
      if (found[i].frequent->has_cut) return false;
      continue;
    }
    ASSIGN_OR_RETURN(const bool known,
                     index::CountValues(chunk, column.field(), column.label_key(), leaves, filter_,
                                        bytes_left, &found[i].all));
    if (!known) return false;
    bytes_left -= found[i].all.bytes;
  }
  matches_ += records;
  for (size_t i = 0; i < countings_.size(); ++i) {
    if (found[i].frequent) {
      AddFrequent(chunk, *found[i].frequent, &countings_[i]);
    } else {
      AddAll(records, found[i].all, &countings_[i]);
    }
  }
  return true;
}

void FacetCounter::AddFrequent(const index::Chunk& chunk, const index::FrequentValues& frequent,
                               Counting* counting) {
  counting->without += chunk.leaves() - frequent.with_value;
  counting->sum += frequent.sum;
  for (const auto& listed : frequent.listed) {
    Count(listed.value, listed.records, frequent.others_at_most, counting);
  }
  if (frequent.others_at_most == 0) return;
  counting->unnamed_in.push_back(&chunk);
  counting->others_at_most += frequent.others_at_most;
}

void FacetCounter::AddAll(uint64_t records, const index::ValueCounts& all, Counting* counting) {
  is_whole_ = is_whole_ && all.is_whole;
  counting->without += records - all.with_value;
  for (const auto& [value, count] : all.counts) {
    counting->sum += count;
    Count(value, count, 0, counting);
  }
}

void FacetCounter::Count(std::string_view value, uint64_t records, uint64_t covered,
                         Counting* counting) {
  key_ = value;
  auto found = counting->counts.find(key_);
  if (found == counting->counts.end()) {
    const size_t bytes = value.size() + index::kValueOverheadBytes;
    if (bytes_ + bytes > limits_.value_bytes_max ||
        (limits_.values != nullptr && !limits_.values->Take(bytes))) {
      is_whole_ = false;
      return;
    }
    bytes_ += bytes;
    found = counting->counts.emplace(key_, Counted()).first;
  }
  found->second.records += records;
  found->second.covered += covered;
}

absl::StatusOr<bool> FacetCounter::Settle(uint64_t top, const Turn& turn) {
  for (Counting& counting : countings_) {
    ASSIGN_OR_RETURN(const bool settled, SettleOne(top, turn, &counting));
    if (!settled) return false;
  }
  return true;
}

absl::StatusOr<bool> FacetCounter::SettleOne(uint64_t top, const Turn& turn, Counting* counting) {
  if (!counting->is_settling) BeginToSettle(top, counting);
  while (counting->settled_chunks < counting->unnamed_in.size()) {
    const index::Chunk& chunk = *counting->unnamed_in[counting->settled_chunks];
    const absl::Status completed = Complete(chunk, counting);
    if (index::IsDamage(completed)) chunk.Distrust();
    RETURN_IF_ERROR(completed);
    ++counting->settled_chunks;
    if (turn.is_over()) break;
  }
  return counting->settled_chunks == counting->unnamed_in.size();
}

// With `least` the records of the value that is now the last of the most frequent: a value that may
// have as many, by what the chunks that do not name it leave open, is missing there.
void FacetCounter::BeginToSettle(uint64_t top, Counting* counting) {
  counting->is_settling = true;
  std::vector<uint64_t> records;
  records.reserve(counting->counts.size());
  for (const auto& [value, counted] : counting->counts) records.push_back(counted.records);
  uint64_t least = 0;
  if (records.size() >= top) {
    const auto last = records.begin() + static_cast<ptrdiff_t>(top - 1);
    std::nth_element(records.begin(), last, records.end(), std::greater<>());
    least = *last;
  }
  const uint64_t at_most = counting->others_at_most;
  // One that no chunk names may be among them.
  counting->is_walked = at_most >= least && at_most > 0;
  if (counting->is_walked) return;
  for (auto& value : counting->counts) {
    const uint64_t open = at_most - value.second.covered;
    if (open == 0 || value.second.records + open < least) continue;
    counting->missing.push_back(&value);
    if (counting->missing.size() > kMissingMax) {
      counting->is_walked = true;
      return;
    }
  }
  if (counting->missing.empty()) counting->unnamed_in.clear();
  std::sort(counting->missing.begin(), counting->missing.end(),
            [](const auto* a, const auto* b) { return a->first < b->first; });
}

// Adds what the chunk has of values that it does not name.
absl::Status FacetCounter::Complete(const index::Chunk& chunk, Counting* counting) {
  const index::KeyKind kind = *index::KeyKindOf(counting->column.field());
  ASSIGN_OR_RETURN(const index::FrequentValues frequent, chunk.Frequent(kind));
  std::set<std::string_view> named;
  for (const auto& listed : frequent.listed) named.insert(listed.value);
  if (counting->is_walked) {
    index::ValueCounts all;
    ASSIGN_OR_RETURN(const bool known, index::CountValues(chunk, counting->column.field(), "",
                                                          index::Bitmap::Range(0, chunk.leaves()),
                                                          filter_, limits_.value_bytes_max, &all));
    if (!known) return absl::DataLossError("index: a chunk contradicts its frequent values");
    is_whole_ = is_whole_ && all.is_whole;
    for (const auto& [value, records] : all.counts) {
      if (!named.contains(value)) Count(value, records, 0, counting);
    }
    return absl::OkStatus();
  }
  index::TermCursor cursor(chunk);
  std::string key;
  for (Counts::value_type* value : counting->missing) {
    if (named.contains(value->first)) continue;
    index::MakeKey(kind, value->first, &key);
    RETURN_IF_ERROR(cursor.Seek(key));
    if (cursor.valid() && cursor.key() == key) value->second.records += cursor.count();
  }
  return absl::OkStatus();
}

std::vector<Facet> FacetCounter::FacetsOf(uint64_t top) const {
  std::vector<Facet> facets;
  for (const Counting& counting : countings_) {
    facets.push_back(FacetOf(counting, top, kFacetBytesMax / countings_.size()));
  }
  return facets;
}

Facet FacetCounter::FacetOf(const Counting& counting, uint64_t top, size_t bytes_max) {
  Facet facet;
  facet.field = counting.column.name();
  facet.without = counting.without;
  facet.others = counting.sum;
  std::vector<const Counts::value_type*> all;
  all.reserve(counting.counts.size());
  for (const auto& counted : counting.counts) all.push_back(&counted);
  const auto shown = static_cast<ptrdiff_t>(std::min<size_t>(top, all.size()));
  std::partial_sort(all.begin(), all.begin() + shown, all.end(), [](const auto* a, const auto* b) {
    return a->second.records != b->second.records ? a->second.records > b->second.records
                                                  : a->first < b->first;
  });
  size_t bytes = 0;
  for (ptrdiff_t i = 0; i < shown; ++i) {
    const auto& [value, counted] = *all[static_cast<size_t>(i)];
    bytes += value.size();
    if (bytes > bytes_max && i > 0) break;
    facet.values.push_back({value, counted.records});
    facet.others -= counted.records;
  }
  return facet;
}

}  // namespace graven::search
