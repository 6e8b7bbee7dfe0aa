#include "engine/authenticator.h"

#include <fmt/format.h>

#include "base/absl_views.h"
#include "base/encoding.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "engine/error_details.h"
#include "record/record.h"
#include "record/utf8.h"

namespace graven::engine {
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

absl::Status CheckIdentity(std::string_view key, size_t row, const std::string& identity) {
  if (!identity.empty() && identity.size() <= record::kWrittenByBytesMax &&
      record::IsUtf8(identity) && !identity.starts_with(kCertificatePrefix) &&
      identity != kServerIdentity) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(fmt::format(
      "{}[{}].identity: must be 1 to {} bytes of UTF-8, not begin with {} and not be \"{}\"", key,
      row, record::kWrittenByBytesMax, kCertificatePrefix, kServerIdentity));
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
          fmt::format("token[{}].sha256: must be 64 lower-case hex digits", i));
    }
    RETURN_IF_ERROR(CheckIdentity("token", i, token.identity));
    if (!made.tokens_.emplace(*hash, token.identity).second) {
      return absl::InvalidArgumentError(fmt::format("token[{}].sha256: is there twice", i));
    }
  }
  for (size_t i = 0; i < options.certificates.size(); ++i) {
    const CertificateIdentity& row = options.certificates[i];
    RETURN_IF_ERROR(CheckIdentity("client", i, row.identity));
    if (row.name.empty() || !made.certificates_.emplace(row.name, row.identity).second) {
      return absl::InvalidArgumentError(fmt::format("client[{}].name: is empty or there twice", i));
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
    if (const auto row = certificates_.find(ToAbsl(caller.certificate_name));
        row != certificates_.end()) {
      return row->second;
    }
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

}  // namespace graven::engine
