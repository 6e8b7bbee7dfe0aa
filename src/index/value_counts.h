#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "absl/status/statusor.h"
#include "index/chunk.h"
#include "query/field.h"

namespace graven::index {

// What a value that is counted takes beside its bytes.
inline constexpr size_t kValueOverheadBytes = 64;

struct ValueCounts {
  std::unordered_map<std::string, uint64_t> counts;  // records, by value
  uint64_t with_value = 0;                           // records that have one of them (or more)
  size_t bytes = 0;                                  // of the values, with their overhead
  bool is_whole = true;                              // none was left out for want of room
};

// Of all values of a field those that are asked for. Empty: all.
struct ValueFilter {
  std::string prefix;    // what they begin with, byte for byte
  std::string contains;  // what is somewhere in them; the case of ASCII letters makes no difference

  bool IsEmpty() const { return prefix.empty() && contains.empty(); }
  bool Passes(std::string_view value) const;
};

// How often each value of a field that `filter` lets through occurs among `leaves` of the chunk;
// `label_key` is of Field::kLabel. A record that has a value twice counts once. Values for which
// `bytes_max` leaves no room are left out. False, with `counts` unspecified: the index cannot say
// it exactly (values that were cut, records that are not in it wholly), look at the records. Errors
// as of Chunk.
absl::StatusOr<bool> CountValues(const Chunk& chunk, query::Field field, std::string_view label_key,
                                 const Bitmap& leaves, const ValueFilter& filter, size_t bytes_max,
                                 ValueCounts* counts);

}  // namespace graven::index
