#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "http/address_rule.h"
#include "http/url.h"

// What ParseUrl takes is what FormatUrl gives back, to the last byte of the target.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto url = graven::http::ParseUrl(text);
  graven::http::IsPublicAddress(text);
  if (!url.ok()) return 0;
  const auto again = graven::http::ParseUrl(graven::http::FormatUrl(*url));
  GRAVEN_CHECK(again.ok() || text.size() > graven::http::kUrlBytesMax - 16);
  GRAVEN_CHECK(!again.ok() || *again == *url);
  return 0;
}
