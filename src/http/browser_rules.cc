#include "http/browser_rules.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text_safety.h"

namespace graven::http {
namespace {

constexpr std::string_view kStrictPolicy =
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

constexpr std::string_view kHostNotAllowed = "HOST_NOT_ALLOWED";
constexpr std::string_view kCrossSite = "CROSS_SITE";
constexpr std::string_view kRequestInvalid = "REQUEST_INVALID";

bool IsPort(std::string_view text) {
  return text.size() <= 5 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

// Literals only: a name that somebody's DNS resolves to such an address is what we look out for.
bool IsLoopbackHost(std::string_view host) {
  if (host == "localhost") return true;
  in_addr v4;
  const std::string text(host);
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6;
  return inet_pton(AF_INET6, text.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

// The same address may be written in several ways.
bool SameHost(std::string_view a, std::string_view b) {
  if (a == b) return true;
  in6_addr first, second;
  return inet_pton(AF_INET6, std::string(a).c_str(), &first) == 1 &&
         inet_pton(AF_INET6, std::string(b).c_str(), &second) == 1 &&
         IN6_ARE_ADDR_EQUAL(&first, &second);
}

bool HasHeader(const Request& head, std::string_view name) {
  return std::any_of(head.headers.begin(), head.headers.end(),
                     [&](const Header& header) { return header.name == name; });
}

}  // namespace

std::optional<std::string> HostName(std::string_view host_header) {
  std::string host = LowerAscii(host_header);
  if (host.starts_with('[')) {
    const size_t end = host.find(']');
    if (end == std::string::npos) return std::nullopt;
    const std::string_view rest = std::string_view(host).substr(end + 1);
    if (!rest.empty() && (rest[0] != ':' || !IsPort(rest.substr(1)))) return std::nullopt;
    std::string literal = host.substr(1, end - 1);
    in6_addr v6;
    if (inet_pton(AF_INET6, literal.c_str(), &v6) != 1) return std::nullopt;
    return literal;
  }
  const size_t colon = host.find(':');
  if (colon != std::string::npos) {
    if (!IsPort(std::string_view(host).substr(colon + 1))) return std::nullopt;
    host.resize(colon);
  }
  if (host.ends_with('.')) host.pop_back();
  if (host.empty() || host.size() > 253 || host[0] == '.' ||
      !std::all_of(host.begin(), host.end(), IsNameCharacter)) {
    return std::nullopt;
  }
  return host;
}

BrowserGate::BrowserGate(const BrowserRules& rules, std::vector<std::string> listen_hosts)
    : hosts_(std::move(listen_hosts)), cors_origins_(rules.cors_origins) {
  for (const std::string& host : rules.allowed_hosts) hosts_.push_back(LowerAscii(host));
}

std::optional<BrowserRefusal> BrowserGate::CheckHost(const Request& head,
                                                     const ConnectionFacts& facts) const {
  const std::optional<std::string_view> sent = head.Find("host");
  if (!sent) {
    return BrowserRefusal{400, kRequestInvalid, "exactly one Host header is required"};
  }
  const std::optional<std::string> host = HostName(*sent);
  // curl sends an empty or invented one over a unix socket; browsers do not get there.
  if (facts.unix_socket) return std::nullopt;
  if (!host) {
    return BrowserRefusal{400, kRequestInvalid,
                          fmt::format("Host is no host: {}", SafeText(*sent))};
  }
  if (IsLoopbackHost(*host) || SameHost(*host, facts.local_host)) return std::nullopt;
  for (const std::string& allowed : hosts_) {
    if (SameHost(*host, allowed)) return std::nullopt;
  }
  return BrowserRefusal{
      421, kHostNotAllowed,
      fmt::format("this server is not known as {}; http.allowed_hosts can name it", *host)};
}

std::optional<BrowserRefusal> BrowserGate::CheckOrigin(const Request& head,
                                                       const ConnectionFacts& facts,
                                                       bool page) const {
  if (facts.unix_socket) return std::nullopt;
  // Two of one name: somebody between the browser and us hopes that we read the other one.
  for (const std::string_view name :
       {"origin", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest"}) {
    if (HasHeader(head, name) && !head.Find(name)) {
      return BrowserRefusal{400, kRequestInvalid, fmt::format("more than one {}", name)};
    }
  }
  const std::optional<std::string_view> origin = head.Find("origin");
  if (origin && CorsAllowed(*origin)) return std::nullopt;
  const std::string host = LowerAscii(*head.Find("host"));
  const std::string own = fmt::format("{}://{}", facts.tls ? "https" : "http", host);
  // A proxy in front may end the TLS that the browser sees. On loopback there is none, and https of
  // the same name is another port.
  const bool behind_proxy = !facts.tls && !IsLoopbackHost(HostName(host).value_or("localhost"));
  const bool is_own =
      origin && (LowerAscii(*origin) == own ||
                 (behind_proxy && LowerAscii(*origin) == fmt::format("https://{}", host)));
  // Browsers put an Origin on whatever could write, and on reads across origins.
  if (origin && !is_own) {
    return BrowserRefusal{403, kCrossSite,
                          fmt::format("pages of {} may not use this server", SafeText(*origin))};
  }
  const std::string_view site = head.Find("sec-fetch-site").value_or("none");
  if (site == "same-origin" || site == "none") return std::nullopt;
  if (page && head.method == "GET" && head.Find("sec-fetch-mode") == "navigate" &&
      head.Find("sec-fetch-dest") == "document") {
    return std::nullopt;
  }
  return BrowserRefusal{403, kCrossSite, "pages of other sites may not use this server"};
}

std::vector<Header> BrowserGate::SecurityHeaders(const Request& head,
                                                 const Response& response) const {
  const std::optional<std::string_view> origin = head.Find("origin");
  const bool cors = origin && CorsAllowed(*origin);
  std::vector<Header> headers = {
      {"Content-Security-Policy", response.content_security_policy.empty()
                                      ? std::string(kStrictPolicy)
                                      : response.content_security_policy},
      {"Cross-Origin-Opener-Policy", "same-origin"},
      {"Cross-Origin-Resource-Policy", cors ? "cross-origin" : "same-origin"},
      {"Referrer-Policy", "no-referrer"},
      {"X-Content-Type-Options", "nosniff"},
  };
  if (!cors_origins_.empty()) headers.push_back({"Vary", "Origin"});
  if (cors) {
    headers.push_back({"Access-Control-Allow-Origin", std::string(*origin)});
    headers.push_back({"Access-Control-Expose-Headers", "ETag, Graven-Answer-Key, Retry-After"});
  }
  return headers;
}

std::optional<Response> BrowserGate::Preflight(const Request& head) const {
  if (head.method != "OPTIONS" || !head.Find("access-control-request-method")) return std::nullopt;
  const std::optional<std::string_view> origin = head.Find("origin");
  if (!origin || !CorsAllowed(*origin)) return std::nullopt;
  Response response;
  response.status = 204;
  response.headers = {{"Access-Control-Allow-Methods", "GET, HEAD, POST"},
                      {"Access-Control-Allow-Headers", "authorization, content-type"},
                      {"Access-Control-Max-Age", "600"}};
  return response;
}

bool BrowserGate::CorsAllowed(std::string_view origin) const {
  // A sandboxed frame or a file has the origin "null": it is nobody's, not everybody's.
  if (origin == "null") return false;
  return std::any_of(cors_origins_.begin(), cors_origins_.end(),
                     [&](const std::string& one) { return one == "*" || one == origin; });
}

}  // namespace graven::http
