#include "verify/export_checker.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"

namespace {

// The verdict over `bytes` when they come in pieces of this size.
absl::StatusOr<graven::verify::ExportVerdict> Check(std::string_view bytes, size_t piece_bytes) {
  auto checker = graven::verify::ExportChecker::Start({});
  GRAVEN_CHECK(checker.ok());
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, piece_bytes);
    if (absl::Status status = checker->AddBytes(piece); !status.ok()) return status;
    bytes.remove_prefix(piece.size());
  }
  return checker->Finish();
}

}  // namespace

// The pieces that an export comes in make no difference.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto whole = Check(input, std::max<size_t>(size, 1));
  const auto pieces = Check(input, 1 + size % 7);
  GRAVEN_CHECK(whole.ok() == pieces.ok());
  if (whole.ok()) {
    GRAVEN_CHECK(whole->count == pieces->count && whole->last_hash == pieces->last_hash);
  } else {
    GRAVEN_CHECK(whole.status() == pieces.status());
  }
  return 0;
}
