#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hash.h"

namespace graven::engine {

// The identity of everybody when no authentication is configured.
inline constexpr std::string_view kAnonymous = "anonymous";

// The server itself, in its own log. Nobody else may be called so.
inline constexpr std::string_view kServerIdentity = "graven";

// A bearer token, known by its hash alone.
struct TokenIdentity {
  // SHA-256 of the token's bytes, lower-case hex.
  std::string sha256_hex;
  // What goes into written_by. 1 to 256 bytes of UTF-8, not beginning with "mtls:".
  std::string identity;
};

// The identity of a client certificate of this name.
struct CertificateIdentity {
  std::string name;
  std::string identity;  // as of a token
};

struct AuthenticationOptions {
  std::vector<TokenIdentity> tokens;
  // Client certificates that the transport has verified identify their owner: by a row of
  // `certificates`, else as "mtls:" and the certificate's name.
  bool client_certificates = false;
  std::vector<CertificateIdentity> certificates;
};

// What a call shows of its caller.
struct CallerFacts {
  // Metadata `authorization`, when there is one.
  std::optional<std::string_view> authorization;
  // Name of the verified client certificate: URI, else DNS name, else common name. "" without one.
  std::string_view certificate_name;
};

// Says who is calling. Thread-safe.
class Authenticator {
 public:
  // kInvalidArgument: names the entry that is wrong.
  static absl::StatusOr<Authenticator> Create(const AuthenticationOptions& options);

  // False: everybody is kAnonymous, and calls need not be looked at.
  bool required() const { return !tokens_.empty() || client_certificates_; }
  bool client_certificates() const { return client_certificates_; }

  // The identity for written_by. A view into this object or into `storage`.
  // kUnauthenticated: no token, or an unknown one (a wrong token beside a good certificate too).
  absl::StatusOr<std::string_view> Identify(const CallerFacts& caller, std::string* storage) const;

 private:
  struct HashBytes {
    size_t operator()(const Hash& hash) const {
      size_t value;
      std::memcpy(&value, hash.bytes.data(), sizeof value);
      return value;
    }
  };
  absl::flat_hash_map<Hash, std::string, HashBytes> tokens_;
  absl::flat_hash_map<std::string, std::string> certificates_;
  bool client_certificates_ = false;
};

}  // namespace graven::engine
