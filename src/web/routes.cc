#include "web/routes.h"

#include <optional>
#include <utility>

#include "base/check.h"
#include "web/errors.h"

namespace graven::web {
namespace {

// REQUIRES: begins with a slash.
std::vector<std::string> Split(std::string_view path) {
  std::vector<std::string> segments;
  while (!path.empty()) {
    path.remove_prefix(1);
    const size_t slash = path.find('/');
    segments.emplace_back(path.substr(0, slash));
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash);
  }
  return segments;
}

bool IsName(std::string_view segment) { return segment.starts_with('{') && segment.ends_with('}'); }
bool IsRest(std::string_view segment) { return IsName(segment) && segment.ends_with("...}"); }

// The parameters when `path` fits the pattern.
std::optional<std::vector<std::string>> Fit(const std::vector<std::string>& pattern,
                                            std::string_view path) {
  std::vector<std::string> parameters;
  for (const std::string& segment : pattern) {
    if (path.empty()) return std::nullopt;
    path.remove_prefix(1);
    if (IsRest(segment)) {
      if (path.empty()) return std::nullopt;
      parameters.emplace_back(path);
      return parameters;
    }
    const std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(part.size());
    if (IsName(segment)) {
      std::optional<std::string> decoded = http::DecodePercent(part);
      if (!decoded || decoded->empty()) return std::nullopt;
      parameters.push_back(*std::move(decoded));
    } else if (segment != part) {
      return std::nullopt;
    }
  }
  if (!path.empty()) return std::nullopt;
  return parameters;
}

}  // namespace

Handler Directly(DirectHandler handler) {
  return [handler = std::move(handler)](const Call& call, http::Responder responder) {
    absl::StatusOr<http::Response> response = handler(call);
    std::move(responder).Send(response.ok() ? *std::move(response)
                                            : ErrorResponse(response.status()));
  };
}

void Routes::Add(Route route) {
  GRAVEN_CHECK(route.pattern.starts_with('/') && route.handle != nullptr);
  GRAVEN_CHECK(route.method == "GET" || route.method == "POST");
  for (const Row& row : rows_) {
    GRAVEN_CHECK(row.route.method != route.method || row.route.pattern != route.pattern);
  }
  std::vector<std::string> segments = Split(route.pattern);
  rows_.push_back({std::move(route), std::move(segments)});
}

Routes::Match Routes::Find(std::string_view method, std::string_view path) const {
  Match match;
  for (const Row& row : rows_) {
    std::optional<std::vector<std::string>> parameters = Fit(row.segments, path);
    if (!parameters) continue;
    if (row.route.method == method) {
      match.route = &row.route;
      match.parameters = *std::move(parameters);
      return match;
    }
    if (!match.allowed.empty()) match.allowed += ", ";
    match.allowed += row.route.method == "GET" ? "GET, HEAD" : "POST";
  }
  return match;
}

}  // namespace graven::web
