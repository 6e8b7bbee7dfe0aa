#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

// What goes over HTTP, without saying how (RFC 9110).
namespace graven::http {

struct Header {
  std::string name;
  std::string value;
};

// The other end of a connection.
struct Peer {
  // "127.0.0.1:51234", "[::1]:51234", "unix".
  std::string address;
  bool tls = false;
  // Of the verified client certificate: URI, else DNS name, else common name. "" without one.
  std::string certificate_name;
};

// A request that the server has let in: its Host is allowed, its path canonical, its body whole.
struct Request {
  std::string method;  // "GET"; of a HEAD too, whose answer the server sends without its body
  // Begins with a slash, is without the prefix of the configuration, and still percent-encoded.
  std::string path;
  std::string query;            // what follows the question mark, still percent-encoded
  std::vector<Header> headers;  // names in lower case, in the order sent
  std::string body;
  Peer peer;

  // The value of the only header of that name (lower case); nothing when there is none or several.
  std::optional<std::string_view> Find(std::string_view name) const;
};

// A refusal of the server's own.
struct Refusal {
  int status = 0;
  std::string_view reason;
  std::string message;
};

// What a parser lets pass and two readers could read in two ways: where the body of `request` ends
// (RFC 9112 section 6.3). Only its headers are looked at. `is_http_1_0`: it knows no codings.
std::optional<Refusal> CheckFraming(const Request& request, bool is_http_1_0);

// A body that is made while it is sent: a long export, live events. The server pulls: it asks for
// the next piece after the peer has taken the one before. It holds one of a bounded number of
// places for as long as it lasts.
class BodySource {
 public:
  virtual ~BodySource() = default;

  // The next piece; an empty one ends the body; an error cuts the connection, so that the peer sees
  // that something is missing.
  using Give = std::function<void(absl::StatusOr<std::string> piece)>;

  // Called on a worker thread, may block on the disk for a moment. Calls `give` exactly once, at
  // once or later on any thread.
  virtual void Next(Give give) = 0;

  // The peer has gone or the server stops: a `give` that is owed must be called now. Any thread,
  // while Next runs too.
  virtual void Cancel() = 0;
};

struct Response {
  int status = 200;
  std::string content_type;
  // Beside those that the server sets: Content-Length, Date, ETag, Vary and the security headers.
  std::vector<Header> headers;
  std::string cache_control = "no-store";
  std::string body;
  // Instead of `body`, when it is set.
  std::unique_ptr<BodySource> source;
  // Whether gzip or zstd are worth trying.
  bool compressible = false;
  // In place of the policy that forbids everything.
  std::string content_security_policy;
};

// A response with a body of text, which ends in a newline.
Response TextResponse(int status, std::string_view text);

// "Not Found" of 404; "" of a status that this server never sends.
std::string_view ReasonPhrase(int status);

// Names of fields, hosts and codings are the same in either case; bytes beyond ASCII stay.
std::string LowerAscii(std::string_view text);

}  // namespace graven::http
