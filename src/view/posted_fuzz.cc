#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "json/strict_json.h"
#include "view/posted.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace graven;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  view::ParsePostedTree(body).status().IgnoreError();
  view::ParsePostedKey(body).status().IgnoreError();
  // What is kept is JSON that the page can read again.
  if (const auto posted = view::ParsePostedFinding(body); posted.ok())
    GRAVEN_CHECK(json::CheckStrictJson(posted->finding.json).ok());
  return 0;
}
