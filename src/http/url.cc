#include "http/url.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "base/absl_views.h"
#include "base/status_macros.h"
#include "fmt/format.h"

namespace graven::http {
namespace {

absl::Status Bad(std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("URL: {}", what));
}

uint16_t PortOfScheme(bool tls) { return tls ? 443 : 80; }

bool IsHostCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_';
}

absl::Status TakePort(std::string_view digits, Url& url) {
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), url.port);
  if (error != std::errc() || end != digits.end() || url.port == 0)
    return Bad("the port is not a number from 1 to 65535");
  return absl::OkStatus();
}

absl::Status TakeAuthority(std::string_view authority, Url& url) {
  if (authority.find('@') != std::string_view::npos) return Bad("a user name is not taken");
  std::string_view port;
  if (authority.starts_with('[')) {
    const size_t close = authority.find(']');
    if (close == std::string_view::npos) return Bad("'[' without ']'");
    url.host = std::string(authority.substr(1, close - 1));
    port = authority.substr(close + 1);
    in6_addr ignored{};
    if (inet_pton(AF_INET6, url.host.c_str(), &ignored) != 1)
      return Bad("what stands in brackets is not an IPv6 address");
  } else {
    const size_t colon = std::min(authority.find(':'), authority.size());
    url.host = std::string(authority.substr(0, colon));
    port = authority.substr(colon);
    if (!std::all_of(url.host.begin(), url.host.end(), IsHostCharacter))
      return Bad("the host has a character that no name has");
  }
  if (url.host.empty()) return Bad("there is no host");
  if (url.host.size() > 255) return Bad("the host is longer than 255 bytes");
  absl::AsciiStrToLower(&url.host);
  if (port.empty()) return absl::OkStatus();
  if (port.front() != ':') return Bad("something other than a port follows the host");
  return TakePort(port.substr(1), url);
}

}  // namespace

absl::StatusOr<Url> ParseUrl(std::string_view text) {
  if (text.size() > kUrlBytesMax) return Bad(fmt::format("longer than {} bytes", kUrlBytesMax));
  for (const char c : text) {
    if (c <= ' ' || c > '~') return Bad("it has a space or a character that is not ASCII");
    if (c == '#') return Bad("a fragment ('#') is not taken");
    if (c == '\\') return Bad("'\\' is not taken");
  }
  Url url;
  const std::string scheme = absl::AsciiStrToLower(ToAbsl(text.substr(0, 8)));
  if (scheme == "https://") {
    url.tls = true;
    text.remove_prefix(8);
  } else if (scheme.starts_with("http://")) {
    text.remove_prefix(7);
  } else {
    return Bad("it begins with neither http:// nor https://");
  }
  url.port = PortOfScheme(url.tls);
  const size_t target = std::min(text.find_first_of("/?"), text.size());
  RETURN_IF_ERROR(TakeAuthority(text.substr(0, target), url));
  const bool has_path = target < text.size() && text[target] == '/';
  url.target = fmt::format("{}{}", has_path ? "" : "/", text.substr(target));
  return url;
}

std::string FormatAuthority(const Url& url) {
  const bool brackets = url.host.find(':') != std::string::npos;
  std::string text = brackets ? fmt::format("[{}]", url.host) : url.host;
  if (url.port != PortOfScheme(url.tls)) text += fmt::format(":{}", url.port);
  return text;
}

std::string FormatUrl(const Url& url) {
  return fmt::format("{}://{}{}", url.tls ? "https" : "http", FormatAuthority(url), url.target);
}

std::string UrlEncode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                       std::string_view("-._~:*()").find(c) != std::string_view::npos;
    if (plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace graven::http
