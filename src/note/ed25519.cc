#include "note/ed25519.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <array>

#include "base/check.h"

namespace graven::note {
namespace {

struct ContextFree {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_MD_CTX, ContextFree>;

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

unsigned char* Bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

}  // namespace

std::optional<Ed25519PublicKey> Ed25519PublicKey::FromBytes(std::string_view raw) {
  if (raw.size() != kEd25519KeyBytes) return std::nullopt;
  Ed25519PublicKey key;
  key.bytes_ = raw;
  key.key_.reset(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, Bytes(raw), raw.size()),
                 EVP_PKEY_free);
  if (key.key_ == nullptr) return std::nullopt;
  return key;
}

bool Ed25519PublicKey::Verifies(std::string_view message, std::string_view signature) const {
  if (signature.size() != kEd25519SignatureBytes) return false;
  Context context(EVP_MD_CTX_new());
  GRAVEN_CHECK(context != nullptr);
  return EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1 &&
         EVP_DigestVerify(context.get(), Bytes(signature), signature.size(), Bytes(message),
                          message.size()) == 1;
}

Ed25519PrivateKey Ed25519PrivateKey::Generate(Random& random) {
  std::array<uint8_t, kEd25519KeyBytes> seed;
  random.Fill(seed);
  std::optional<Ed25519PrivateKey> key =
      FromSeed({reinterpret_cast<const char*>(seed.data()), seed.size()});
  OPENSSL_cleanse(seed.data(), seed.size());
  GRAVEN_CHECK(key.has_value());
  return *std::move(key);
}

std::optional<Ed25519PrivateKey> Ed25519PrivateKey::FromSeed(std::string_view seed) {
  if (seed.size() != kEd25519KeyBytes) return std::nullopt;
  Ed25519PrivateKey key;
  key.key_.reset(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, Bytes(seed), seed.size()),
                 EVP_PKEY_free);
  if (key.key_ == nullptr) return std::nullopt;
  return key;
}

Ed25519PublicKey Ed25519PrivateKey::public_key() const {
  std::string raw(kEd25519KeyBytes, '\0');
  size_t size = raw.size();
  GRAVEN_CHECK(EVP_PKEY_get_raw_public_key(key_.get(), Bytes(raw), &size) == 1);
  std::optional<Ed25519PublicKey> key = Ed25519PublicKey::FromBytes(raw);
  GRAVEN_CHECK(key.has_value());
  return *std::move(key);
}

std::string Ed25519PrivateKey::Sign(std::string_view message) const {
  Context context(EVP_MD_CTX_new());
  GRAVEN_CHECK(context != nullptr);
  std::string signature(kEd25519SignatureBytes, '\0');
  size_t size = signature.size();
  GRAVEN_CHECK(
      EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1 &&
      EVP_DigestSign(context.get(), Bytes(signature), &size, Bytes(message), message.size()) == 1);
  return signature;
}

std::string Ed25519PrivateKey::seed() const {
  std::string raw(kEd25519KeyBytes, '\0');
  size_t size = raw.size();
  GRAVEN_CHECK(EVP_PKEY_get_raw_private_key(key_.get(), Bytes(raw), &size) == 1);
  return raw;
}

}  // namespace graven::note
