#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "query/expression.h"

// The query language (docs/search.md):
//
//   query   = [ "v1: " ] [ or ]            nothing: every record
//   or      = and { "OR" and }
//   and     = not { [ "AND" ] not }
//   not     = { "NOT" } primary
//   primary = "(" or ")" | field ":" "(" or-of-values ")" | field ":" value | value of text
//   value   = word | word"*" | quoted | quoted"*" | ">="literal | "<="literal | low".."high
//
// Operators are upper-case. Quotes hold JSON's escapes. Terms of target.* fields that stand side by
// side in one AND mean the same target; a parenthesis is about a target of its own.
//
// Thread: pure functions. Limits: kQueryBytesMax (a canonical form: kCanonicalBytesMax),
// kQueryDepthMax, kQueryTermsMax.
namespace graven::query {

// kInvalidArgument: "column 7: ..." says where, counted in characters from 1, and what would be
// right.
absl::StatusOr<Query> Parse(std::string_view text);

}  // namespace graven::query
