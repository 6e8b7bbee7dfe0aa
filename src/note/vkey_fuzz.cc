#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "note/keys.h"

// One key has one text, public or private.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto verifier = graven::note::VerifierKey::Parse(input);
  if (verifier.ok()) GRAVEN_CHECK(verifier->Format() == input);
  const auto signer = graven::note::SignerKey::Parse(input);
  if (signer.ok()) GRAVEN_CHECK(signer->Format() == input);
  return 0;
}
