#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/encoding.h"
#include "base/sha256.h"
#include "fmt/format.h"
#include "view/seen_files.h"

// With the checksum made right, so that what stands behind it is reached.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace graven;
  std::string text(reinterpret_cast<const char*>(data), size);
  text += fmt::format("sum {}\n", HexEncode(Sha256(text)));
  if (const auto seen = view::DecodeSeen(text); seen.ok())
    GRAVEN_CHECK(view::EncodeSeen(*seen) == text);
  if (const auto known = view::DecodeKnown(text); known.ok())
    GRAVEN_CHECK(view::DecodeKnown(view::EncodeKnown(*known)).ok());
  if (const auto finding = view::DecodeFinding(text); finding.ok())
    GRAVEN_CHECK(view::DecodeFinding(view::EncodeFinding(finding->first, finding->second)).ok());
  return 0;
}
