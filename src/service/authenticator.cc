#include "service/authenticator.h"

#include <fmt/format.h>

#include "base/encoding.h"
#include "base/sha256.h"
#include "record/record.h"
#include "record/utf8.h"
#include "service/status_mapping.h"

namespace graven::service {
namespace {

constexpr std::string_view kBearer = "bearer ";
constexpr std::string_view kCertificatePrefix = "mtls:";

// The scheme's name is case-insensitive (RFC 9110 section 11.1).
std::optional<std::string_view> BearerToken(std::string_view authorization) {
  if (authorization.size() <= kBearer.size()) return std::nullopt;
  for (size_t i = 0; i < kBearer.size(); ++i) {
    const char c = authorization[i];
    if ((c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) != kBearer[i]) return std::nullopt;
  }
  return authorization.substr(kBearer.size());
}

}  // namespace

absl::StatusOr<Authenticator> Authenticator::Create(const AuthenticationOptions& options) {
  Authenticator made;
  made.client_certificates_ = options.client_certificates;
  for (size_t i = 0; i < options.tokens.size(); ++i) {
    const TokenIdentity& token = options.tokens[i];
    const std::optional<Hash> hash = HashFromHex(token.sha256_hex);
    if (!hash) {
      return absl::InvalidArgumentError(
          fmt::format("tokens[{}].sha256: must be 64 lower-case hex digits", i));
    }
    const std::string& identity = token.identity;
    if (identity.empty() || identity.size() > record::kWrittenByBytesMax ||
        !record::IsUtf8(identity) || identity.starts_with(kCertificatePrefix)) {
      return absl::InvalidArgumentError(
          fmt::format("tokens[{}].identity: must be 1 to {} bytes of UTF-8 and not begin with {}",
                      i, record::kWrittenByBytesMax, kCertificatePrefix));
    }
    if (!made.tokens_.emplace(*hash, identity).second) {
      return absl::InvalidArgumentError(fmt::format("tokens[{}].sha256: is there twice", i));
    }
  }
  return made;
}

absl::StatusOr<std::string_view> Authenticator::Identify(const CallerFacts& caller,
                                                         std::string* storage) const {
  if (!required()) return kAnonymous;
  if (caller.authorization && !tokens_.empty()) {
    const std::optional<std::string_view> token = BearerToken(*caller.authorization);
    // Looked up by hash: how long it takes says nothing about the tokens.
    const auto found = token ? tokens_.find(Sha256(*token)) : tokens_.end();
    if (found != tokens_.end()) return found->second;
    return WithReason(absl::UnauthenticatedError("the bearer token is not known here"),
                      reason::kTokenUnknown);
  }
  if (client_certificates_ && !caller.certificate_name.empty()) {
    *storage = fmt::format("{}{}", kCertificatePrefix, caller.certificate_name);
    if (storage->size() > record::kWrittenByBytesMax || !record::IsUtf8(*storage)) {
      return WithReason(absl::UnauthenticatedError(
                            fmt::format("the certificate's name must be UTF-8 of at most {} bytes",
                                        record::kWrittenByBytesMax - kCertificatePrefix.size())),
                        reason::kTokenUnknown);
    }
    return *storage;
  }
  return WithReason(absl::UnauthenticatedError(
                        tokens_.empty() ? "a client certificate is required"
                                        : "metadata authorization: Bearer TOKEN is required"),
                    reason::kTokenMissing);
}

}  // namespace graven::service
