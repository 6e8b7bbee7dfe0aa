#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/encoding.h"
#include "web/arguments.h"

// A query, and a hash: one that is read
// has spellings of its own that read back.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (const auto hash = graven::web::ParseHash(input)) {
    GRAVEN_CHECK(graven::web::ParseHash(graven::Base64Encode(*hash)) == hash);
    GRAVEN_CHECK(graven::web::ParseHash(graven::HexEncode(*hash)) == hash);
  }
  const auto query = graven::http::ParseQuery(input);
  if (!query.ok()) return 0;
  const auto arguments = graven::web::Arguments::Take(*query, {"first", "count", "h", "", "wait"});
  if (!arguments.ok()) return 0;
  (void)arguments->Number("first", 0);
  (void)arguments->RequiredNumber("count");
  (void)arguments->HashValue("h");
  return 0;
}
