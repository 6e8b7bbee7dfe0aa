#include "http/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "base/status_macros.h"
#include "base/text_safety.h"

namespace graven::http {
namespace {

constexpr size_t kParametersMax = 32;

bool IsAlphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

// RFC 3986 section 2.3.
bool IsUnreserved(char c) {
  return IsAlphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

bool IsPathCharacter(char c) {
  return IsUnreserved(c) || std::string_view("!$&'()*+,;=:@%/").find(c) != std::string_view::npos;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// The byte that the escape at the front stands for; -1 when it is none.
int Escaped(std::string_view text) {
  if (text.size() < 3 || text[0] != '%') return -1;
  const int high = HexDigit(text[1]);
  const int low = HexDigit(text[2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

bool IsCanonicalPath(std::string_view path) {
  if (!path.starts_with('/')) return false;
  for (size_t i = 0; i < path.size(); ++i) {
    if (!IsPathCharacter(path[i])) return false;
    if (path[i] != '%') continue;
    const int byte = Escaped(path.substr(i));
    if (byte <= 0 || IsUnreserved(static_cast<char>(byte))) return false;
  }
  std::string_view rest = path.substr(1);
  while (true) {
    const size_t slash = rest.find('/');
    const std::string_view segment = rest.substr(0, slash);
    // Only the last may be empty, as in "/" and "/logs/".
    if (segment == "." || segment == "..") return false;
    if (slash == std::string_view::npos) return true;
    if (segment.empty()) return false;
    rest.remove_prefix(slash + 1);
  }
}

}  // namespace

std::optional<Target> ParseTarget(std::string_view target) {
  const size_t question = target.find('?');
  Target parsed;
  parsed.path = target.substr(0, question);
  if (question != std::string_view::npos) parsed.query = target.substr(question + 1);
  if (!IsCanonicalPath(parsed.path)) return std::nullopt;
  const auto fits = [](char c) { return IsPathCharacter(c) || c == '?'; };
  if (!std::all_of(parsed.query.begin(), parsed.query.end(), fits)) return std::nullopt;
  return parsed;
}

std::optional<Refusal> ReadTarget(std::string_view target, size_t bytes_max,
                                  std::string_view prefix, Request* request) {
  if (target.size() > bytes_max) {
    return Refusal{414, "TARGET_TOO_LONG",
                   fmt::format("the target is {} bytes; at most {}", target.size(), bytes_max)};
  }
  const std::optional<Target> parts = ParseTarget(target);
  if (!parts) {
    return Refusal{400, "REQUEST_INVALID",
                   "the target must be a canonical path: no empty or dot segments, no needless "
                   "escapes"};
  }
  std::string_view path = parts->path;
  if (!path.starts_with(prefix) ||
      (!prefix.empty() && path.size() > prefix.size() && path[prefix.size()] != '/')) {
    return Refusal{404, "ROUTE_NOT_FOUND", "nothing is served there"};
  }
  path.remove_prefix(prefix.size());
  request->path = path.empty() ? "/" : std::string(path);
  request->query = std::string(parts->query);
  return std::nullopt;
}

std::optional<std::string> DecodePercent(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const int byte = Escaped(text.substr(i));
    if (byte <= 0) return std::nullopt;
    decoded += static_cast<char>(byte);
    i += 2;
  }
  return decoded;
}

absl::StatusOr<Parameters> ParseQuery(std::string_view query) {
  Parameters parameters;
  while (!query.empty()) {
    const size_t end = query.find('&');
    std::string pair(query.substr(0, end));
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    if (pair.empty()) continue;
    std::replace(pair.begin(), pair.end(), '+', ' ');
    const size_t equals = pair.find('=');
    const std::string_view whole = pair;
    std::optional<std::string> name = DecodePercent(whole.substr(0, equals));
    std::optional<std::string> value =
        DecodePercent(equals == std::string_view::npos ? "" : whole.substr(equals + 1));
    if (!name || !value) {
      return absl::InvalidArgumentError(
          fmt::format("query parameter {}: a wrong percent-escape", SafeText(pair, 64)));
    }
    for (const auto& [known, unused] : parameters) {
      if (known == *name) {
        return absl::InvalidArgumentError(
            fmt::format("query parameter {}: is there twice", SafeText(*name, 64)));
      }
    }
    if (parameters.size() == kParametersMax) {
      return absl::InvalidArgumentError(
          fmt::format("more than {} query parameters", kParametersMax));
    }
    parameters.emplace_back(*std::move(name), *std::move(value));
  }
  return parameters;
}

absl::Status CheckPathPrefix(std::string_view prefix) {
  if (prefix.empty()) return absl::OkStatus();
  if (IsCanonicalPath(prefix) && !prefix.ends_with('/')) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format(
      "the path prefix {} must be empty or begin, but not end, with a slash", SafeText(prefix)));
}

}  // namespace graven::http
