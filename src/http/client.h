// HTTP/1.1 calls to elsewhere: to witnesses, other logs' tiles, whoever wants to hear of findings.
// What answers is taken to be hostile: every stage has a deadline, every part a limit, no redirect
// is followed, no proxy and no cookie is known, and the address that was judged is the one that is
// connected to.
//
// Threads: a Client is one caller's at a time; Cancel may come from any. Calls block.
//
// Invariants: memory is bounded by the limits of FetchOptions whatever the other side sends; a call
// returns by its deadline; nothing of a reply is believed beyond its framing.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "http/address_rule.h"

namespace graven::http {

// Field names compare without case.
using FetchHeaders = std::vector<std::pair<std::string, std::string>>;

struct FetchRequest {
  // Upper case letters.
  std::string method = "GET";
  // http/url.h.
  std::string url;
  // Beside Host, User-Agent and Content-Length, which are made here.
  FetchHeaders headers;
  std::string body;
};

struct FetchResponse {
  int status = 0;
  FetchHeaders headers;
  std::string body;

  // The first field of that name, empty when there is none.
  std::string_view Header(std::string_view name) const;
};

struct FetchOptions {
  // For the name, the connection and TLS together.
  std::chrono::milliseconds connect_timeout{5'000};
  // For everything, from the call to the last byte of the body.
  std::chrono::milliseconds total_timeout{30'000};
  size_t header_bytes_max = 16 << 10;
  size_t body_bytes_max = 1 << 20;

  AddressRule address_rule = AddressRule::kAny;
  // Hosts, as they stand in the URL, that an operator has named and to which the rule does not
  // apply.
  std::vector<std::string> allowed_hosts;

  // PEM file of the authorities to believe instead of the system's.
  std::string ca_file;

  // Instead of the system's resolver: addresses as text.
  std::function<absl::StatusOr<std::vector<std::string>>(const std::string& host)> resolver;
};

// Keeps its last connection open and uses it again for the same scheme, host and port.
class Client {
 public:
  explicit Client(FetchOptions options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // One exchange. Every status is a reply, 3xx and 5xx too. A request without a body that finds a
  // kept connection closed before any byte of a reply is sent once more on a new one; one with a
  // body is not (it may have been acted on).
  // kInvalidArgument: the request or options. kPermissionDenied: the address rule; nothing was
  // sent. kUnauthenticated: the certificate. kDeadlineExceeded; kCancelled. kResourceExhausted: the
  // reply is larger than a limit. kUnavailable: all else, from the name to malformed replies.
  absl::StatusOr<FetchResponse> Fetch(const FetchRequest& request);

  // The same for a body that may never end: on a new connection, returns when the head of the reply
  // has come (within total_timeout), without its body. Errors as of Fetch.
  absl::StatusOr<FetchResponse> Open(const FetchRequest& request);

  // What has come of the body since, at most 64 KiB; waits for some. Empty: it has ended, as it
  // should. kFailedPrecondition: there is no body to read. kDeadlineExceeded: nothing came for
  // `silence`. Else as of Fetch. After an error or the end the connection is closed.
  absl::StatusOr<std::string> ReadPiece(std::chrono::milliseconds silence);

  // The call under way, and each later one, ends with kCancelled. Thread-safe.
  void Cancel();

 private:
  class Exchange;

  const FetchOptions options_;
  std::atomic<bool> cancelled_{false};
  std::unique_ptr<Exchange> exchange_;
};

// One exchange on a connection of its own.
absl::StatusOr<FetchResponse> Fetch(const FetchRequest& request, const FetchOptions& options = {});

}  // namespace graven::http
