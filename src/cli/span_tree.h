#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace graven::cli {

// The span that a record of a trace belongs to, and the one that caused it; "" for none.
struct SpanNames {
  std::string span;
  std::string parent;
};

struct TreeLine {
  size_t record = 0;
  size_t depth = 0;
  bool operator==(const TreeLine&) const = default;
};

// Records in the order of a tree: below each span those that it caused, otherwise in the order
// given. Records of one span stand together, where its first one stands; spans that nobody began,
// and records without a span, at the top. Each record comes once, also where spans name each other
// as parents. The names are strangers': a tree may be as deep as there are records.
std::vector<TreeLine> SpanTree(const std::vector<SpanNames>& records);

}  // namespace graven::cli
