#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "note/keys.h"

// Cosignatures (C2SP tlog-cosignature, type 0x04): a witness's statement that at some time this was
// the largest consistent tree of the log that it had seen. Pure; any thread.
namespace graven::note {

// What follows the key id in such a signature line.
struct Cosignature {
  uint64_t time_s = 0;    // since 1970, below 2^63
  std::string signature;  // Ed25519, 64 bytes
};

// kInvalidArgument: another length, or a time of 2^63 or more.
absl::StatusOr<Cosignature> DecodeCosignature(std::string_view bytes);
std::string EncodeCosignature(const Cosignature& cosignature);

// What a witness signs for the checkpoint whose whole note text is `text`.
std::string CosignatureMessage(uint64_t time_s, std::string_view text);

// The signature line for that text, with its line feed. kInvalidArgument: the key is no cosigner's
// (type 0x04), the text cannot be a note's, or the time is 2^63 or more.
absl::StatusOr<std::string> Cosign(std::string_view text, uint64_t time_s, const SignerKey& key);

}  // namespace graven::note
