#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace graven::note {

inline constexpr size_t kEd25519KeyBytes = 32;
inline constexpr size_t kEd25519SignatureBytes = 64;

// Half of an Ed25519 key pair (RFC 8032). Copies share the key; thread-safe.
class Ed25519PublicKey {
 public:
  // Nothing when `raw` has not 32 bytes. That they are a point of the curve shows when verifying.
  static std::optional<Ed25519PublicKey> FromBytes(std::string_view raw);

  const std::string& bytes() const { return bytes_; }

  bool Verifies(std::string_view message, std::string_view signature) const;

 private:
  Ed25519PublicKey() = default;

  std::string bytes_;
  std::shared_ptr<evp_pkey_st> key_;
};

// The secret half. Copies share the key; thread-safe. There is no way to print it.
class Ed25519PrivateKey {
 public:
  static Ed25519PrivateKey Generate(Random& random);
  // Nothing when `seed` has not 32 bytes.
  static std::optional<Ed25519PrivateKey> FromSeed(std::string_view seed);

  Ed25519PublicKey public_key() const;

  // Always the same 64 bytes for the same message.
  std::string Sign(std::string_view message) const;

  // The secret itself, 32 bytes: only for writing a key file.
  std::string seed() const;

 private:
  Ed25519PrivateKey() = default;

  std::shared_ptr<evp_pkey_st> key_;
};

}  // namespace graven::note
