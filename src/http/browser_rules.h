#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"

// What keeps a page in somebody's browser, from the internet or from another port of this machine,
// from reading, writing, framing or timing a server that the browser can reach.
namespace graven::http {

struct BrowserRules {
  // Names beside the loopback ones, the listen addresses, and the address that the peer connected
  // to, that a Host header may have; without port. DNS rebinding shows a name that is not here.
  std::vector<std::string> allowed_hosts;
  // Origins ("https://audit.example.com") whose pages may read; "*" for everybody's.
  std::vector<std::string> cors_origins;
};

// What the rules need to know of a connection.
struct ConnectionFacts {
  bool unix_socket = false;  // no browser gets there
  bool tls = false;
  std::string local_host;  // the address connected to: "127.0.0.1", "::1"
};

// Why a request is refused with 403 or 421; nothing when it is let in. `page`: what is asked for is
// a page that anybody may link to.
struct BrowserRefusal {
  int status;
  std::string_view reason;
  std::string message;
};

// The host of a Host header without its port, brackets and final dot, in lower case; nothing when
// it is no host (RFC 9110 section 7.2).
std::optional<std::string> HostName(std::string_view host_header);

class BrowserGate {
 public:
  // `listen_hosts` are names that the server listens on.
  BrowserGate(const BrowserRules& rules, std::vector<std::string> listen_hosts);

  std::optional<BrowserRefusal> CheckHost(const Request& head, const ConnectionFacts& facts) const;
  // After CheckHost: Origin and the Fetch Metadata headers.
  std::optional<BrowserRefusal> CheckOrigin(const Request& head, const ConnectionFacts& facts,
                                            bool page) const;
  // What is put on every response, errors too.
  std::vector<Header> SecurityHeaders(const Request& head, const Response& response) const;
  // The answer to a CORS preflight; nothing when it is none or its origin is not allowed.
  std::optional<Response> Preflight(const Request& head) const;

 private:
  bool CorsAllowed(std::string_view origin) const;

  std::vector<std::string> hosts_;
  std::vector<std::string> cors_origins_;
};

}  // namespace graven::http
