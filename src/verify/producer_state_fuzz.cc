#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "verify/producer_sequences.h"

// A state that is believed is one that can be kept again, and nothing else.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace graven;
  auto state = verify::ProducerSequences::Decode({reinterpret_cast<const char*>(data), size}, {});
  if (!state.ok()) return 0;
  state->CheckDeadlines(INT64_MAX);
  (void)state->TakeFindings(INT64_MAX);
  GRAVEN_CHECK(verify::ProducerSequences::Decode(state->Encode(), {}).ok());
  return 0;
}
