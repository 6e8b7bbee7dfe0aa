#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/check.h"
#include "verify/evidence.h"

// What is taken is written again as the same file, and nothing that is taken upsets the judge.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace graven::verify;
  const auto evidence = ParseEvidence(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!evidence.ok()) return 0;
  const auto again = ParseEvidence(FormatEvidence(*evidence));
  GRAVEN_CHECK(again.ok() && again->notes == evidence->notes && again->proofs == evidence->proofs);
  JudgeEvidence(*evidence, std::nullopt);
  return 0;
}
