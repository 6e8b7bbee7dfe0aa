#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "http/browser_rules.h"
#include "http/compression.h"
#include "http/target.h"

// Every parser of a request's parts. A path that is taken has one reading: no segment, decoded or
// not, leads up or stands for nothing.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto target = graven::http::ParseTarget(text)) {
    GRAVEN_CHECK(target->path.starts_with('/'));
    for (const char* wrong : {"//", "/./", "/../", "%2e", "%2E", "\\", "%00"}) {
      GRAVEN_CHECK(target->path.find(wrong) == std::string_view::npos);
    }
    GRAVEN_CHECK(!target->path.ends_with("/..") && !target->path.ends_with("/."));
    GRAVEN_CHECK(graven::http::DecodePercent(target->path).has_value());
  }
  if (const auto query = graven::http::ParseQuery(text); query.ok()) {
    GRAVEN_CHECK(query->size() <= 32);
  }
  if (const auto host = graven::http::HostName(text)) {
    GRAVEN_CHECK(!host->empty() && graven::http::HostName(*host).has_value() ==
                                       (host->find(':') == std::string::npos));
  }
  (void)graven::http::ChooseCoding(text);
  for (const auto coding : {graven::http::Coding::kGzip, graven::http::Coding::kZstd}) {
    if (const auto plain = graven::http::Decompress(coding, text, 1 << 20)) {
      GRAVEN_CHECK(plain->size() <= 1 << 20);
    }
  }
  return 0;
}
