#include "index/value_counts.h"

#include <string.h>

#include <optional>
#include <vector>

#include "base/status_macros.h"
#include "fmt/format.h"

namespace graven::index {
namespace {

// Of a field that a record has once: by the column, so that the terms of what few leaves do not
// name are not read.
absl::Status CountColumn(const Chunk& chunk, size_t column, const std::vector<uint32_t>& leaves,
                         std::vector<uint64_t>* counts) {
  std::vector<uint32_t> values;
  RETURN_IF_ERROR(chunk.ReadColumn(column, &values));
  for (const uint32_t leaf : leaves) {
    const uint32_t value = values[leaf];
    // A leaf has one value at most, so there are no more of them than leaves.
    if (value > chunk.leaves()) {
      return absl::DataLossError(fmt::format("leaf {} of column {} has value {} of at most {}",
                                             leaf, column, value, chunk.leaves()));
    }
    if (value >= counts->size()) counts->resize(value + 1, 0);
    ++(*counts)[value];
  }
  return absl::OkStatus();
}

std::string Lowered(std::string_view text) {
  std::string lowered(text);
  for (char& c : lowered) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lowered;
}

class Counting {
 public:
  Counting(const Chunk& chunk, const Bitmap& leaves, const ValueFilter& filter)
      : chunk_(chunk),
        leaves_(leaves),
        filter_(filter),
        is_all_(leaves.count() == chunk.leaves()) {}

  // `prefix` is what all keys of the field begin with. False: a value was cut.
  absl::StatusOr<bool> Run(KeyKind kind, const std::string& prefix, size_t bytes_max,
                           ValueCounts* counts) {
    if (const auto column = ColumnOf(kind); column && !is_all_) {
      RETURN_IF_ERROR(CountColumn(chunk_, *column, leaves_.Leaves(), &by_value_));
    }
    const bool several =
        kind == KeyKind::kTargetType || kind == KeyKind::kTargetId || kind == KeyKind::kTargetName;
    std::vector<uint32_t> with;
    TermCursor cursor(chunk_);
    RETURN_IF_ERROR(cursor.Seek(prefix));
    const uint64_t first = cursor.valid() ? cursor.number() : 0;
    const std::string start = prefix + filter_.prefix;
    if (!filter_.prefix.empty()) RETURN_IF_ERROR(cursor.Seek(start));
    while (cursor.valid() && cursor.key().starts_with(start)) {
      const std::string_view value = cursor.key().substr(prefix.size());
      if (value.size() >= kValueBytesMax) return false;
      uint64_t count = 0;
      if (filter_.Passes(value)) {
        const uint64_t number = cursor.number() - first + 1;
        ASSIGN_OR_RETURN(count, CountOf(kind, cursor, number, several, &with));
      }
      if (count > 0) {
        if (!several) counts->with_value += count;
        const size_t bytes = value.size() + kValueOverheadBytes;
        if (counts->bytes + bytes > bytes_max) {
          counts->is_whole = false;
        } else {
          counts->bytes += bytes;
          counts->counts.emplace(value, count);
        }
      }
      RETURN_IF_ERROR(cursor.Next());
    }
    if (several) counts->with_value = with_.count();
    return true;
  }

 private:
  absl::StatusOr<uint64_t> CountOf(KeyKind kind, const TermCursor& cursor, uint64_t number,
                                   bool several, std::vector<uint32_t>* with) {
    if (is_all_ && !several) return cursor.count();
    if (ColumnOf(kind)) return number < by_value_.size() ? by_value_[number] : 0;
    if (cursor.count() <= kListLeavesMax) {
      with->clear();
      RETURN_IF_ERROR(cursor.AppendLeaves(0, with));
      if (!is_all_) std::erase_if(*with, [&](uint32_t leaf) { return !leaves_.Contains(leaf); });
      if (several) with_ |= Bitmap::Of(*with);
      return with->size();
    }
    ASSIGN_OR_RETURN(Bitmap of_term, cursor.Leaves());
    if (!several) return of_term.CountBoth(leaves_);
    of_term &= leaves_;
    with_ |= of_term;
    return of_term.count();
  }

  const Chunk& chunk_;
  const Bitmap& leaves_;
  const ValueFilter& filter_;
  const bool is_all_;
  std::vector<uint64_t> by_value_;
  Bitmap with_;
};

}  // namespace

bool ValueFilter::Passes(std::string_view value) const {
  if (!value.starts_with(prefix)) return false;
  if (contains.empty()) return true;
  const std::string lowered = Lowered(value);
  const std::string wanted = Lowered(contains);
  // Linear in both, whatever they are: a stranger wrote the one, and another the other.
  return ::memmem(lowered.data(), lowered.size(), wanted.data(), wanted.size()) != nullptr;
}

absl::StatusOr<bool> CountValues(const Chunk& chunk, query::Field field, std::string_view label_key,
                                 const Bitmap& leaves, const ValueFilter& filter, size_t bytes_max,
                                 ValueCounts* counts) {
  const std::optional<KeyKind> kind = KeyKindOf(field);
  // Values are cut there: what begins so is not told apart.
  if (!kind || filter.prefix.size() >= kValueBytesMax) return false;
  std::string key;
  MakeKey(KeyKind::kOverfull, "", &key);
  ASSIGN_OR_RETURN(const Bitmap overfull, chunk.LeavesOf(key));
  if (overfull.CountBoth(leaves) > 0) return false;
  if (*kind != KeyKind::kLabel) {
    MakeKey(*kind, "", &key);
  } else if (!MakeLabelKey(label_key, "", &key)) {
    return false;
  }
  return Counting(chunk, leaves, filter).Run(*kind, key, bytes_max, counts);
}

}  // namespace graven::index
