#include "note/keys.h"

#include <openssl/crypto.h>

#include <utility>

#include "base/check.h"
#include "base/encoding.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "fmt/format.h"
#include "note/cosignature.h"

namespace graven::note {
namespace {

constexpr std::string_view kPrivatePrefix = "PRIVATE+KEY+";

// White space as Go's unicode.IsSpace has it, without the controls, which are refused as such.
bool IsSpace(uint32_t c) {
  return c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
         c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

// The first four bytes of SHA-256(name || LF || type || key), big-endian.
uint32_t KeyIdOf(std::string_view name, std::string_view type_and_key) {
  const Hash hash = Sha256(fmt::format("{}\n{}", name, type_and_key));
  return uint32_t{hash.bytes[0]} << 24 | uint32_t{hash.bytes[1]} << 16 |
         uint32_t{hash.bytes[2]} << 8 | hash.bytes[3];
}

std::string FormatKey(std::string_view name, uint32_t key_id, KeyType type, std::string_view key) {
  std::string encoded(1, static_cast<char>(type));
  encoded += key;
  std::string text = fmt::format("{}+{:08x}+{}", name, key_id, Base64Encode(encoded));
  OPENSSL_cleanse(encoded.data(), encoded.size());
  return text;
}

// "<name>+<key id>+<base64>", of a public or a private key.
struct KeyText {
  std::string_view name;
  uint32_t key_id;
  std::string type_and_key;

  ~KeyText() { OPENSSL_cleanse(type_and_key.data(), type_and_key.size()); }
};

absl::Status ParseKeyText(std::string_view text, KeyText* parsed) {
  // Only the first two: base64 has plus signs of its own.
  const size_t first = text.find('+');
  const size_t second = first == text.npos ? text.npos : text.find('+', first + 1);
  if (second == text.npos) {
    return absl::InvalidArgumentError("key: not of the form <name>+<key id>+<base64>");
  }
  parsed->name = text.substr(0, first);
  if (!IsKeyName(parsed->name)) {
    return absl::InvalidArgumentError(
        "key: the name is not 1 to 255 bytes of UTF-8 without white space, controls and '+'");
  }
  const std::optional<std::string> id = HexDecode(text.substr(first + 1, second - first - 1));
  if (!id || id->size() != 4) {
    return absl::InvalidArgumentError("key: the key id is not 8 lower-case hex digits");
  }
  parsed->key_id = 0;
  for (const char c : *id) parsed->key_id = parsed->key_id << 8 | static_cast<uint8_t>(c);
  std::optional<std::string> encoded = Base64Decode(text.substr(second + 1));
  if (!encoded || encoded->empty()) {
    return absl::InvalidArgumentError("key: the last part is not base64");
  }
  parsed->type_and_key = *std::move(encoded);
  return absl::OkStatus();
}

absl::Status CheckType(std::string_view type_and_key) {
  const auto type = static_cast<uint8_t>(type_and_key[0]);
  if (type != static_cast<uint8_t>(KeyType::kEd25519) &&
      type != static_cast<uint8_t>(KeyType::kCosignature)) {
    return absl::UnimplementedError(fmt::format("key: type 0x{:02x} is not known here", type));
  }
  if (type_and_key.size() != 1 + kEd25519KeyBytes) {
    return absl::InvalidArgumentError(
        fmt::format("key: {} bytes where an Ed25519 key has 32", type_and_key.size() - 1));
  }
  return absl::OkStatus();
}

absl::Status WrongKeyId() {
  return absl::InvalidArgumentError("key: the key id is not that of this name and key");
}

}  // namespace

bool IsKeyName(std::string_view name) {
  if (name.empty() || name.size() > kKeyNameBytesMax) return false;
  while (!name.empty()) {
    uint32_t code_point = 0;
    const size_t size = DecodeUtf8(name, &code_point);
    if (size == 0 || code_point < 0x20 || code_point == 0x7f || code_point == '+' ||
        IsSpace(code_point)) {
      return false;
    }
    name.remove_prefix(size);
  }
  return true;
}

VerifierKey::VerifierKey(std::string name, KeyType type, Ed25519PublicKey key)
    : name_(std::move(name)), type_(type), key_(std::move(key)) {
  GRAVEN_CHECK(IsKeyName(name_));
  std::string type_and_key(1, static_cast<char>(type));
  type_and_key += key_.bytes();
  key_id_ = KeyIdOf(name_, type_and_key);
}

absl::StatusOr<VerifierKey> VerifierKey::Parse(std::string_view vkey) {
  KeyText text;
  RETURN_IF_ERROR(ParseKeyText(vkey, &text));
  RETURN_IF_ERROR(CheckType(text.type_and_key));
  std::optional<Ed25519PublicKey> key =
      Ed25519PublicKey::FromBytes(std::string_view(text.type_and_key).substr(1));
  GRAVEN_CHECK(key.has_value());
  VerifierKey verifier(std::string(text.name), static_cast<KeyType>(text.type_and_key[0]),
                       *std::move(key));
  if (verifier.key_id_ != text.key_id) return WrongKeyId();
  return verifier;
}

std::string VerifierKey::Format() const { return FormatKey(name_, key_id_, type_, key_.bytes()); }

bool VerifierKey::Verifies(std::string_view text, std::string_view signature) const {
  if (type_ == KeyType::kEd25519) return key_.Verifies(text, signature);
  const absl::StatusOr<Cosignature> cosignature = DecodeCosignature(signature);
  return cosignature.ok() &&
         key_.Verifies(CosignatureMessage(cosignature->time_s, text), cosignature->signature);
}

SignerKey::SignerKey(std::string name, KeyType type, Ed25519PrivateKey key)
    : verifier_(std::move(name), type, key.public_key()), key_(std::move(key)) {}

absl::StatusOr<SignerKey> SignerKey::Generate(std::string_view name, KeyType type, Random& random) {
  if (!IsKeyName(name)) {
    return absl::InvalidArgumentError(
        "key: the name is not 1 to 255 bytes of UTF-8 without white space, controls and '+'");
  }
  return SignerKey(std::string(name), type, Ed25519PrivateKey::Generate(random));
}

absl::StatusOr<SignerKey> SignerKey::Parse(std::string_view skey) {
  if (!skey.starts_with(kPrivatePrefix)) {
    return absl::InvalidArgumentError("key: does not begin with PRIVATE+KEY+");
  }
  KeyText text;
  RETURN_IF_ERROR(ParseKeyText(skey.substr(kPrivatePrefix.size()), &text));
  RETURN_IF_ERROR(CheckType(text.type_and_key));
  std::optional<Ed25519PrivateKey> key =
      Ed25519PrivateKey::FromSeed(std::string_view(text.type_and_key).substr(1));
  GRAVEN_CHECK(key.has_value());
  SignerKey signer(std::string(text.name), static_cast<KeyType>(text.type_and_key[0]),
                   *std::move(key));
  if (signer.verifier_.key_id() != text.key_id) return WrongKeyId();
  return signer;
}

std::string SignerKey::Format() const {
  std::string seed = key_.seed();
  std::string text(kPrivatePrefix);
  text += FormatKey(name(), verifier_.key_id(), type(), seed);
  OPENSSL_cleanse(seed.data(), seed.size());
  return text;
}

}  // namespace graven::note
