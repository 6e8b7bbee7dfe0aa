#include "note/tlog_proof.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "note/receipt_file.h"

// One proof has one text, one receipt one encoding.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto proof = graven::note::ParseTlogProof(input);
  if (proof.ok()) GRAVEN_CHECK(graven::note::FormatTlogProof(*proof) == input);
  const auto extra = graven::note::DecodeReceiptExtra(input);
  if (extra.ok()) GRAVEN_CHECK(graven::note::EncodeReceiptExtra(*extra) == input);
  return 0;
}
