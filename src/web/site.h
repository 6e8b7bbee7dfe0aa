#pragma once

#include <memory>

#include "engine/authenticator.h"
#include "http/server.h"
#include "web/routes.h"

// The HTTP door of the log server: finds the route, asks who is calling, and speaks JSON in errors.
// Whoever may read over gRPC may read here, by the same tokens and client certificates; only routes
// that say nothing about the logs are open. Threads: those of http::Server.
namespace graven::web {

class LogSite final : public http::Site {
 public:
  // The routes are complete.
  LogSite(Routes routes, engine::Authenticator authenticator)
      : routes_(std::move(routes)), authenticator_(std::move(authenticator)) {}

  http::Admission Admit(const http::Request& head) override;
  void Handle(const http::Request& request, http::Responder responder) override;
  http::Response Error(int status, std::string_view reason, std::string_view message) override;

 private:
  absl::StatusOr<std::string> Identify(const http::Request& request) const;

  const Routes routes_;
  const engine::Authenticator authenticator_;
};

}  // namespace graven::web
