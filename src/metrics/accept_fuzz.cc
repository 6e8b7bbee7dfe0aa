#include <cstddef>
#include <cstdint>
#include <string_view>

#include "metrics/exposition.h"

// The Accept header of a scrape.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace graven::metrics;
  (void)ContentType(ChooseFormat({reinterpret_cast<const char*>(data), size}));
  return 0;
}
