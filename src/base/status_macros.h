#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define GRAVEN_CONCAT_INNER(a, b) a##b
#define GRAVEN_CONCAT(a, b) GRAVEN_CONCAT_INNER(a, b)

// Returns from the function with the status of `expr` when it is not OK.
#define RETURN_IF_ERROR(expr)                                               \
  do {                                                                      \
    if (absl::Status status_macro_value = (expr); !status_macro_value.ok()) \
      return status_macro_value;                                            \
  } while (false)

// `ASSIGN_OR_RETURN(auto x, Make())`: x = the value of Make(), or returns its status.
#define ASSIGN_OR_RETURN(lhs, expr) \
  ASSIGN_OR_RETURN_INNER(GRAVEN_CONCAT(status_or_value_, __LINE__), lhs, expr)
// `lhs` may declare: it cannot stand in parentheses.
// NOLINTBEGIN(bugprone-macro-parentheses)
#define ASSIGN_OR_RETURN_INNER(value, lhs, expr)     \
  auto value = (expr);                               \
  if (!value.ok()) return std::move(value).status(); \
  lhs = *std::move(value)
// NOLINTEND(bugprone-macro-parentheses)
