#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace graven::http {

inline constexpr size_t kUrlBytesMax = 8192;

// An absolute http or https URL, taken apart.
struct Url {
  bool tls = false;
  // A name or an address, lower case; an IPv6 address stands here without its brackets.
  std::string host;
  uint16_t port = 0;
  // Path and query as they go into the request line; begins with '/'.
  std::string target = "/";

  bool operator==(const Url&) const = default;
};

// Strict: scheme http or https, no user or password, no fragment, no space or control character,
// printable ASCII only. kInvalidArgument says what is wrong.
absl::StatusOr<Url> ParseUrl(std::string_view text);

// What ParseUrl takes; the port is left out when it is the scheme's own.
std::string FormatUrl(const Url& url);

// Host and port as they stand in a Host header field.
std::string FormatAuthority(const Url& url);

// `text` as a value in a query or a fragment (RFC 3986, section 2.1): bytes that could mean
// something else there are percent-encoded, the others stay readable.
std::string UrlEncode(std::string_view text);

}  // namespace graven::http
