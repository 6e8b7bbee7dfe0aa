#include "note/cosignature.h"

#include <limits>

#include "base/check.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "note/ed25519.h"
#include "note/note.h"

namespace graven::note {
namespace {

constexpr size_t kTimeBytes = 8;
constexpr uint64_t kTimeMax = std::numeric_limits<int64_t>::max();

}  // namespace

absl::StatusOr<Cosignature> DecodeCosignature(std::string_view bytes) {
  if (bytes.size() != kTimeBytes + kEd25519SignatureBytes) {
    return absl::InvalidArgumentError(fmt::format("cosignature: {} bytes; must be {}", bytes.size(),
                                                  kTimeBytes + kEd25519SignatureBytes));
  }
  Cosignature cosignature;
  for (size_t i = 0; i < kTimeBytes; ++i) {
    cosignature.time_s = cosignature.time_s << 8 | static_cast<uint8_t>(bytes[i]);
  }
  if (cosignature.time_s > kTimeMax) {
    return absl::InvalidArgumentError("cosignature: the time is not below 2^63");
  }
  cosignature.signature = bytes.substr(kTimeBytes);
  return cosignature;
}

std::string EncodeCosignature(const Cosignature& cosignature) {
  GRAVEN_CHECK(cosignature.time_s <= kTimeMax &&
               cosignature.signature.size() == kEd25519SignatureBytes);
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) {
    bytes += static_cast<char>(cosignature.time_s >> shift);
  }
  return bytes + cosignature.signature;
}

std::string CosignatureMessage(uint64_t time_s, std::string_view text) {
  return fmt::format("cosignature/v1\ntime {}\n{}", time_s, text);
}

absl::StatusOr<std::string> Cosign(std::string_view text, uint64_t time_s, const SignerKey& key) {
  RETURN_IF_ERROR(CheckNoteText(text));
  if (key.type() != KeyType::kCosignature) {
    return absl::InvalidArgumentError("key: is not a cosigner's (type 0x04)");
  }
  if (time_s > kTimeMax) {
    return absl::InvalidArgumentError("cosignature: the time is not below 2^63");
  }
  const std::string signature = key.SignMessage(CosignatureMessage(time_s, text));
  return FormatSignatureLine(
      {key.name(), key.verifier().key_id(), EncodeCosignature({time_s, signature})});
}

}  // namespace graven::note
