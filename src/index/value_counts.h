#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "absl/status/statusor.h"
#include "index/chunk.h"
#include "query/field.h"

namespace graven::index {

struct ValueCounts {
  std::unordered_map<std::string, uint64_t> counts;  // records, by value
  uint64_t with_value = 0;                           // records that have one (or more)
};

// Whether CountValues knows the field at all: one whose values are terms.
bool HasValueCounts(query::Field field);

// Adds how often each value of a field occurs among `leaves` of the chunk; `label_key` is of
// Field::kLabel. A record that has a value twice counts once. False, with `counts` as they were:
// the index cannot say it exactly (values that were cut, records that are not in it wholly), look
// at the records. Errors as of Chunk.
absl::StatusOr<bool> CountValues(const Chunk& chunk, query::Field field, std::string_view label_key,
                                 const Bitmap& leaves, ValueCounts* counts);

}  // namespace graven::index
