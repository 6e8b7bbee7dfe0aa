#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "json/event_json.h"
#include "json/strict_json.h"

// What is read as an event is written and read again to the same bytes; any bytes that are an event
// are shown as JSON that every reader takes.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const graven::json::MessageTypes types;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  std::string bytes;
  graven::json::JsonProblem problem;
  if (graven::json::EventFromJson(types, input, &bytes, &problem)) {
    const auto text = graven::json::EventJson(types, bytes);
    GRAVEN_CHECK(text.has_value());
    std::string again;
    GRAVEN_CHECK(graven::json::EventFromJson(types, *text, &again, &problem));
    // But for negative zeros, which JSON's readers take for zero.
    GRAVEN_CHECK(again.size() == bytes.size());
    GRAVEN_CHECK(graven::json::EventFromJson(types, *graven::json::EventJson(types, again), &bytes,
                                             &problem));
    GRAVEN_CHECK(again == bytes);
  }
  if (const auto text = graven::json::EventJson(types, input)) {
    // Bodies that the rules refuse may be nested deeper, or hold numbers that JSON has not.
    (void)graven::json::CheckStrictJson(*text);
  }
  return 0;
}
