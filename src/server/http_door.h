#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "http/server.h"
#include "server/configuration.h"
#include "server/listen_address.h"
#include "web/api_routes.h"
#include "web/routes.h"
#include "web/site.h"

namespace graven::server {

// What HTTP says of gRPC, whose `addresses` are the ones really bound: the first port of them, and
// nothing about which addresses it is bound to; or http.public_grpc, where people find it.
// Null when there is neither. kInvalidArgument: http.public_grpc is no URL of a host and a port.
absl::StatusOr<std::optional<web::GrpcFacts>> GrpcFactsOf(
    const Configuration& configuration, const std::vector<std::string>& addresses);

// The HTTP addresses of the configuration, with the TLS files, tokens and client certificates that
// gRPC has. Does nothing when there are none.
class HttpDoor {
 public:
  // Checks all and reads the files; listens on nothing yet. kInvalidArgument: an address that is
  // none or must not be reached unprotected, prefix, tokens. kNotFound: a file.
  // kFailedPrecondition: a unix socket that another server has.
  static absl::StatusOr<std::unique_ptr<HttpDoor>> Prepare(const Configuration& configuration);

  // Listens and serves `routes` until Stop. kUnavailable: an address cannot be listened on.
  absl::Status Start(web::Routes routes);

  // As URLs; empty when there are none or before Start.
  std::vector<std::string> addresses() const;

  // Null before Start has returned and when there are no addresses. Any thread.
  const http::Server* server() const { return serving_; }

  // Answers what is under way, for at most `patience_ms`.
  void Stop(int64_t patience_ms);

 private:
  HttpDoor() = default;

  http::ServerOptions options_;
  engine::AuthenticationOptions authentication_;
  std::vector<std::unique_ptr<UnixSocketLock>> locks_;
  std::unique_ptr<web::LogSite> site_;
  std::unique_ptr<http::Server> server_;
  std::atomic<const http::Server*> serving_ = nullptr;
};

}  // namespace graven::server
