#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "http/message.h"

// The target of a request (RFC 9112 section 3.2.1, RFC 3986).
namespace graven::http {

struct Target {
  std::string_view path;
  std::string_view query;
};

// Splits an origin-form target. Nothing for another form, for characters that a URI has not, and
// for paths that somebody could read in two ways: empty or dot segments, a wrong or unneeded
// percent-escape (%2f of a slash is one that is needed).
std::optional<Target> ParseTarget(std::string_view target);

// Puts path and query of a target into `request`, the path without `prefix` (canonical, or empty).
// A refusal: more than `bytes_max`, not canonical, not below the prefix.
std::optional<Refusal> ReadTarget(std::string_view target, size_t bytes_max,
                                  std::string_view prefix, Request* request);

// What a percent-encoded text stands for. Nothing for a wrong escape or an encoded NUL.
std::optional<std::string> DecodePercent(std::string_view text);

// The parameters of a query, decoded ("+" is a space). kInvalidArgument: a wrong escape, more than
// 32, the same name twice.
using Parameters = std::vector<std::pair<std::string, std::string>>;
absl::StatusOr<Parameters> ParseQuery(std::string_view query);

// "" or "/a/b": kInvalidArgument when it is not canonical.
absl::Status CheckPathPrefix(std::string_view prefix);

}  // namespace graven::http
