#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "query/expression.h"
#include "query/record_view.h"

namespace graven::query {

// The judge: whether a record is among a query's results. Every answer of an index is a superset
// that this has confirmed. Pure; reads nothing but the view.
bool Matches(const Expression& expression, const RecordView& view);
inline bool Matches(const Query& query, const RecordView& view) {
  return Matches(query.root, view);
}

}  // namespace graven::query
