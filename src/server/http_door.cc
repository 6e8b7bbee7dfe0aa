#include "server/http_door.h"

#include <fmt/format.h>

#include <utility>

#include "base/absl_views.h"
#include "base/encoding.h"
#include "base/status_macros.h"
#include "engine/authenticator.h"
#include "http/target.h"
#include "http/url.h"

namespace graven::server {

absl::StatusOr<std::optional<web::GrpcFacts>> GrpcFactsOf(
    const Configuration& configuration, const std::vector<std::string>& addresses) {
  web::GrpcFacts facts;
  facts.token = !configuration.authentication.tokens.empty();
  facts.client_certificate = !configuration.tls.client_ca.empty();
  if (const std::string& text = configuration.http.public_grpc; !text.empty()) {
    const absl::StatusOr<http::Url> url = http::ParseUrl(text);
    if (!url.ok() || url->target != "/") {
      return absl::InvalidArgumentError(
          fmt::format("http.public_grpc: {}",
                      url.ok() ? "must be https://HOST:PORT or http://HOST:PORT, without a path"
                               : ToStd(url.status().message())));
    }
    facts.host = url->host;
    facts.port = url->port;
    facts.tls = url->tls;
    return facts;
  }
  facts.tls = configuration.tls.enabled();
  for (const std::string& text : addresses) {
    ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress(text));
    const std::optional<uint64_t> port = ParseDecimal(address.port);
    if (!port) continue;  // a unix socket
    facts.port = static_cast<uint16_t>(*port);
    return facts;
  }
  return std::nullopt;
}

absl::StatusOr<std::unique_ptr<HttpDoor>> HttpDoor::Prepare(const Configuration& configuration) {
  std::unique_ptr<HttpDoor> door(new HttpDoor);
  const HttpSettings& settings = configuration.http;
  RETURN_IF_ERROR(http::CheckPathPrefix(settings.path_prefix));
  RETURN_IF_ERROR(GrpcFactsOf(configuration, {}).status());
  if (settings.listen.empty()) return door;
  for (const std::string& text : settings.listen) {
    ASSIGN_OR_RETURN(const ListenAddress address, ParseAllowedAddress(configuration, text));
    if (!address.is_unix()) continue;
    ASSIGN_OR_RETURN(auto lock, UnixSocketLock::Take(address.path));
    door->locks_.push_back(std::move(lock));
  }
  http::ServerOptions& options = door->options_;
  options.listen = settings.listen;
  options.path_prefix = settings.path_prefix;
  options.browser.allowed_hosts = settings.allowed_hosts;
  options.browser.cors_origins = settings.cors_origins;
  options.limits.connections = settings.connections;
  door->authentication_ = configuration.authentication;
  const TlsFiles& files = configuration.tls;
  if (!files.enabled()) return door;
  http::TlsOptions& tls = options.tls.emplace();
  ASSIGN_OR_RETURN(tls.certificate_chain_pem, ReadWholeFile(files.certificate));
  ASSIGN_OR_RETURN(tls.private_key_pem, ReadWholeFile(files.key));
  if (files.client_ca.empty()) return door;
  ASSIGN_OR_RETURN(tls.client_ca_pem, ReadWholeFile(files.client_ca));
  // Where tokens are configured too, either of them identifies a caller.
  tls.client_certificate_required = configuration.authentication.tokens.empty();
  return door;
}

absl::Status HttpDoor::Start(web::Routes routes) {
  if (options_.listen.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(engine::Authenticator authenticator,
                   engine::Authenticator::Create(authentication_));
  site_ = std::make_unique<web::LogSite>(std::move(routes), std::move(authenticator));
  ASSIGN_OR_RETURN(server_, http::Server::Start(*site_, options_));
  serving_ = server_.get();
  return absl::OkStatus();
}

std::vector<std::string> HttpDoor::addresses() const {
  return server_ == nullptr ? std::vector<std::string>() : server_->addresses();
}

void HttpDoor::Stop(int64_t patience_ms) {
  if (server_ != nullptr) server_->Stop(patience_ms);
}

}  // namespace graven::server
