#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/encoding.h"
#include "base/sha256.h"
#include "store/log_meta.h"

// Any text is refused, or is exactly what its fields format to. The second try has a right
// checksum, so that the fields behind it are reached.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string summed =
      std::string(text) + "sha256: " + graven::HexEncode(graven::Sha256(text)) + "\n";
  for (const std::string_view candidate : {text, std::string_view(summed)}) {
    const absl::StatusOr<graven::store::LogMeta> meta = graven::store::ParseLogMeta(candidate);
    if (meta.ok()) GRAVEN_CHECK(graven::store::FormatLogMeta(*meta) == candidate);
  }
  return 0;
}
