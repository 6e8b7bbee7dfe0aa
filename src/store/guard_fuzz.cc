#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "store/guard.h"

// Any bytes are a guard or are refused; what is accepted encodes back to the bytes it was read
// from.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  graven::store::DecodeGuardFile(bytes).IgnoreError();
  const absl::StatusOr<graven::store::GuardState> slot = graven::store::DecodeGuardSlot(bytes);
  if (slot.ok()) GRAVEN_CHECK(bytes.starts_with(graven::store::EncodeGuardSlot(*slot)));
  return 0;
}
