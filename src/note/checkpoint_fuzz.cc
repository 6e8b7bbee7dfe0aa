#include "note/checkpoint.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"

// One checkpoint has one text.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto checkpoint = graven::note::ParseCheckpoint(input);
  if (checkpoint.ok()) GRAVEN_CHECK(graven::note::FormatCheckpoint(*checkpoint) == input);
  return 0;
}
