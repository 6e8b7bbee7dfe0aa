#include "base/sha256_stream.h"

#include <openssl/evp.h>

#include "base/check.h"

namespace graven {

struct Sha256Stream::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256Stream::Sha256Stream() : state_(std::make_unique<State>()) {
  GRAVEN_CHECK(EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1);
}

Sha256Stream::~Sha256Stream() = default;

void Sha256Stream::Add(std::string_view piece) {
  GRAVEN_CHECK(EVP_DigestUpdate(state_->context, piece.data(), piece.size()) == 1);
}

Hash Sha256Stream::Finish() {
  Hash hash;
  GRAVEN_CHECK(EVP_DigestFinal_ex(state_->context, hash.bytes.data(), nullptr) == 1);
  return hash;
}

}  // namespace graven
