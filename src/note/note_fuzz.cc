#include "note/note.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "fmt/format.h"

// What opens as a note is a note again when put together from its parts.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto note = graven::note::ParseNote(input);
  if (!note.ok()) return 0;
  std::string again = note->text + "\n";
  for (const auto& signature : note->unknown) {
    again += graven::note::FormatSignatureLine(signature);
  }
  const auto reopened = graven::note::ParseNote(again);
  GRAVEN_CHECK(reopened.ok() && reopened->text == note->text && reopened->unknown == note->unknown);
  // Only repeated lines may be gone.
  GRAVEN_CHECK(again.size() <= input.size());
  GRAVEN_CHECK(again.size() < input.size() || again == input);
  return 0;
}
