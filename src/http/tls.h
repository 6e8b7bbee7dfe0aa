#pragma once

#include <boost/asio/ssl/context.hpp>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "http/server.h"

namespace graven::http {

// A context for TLS 1.2 and 1.3. kInvalidArgument: names the PEM that cannot be used.
absl::Status MakeTls(const TlsOptions& options, std::optional<boost::asio::ssl::context>* made);

// URI, else DNS name, else common name of the client certificate, when there is one and it has been
// verified: what gRPC takes for the peer's identity too. "" without one.
std::string CertificateName(SSL* ssl);

}  // namespace graven::http
