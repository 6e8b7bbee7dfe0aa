#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "verify/explanation.h"

// Any bytes are explained in one sentence, and without a key nothing that is signed holds.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace graven::verify;
  const Explanation found =
      Explain(std::string_view(reinterpret_cast<const char*>(data), size), {}, {});
  GRAVEN_CHECK(found.sentence.ends_with('.'));
  const bool is_signed = found.kind == FileKind::kReceipt || found.kind == FileKind::kCheckpoint;
  GRAVEN_CHECK(!is_signed || found.holds != Holds::kYes);
  return 0;
}
