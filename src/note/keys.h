#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/random.h"
#include "note/ed25519.h"

namespace graven::note {

// The first byte of an encoded key. Others exist (0x02 ECDSA, 0x05 RFC 6962, 0x06 ML-DSA-44); keys
// and signatures of theirs are unknown here.
enum class KeyType : uint8_t { kEd25519 = 0x01, kCosignature = 0x04 };

inline constexpr size_t kKeyNameBytesMax = 255;

// Whether `name` may name a key: 1 to 255 bytes of UTF-8 without white space, control characters
// and '+'.
bool IsKeyName(std::string_view name);

// The public key of one signer, as the C2SP vkey text "<name>+<key id>+<base64 of type and key>".
// Copies share the key; thread-safe.
class VerifierKey {
 public:
  // REQUIRES: IsKeyName(name).
  VerifierKey(std::string name, KeyType type, Ed25519PublicKey key);

  // kInvalidArgument: not a vkey, or its key id is not that of its name and key. kUnimplemented: a
  // key of a type unknown here.
  static absl::StatusOr<VerifierKey> Parse(std::string_view vkey);

  std::string Format() const;

  const std::string& name() const { return name_; }
  uint32_t key_id() const { return key_id_; }
  KeyType type() const { return type_; }
  // The public key itself, without its type.
  const std::string& bytes() const { return key_.bytes(); }

  // Whether `signature` (what follows the key id in a signature line) is this key's over `text`.
  bool Verifies(std::string_view text, std::string_view signature) const;

  bool operator==(const VerifierKey& other) const {
    return name_ == other.name_ && type_ == other.type_ && key_.bytes() == other.key_.bytes();
  }

 private:
  std::string name_;
  KeyType type_;
  Ed25519PublicKey key_;
  uint32_t key_id_;
};

// The private key, as the text of Go's note package: "PRIVATE+KEY+<name>+<key id>+<base64 of type
// and seed>". Never printed: there is no operator<<, and no error quotes any of it.
// Copies share the key; thread-safe.
class SignerKey {
 public:
  // kInvalidArgument: not a key name.
  static absl::StatusOr<SignerKey> Generate(std::string_view name, KeyType type, Random& random);

  // kInvalidArgument: not an skey, or its key id is not that of its name and key. kUnimplemented: a
  // key of a type unknown here.
  static absl::StatusOr<SignerKey> Parse(std::string_view skey);

  // The secret itself: only for writing a key file.
  std::string Format() const;

  const VerifierKey& verifier() const { return verifier_; }
  const std::string& name() const { return verifier_.name(); }
  KeyType type() const { return verifier_.type(); }

  // The bare Ed25519 signature, 64 bytes.
  std::string SignMessage(std::string_view message) const { return key_.Sign(message); }

 private:
  SignerKey(std::string name, KeyType type, Ed25519PrivateKey key);

  VerifierKey verifier_;
  Ed25519PrivateKey key_;
};

}  // namespace graven::note
