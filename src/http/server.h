#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "http/browser_rules.h"
#include "http/message.h"

// An HTTP/1.1 server (RFC 9112) for a site that trusts nobody. One thread for all connections,
// which never blocks; a small bounded pool of workers for the site. What a hostile or slow peer can
// take is bounded: connections, header and body bytes, time for each stage, queued requests. When
// all connections are taken, the one that has kept the server waiting longest makes room.
//
//   accept -> head (head_ms) -> Site::Admit -> body (body_ms) -> a worker: Site::Handle
//          -> answer (answer_ms) -> write (write_ms, and more for large bodies) -> next request
//
// Ended by Stop: listens no more, closes idle connections, lets requests under way finish.
namespace graven::http {

// Answers one request, exactly once, on any thread; until then the request lives. Destroyed without
// an answer: 500.
class Responder {
 public:
  // The server's side.
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void Send(Response response) = 0;
    virtual bool gone() const = 0;
  };
  explicit Responder(std::shared_ptr<Sink> sink) : sink_(std::move(sink)) {}
  Responder(Responder&&) = default;
  Responder& operator=(Responder&&) = default;
  ~Responder();

  // Compresses what is worth it, on this thread.
  void Send(Response response) &&;
  // Whether nobody waits for the answer any more.
  bool gone() const { return sink_->gone(); }

 private:
  std::shared_ptr<Sink> sink_;
};

// What becomes of a request before its body is read.
struct Admission {
  // Answered with it at once, if there is one.
  std::optional<Response> refusal;
  // A longer body is refused with 413.
  size_t body_bytes_max = 0;
  // A page that may be linked to from anywhere: the browser may navigate to it across sites.
  bool page = false;
};

// What a server serves.
class Site {
 public:
  virtual ~Site() = default;

  // Whether such a request will be answered at all: route, method, identity. `head` has no body
  // yet. On the thread of the connections: must not block.
  virtual Admission Admit(const Request& head) = 0;

  // On a worker thread, several at a time. May block on the disk; what takes long is kept as
  // `responder` and answered later. `request` lives until then.
  virtual void Handle(const Request& request, Responder responder) = 0;

  // The body of an error that the server itself answers with. Any thread. `reason` is one of
  // docs/errors.md, such as "BODY_TOO_LARGE".
  virtual Response Error(int status, std::string_view reason, std::string_view message);
};

struct TlsOptions {
  std::string certificate_chain_pem;
  std::string private_key_pem;
  // Not empty: client certificates are asked for and verified against it.
  std::string client_ca_pem;
  bool client_certificate_required = false;
};

struct ServerLimits {
  size_t connections = 1024;
  size_t sources = 128;  // of them, those that a BodySource feeds
  size_t head_bytes = 16 << 10;
  size_t target_bytes = 4 << 10;
  // Of all request bodies, and of all answers that are not written yet. When either is used up,
  // those who read or send slowest lose their connection.
  size_t bodies_bytes = size_t{64} << 20;
  size_t answers_bytes = size_t{256} << 20;
  size_t workers = 4;
  size_t queued_requests = 256;  // beyond: 503
  int64_t tls_handshake_ms = 10'000;
  int64_t head_ms = 10'000;  // from the first wait for it to its last byte
  int64_t idle_ms = 60'000;  // between requests
  int64_t body_ms = 30'000;
  int64_t answer_ms = 90'000;  // of the site
  int64_t write_ms = 30'000;   // and a second more for each 64 KiB
};

struct ServerOptions {
  // HOST:PORT (port 0: the system chooses), [IPV6]:PORT, or unix:PATH, which never has TLS and
  // whose path nobody else uses. At least one.
  std::vector<std::string> listen;
  std::optional<TlsOptions> tls;
  // "" or "/a/b": what stands before every path. From the configuration only, never from a header.
  std::string path_prefix;
  BrowserRules browser;
  ServerLimits limits;
};

// Numbers since the start.
struct ServerCounters {
  uint64_t requests = 0;
  uint64_t refused_overload = 0;     // 503 of the server itself
  uint64_t refused_browser = 0;      // Host, Origin, Sec-Fetch-Site
  uint64_t refused_malformed = 0;    // 400, 408, 413, 414, 431, 501 of the server itself
  uint64_t connections_evicted = 0;  // to make room
  uint64_t connections = 0;          // now
  uint64_t bodies_bytes = 0;         // of request bodies, held now
  // Answers begun, by the first digit of their status: [1] are 2xx, [4] are 5xx.
  std::array<uint64_t, 5> answers{};
};

class Server {
 public:
  // Listens and serves. `site` must outlive the server. kInvalidArgument: an address, the prefix or
  // a PEM; says which. kUnavailable: an address cannot be listened on.
  static absl::StatusOr<std::unique_ptr<Server>> Start(Site& site, ServerOptions options);
  // Stops at once.
  virtual ~Server() = default;

  // Those really bound, as URLs with the prefix: "http://127.0.0.1:8080", "https://[::1]:8443/a",
  // "unix:/run/graven-http.sock". In the order of the options.
  virtual const std::vector<std::string>& addresses() const = 0;

  // Listens no more, ends sources, waits for the answers under way, at most `patience_ms`; then
  // cuts what is left. After it returned, the site is not called any more.
  virtual void Stop(int64_t patience_ms) = 0;

  virtual ServerCounters counters() const = 0;
};

}  // namespace graven::http
