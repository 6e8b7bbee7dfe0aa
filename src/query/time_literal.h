#pragma once

#include <optional>
#include <string_view>

#include "query/expression.h"

namespace graven::query {

// A point or a stretch of time as a query writes it: 2026, 2026-03, 2026-03-01, 2026-03-01T10:15,
// 2026-03-01T10:15:30, with a fraction of at most 9 digits; each with Z or +hh:mm behind it, or
// UTC. It stands for all of what it names: a date for that day from its first instant to the first
// of the next. Nothing: it is not one.
std::optional<TimeRange> ParseTimeLiteral(std::string_view text);

}  // namespace graven::query
