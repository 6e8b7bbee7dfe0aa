#include "index/frequent_values.h"

#include <algorithm>

#include "base/encoding.h"
#include "record/wire.h"

namespace graven::index {
namespace {

using record::AppendVarint;
using Listed = FrequentValues::Listed;

// The order of the list; as a heap's, the one that goes first stands in front.
bool IsBefore(const Listed& a, const Listed& b) {
  return a.records != b.records ? a.records > b.records : a.value < b.value;
}

bool MayHaveSeveral(KeyKind kind) {
  return kind == KeyKind::kTargetType || kind == KeyKind::kTargetId || kind == KeyKind::kTargetName;
}

absl::Status NotAsItMustBe() {
  return absl::DataLossError("index: the section of frequent values is not as it must be");
}

bool ParseListed(std::string_view* in, uint64_t chunk_leaves, Listed* listed) {
  uint64_t bytes;
  if (!GetVarint(in, &bytes) || bytes == 0 || bytes > kValueBytesMax || bytes > in->size()) {
    return false;
  }
  listed->value = in->substr(0, bytes);
  in->remove_prefix(bytes);
  return GetVarint(in, &listed->records) && listed->records > 0 && listed->records <= chunk_leaves;
}

bool ParseOfKind(std::string_view in, uint64_t chunk_leaves, FrequentValues* values) {
  uint64_t has_cut;
  uint64_t count;
  if (!GetVarint(&in, &values->with_value) || !GetVarint(&in, &values->sum) ||
      !GetVarint(&in, &values->others_at_most) || !GetVarint(&in, &has_cut) ||
      !GetVarint(&in, &count) || values->with_value > chunk_leaves ||
      values->with_value > values->sum || has_cut > 1 || count > kFrequentValuesMax) {
    return false;
  }
  values->has_cut = has_cut == 1;
  values->listed.resize(count);
  uint64_t listed_sum = 0;
  for (size_t i = 0; i < count; ++i) {
    Listed& listed = values->listed[i];
    if (!ParseListed(&in, chunk_leaves, &listed)) return false;
    if (i > 0 && !IsBefore(values->listed[i - 1], listed)) return false;
    if (listed.records < values->others_at_most) return false;
    listed_sum += listed.records;
  }
  return in.empty() && listed_sum <= values->sum &&
         (values->others_at_most == 0) == (listed_sum == values->sum);
}

}  // namespace

bool HasFrequentValues(KeyKind kind) {
  return kind <= KeyKind::kWrittenBy && kind != KeyKind::kLabel;
}

void FrequentValuesWriter::AddTerm(std::string_view key, std::span<const uint32_t> leaves) {
  const auto kind = static_cast<KeyKind>(key[0]);
  if (!HasFrequentValues(kind)) return;
  if (kind != kind_) {
    End();
    Begin(kind);
  }
  const std::string_view value = key.substr(1);
  gathered_.has_cut = gathered_.has_cut || value.size() >= kValueBytesMax;
  gathered_.sum += leaves.size();
  if (MayHaveSeveral(kind)) {
    CountLeaves(leaves);
  } else {
    gathered_.with_value += leaves.size();
  }
  Consider(value, leaves.size());
}

// Values come in the order of their bytes: of two with as many records the later one is not listed.
void FrequentValuesWriter::Consider(std::string_view value, uint64_t records) {
  std::vector<Listed>& heap = gathered_.listed;
  if (heap.size() == kFrequentValuesMax) {
    gathered_.others_at_most =
        std::max(gathered_.others_at_most, std::min(records, heap.front().records));
    if (records <= heap.front().records) return;
    std::pop_heap(heap.begin(), heap.end(), IsBefore);
    heap.pop_back();
  }
  heap.push_back({std::string(value), records});
  std::push_heap(heap.begin(), heap.end(), IsBefore);
}

void FrequentValuesWriter::CountLeaves(std::span<const uint32_t> leaves) {
  for (const uint32_t leaf : leaves) {
    gathered_.with_value += has_value_[leaf] ? 0 : 1;
    has_value_[leaf] = true;
  }
}

void FrequentValuesWriter::Begin(KeyKind kind) {
  kind_ = kind;
  if (MayHaveSeveral(kind)) has_value_.assign(chunk_leaves_, false);
}

void FrequentValuesWriter::End() {
  if (kind_ == KeyKind::kOverfull) return;
  std::vector<Listed>& listed = gathered_.listed;
  std::sort_heap(listed.begin(), listed.end(), IsBefore);
  // A value of one record is not frequent, and where there are many they are all alike.
  if (gathered_.others_at_most > 0) {
    while (!listed.empty() && listed.back().records == 1) listed.pop_back();
  }
  std::string bytes;
  for (const uint64_t number : {gathered_.with_value, gathered_.sum, gathered_.others_at_most,
                                uint64_t{gathered_.has_cut ? 1U : 0U}, uint64_t{listed.size()}}) {
    AppendVarint(number, &bytes);
  }
  for (const Listed& one : listed) {
    AppendVarint(one.value.size(), &bytes);
    bytes += one.value;
    AppendVarint(one.records, &bytes);
  }
  section_.push_back(static_cast<char>(kind_));
  AppendVarint(bytes.size(), &section_);
  section_ += bytes;
  gathered_ = FrequentValues();
}

std::string FrequentValuesWriter::Finish() {
  End();
  kind_ = KeyKind::kOverfull;
  return std::move(section_);
}

absl::StatusOr<FrequentValues> ParseFrequentValues(std::string_view section, KeyKind kind,
                                                   uint64_t chunk_leaves) {
  FrequentValues values;
  char before = 0;
  while (!section.empty()) {
    const char of = section.front();
    section.remove_prefix(1);
    uint64_t bytes;
    if (of <= before || !GetVarint(&section, &bytes) || bytes > section.size()) {
      return NotAsItMustBe();
    }
    if (of == static_cast<char>(kind)) {
      if (!ParseOfKind(section.substr(0, bytes), chunk_leaves, &values)) return NotAsItMustBe();
      return values;
    }
    section.remove_prefix(bytes);
    before = of;
  }
  return values;
}

}  // namespace graven::index
