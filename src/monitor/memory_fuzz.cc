#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/encoding.h"
#include "base/sha256.h"
#include "fmt/format.h"
#include "monitor/memory.h"

// With the checksum made right, so that what stands behind it is reached.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace graven;
  std::string text(reinterpret_cast<const char*>(data), size);
  monitor::DecodeKnowledge(text, "example.com/log").status().IgnoreError();
  text += fmt::format("sum {}\n", HexEncode(Sha256(text)));
  const auto knowledge = monitor::DecodeKnowledge(text, "example.com/log");
  if (knowledge.ok())
    GRAVEN_CHECK(monitor::DecodeKnowledge(monitor::EncodeKnowledge(*knowledge, "example.com/log"),
                                          "example.com/log")
                     .ok());
  return 0;
}
