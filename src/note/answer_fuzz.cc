// A statement that is taken has one form.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "note/answer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto answer = graven::note::ParseAnswer(text);
  if (answer.ok()) GRAVEN_CHECK(graven::note::FormatAnswer(*answer) == text);
  return 0;
}
