#pragma once

#include <string>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/random.h"

namespace graven::client {

// How calls are tried again. Waits double from `backoff_first` to `backoff_max`, each shortened at
// random by up to a half; a server that names a time itself (RetryInfo) is obeyed.
struct RetryPolicy {
  // Tries of one unary call, the first included. At least 1.
  int attempts_max = 5;
  absl::Duration backoff_first = absl::Milliseconds(50);
  absl::Duration backoff_max = absl::Seconds(5);
  // A tail that follows a log tries to get back to a server that went away for this long at least.
  absl::Duration tail_again_for = absl::Seconds(10);
  // A stream of appends that got no answer for this long answers its waiters with the last error.
  absl::Duration give_up_after = absl::Seconds(60);
};

// Transport security. Files are PEM. Empty ca_file: the machine's own roots. A certificate and its
// key together make it mutual.
struct TlsOptions {
  bool enabled = false;
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  // The name to expect in the server's certificate when it is not that of the address.
  std::string server_name;
};

struct ClientOptions {
  // "HOST:PORT" or "unix:PATH".
  std::string address = "127.0.0.1:7465";
  // Bearer token, or empty. Without TLS it is sent to loopback and unix sockets only.
  std::string token;
  TlsOptions tls;
  // The log that calls are for when they name none.
  std::string log = "default";
  // Of one try of a unary call.
  absl::Duration call_timeout = absl::Seconds(10);
  RetryPolicy retry;
  // Event ids are made of these. They outlive the client.
  Clock* clock = &SystemClock();
  Random* random = &SystemRandom();
};

}  // namespace graven::client
