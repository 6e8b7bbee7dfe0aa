#include "witness/add_checkpoint.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"

// One request has one text.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto request = graven::witness::ParseAddCheckpoint(input);
  if (request.ok()) GRAVEN_CHECK(graven::witness::FormatAddCheckpoint(*request) == input);
  return 0;
}
