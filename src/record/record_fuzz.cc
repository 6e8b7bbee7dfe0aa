// Decode takes exactly what Encode makes, and nothing makes it read outside its bytes.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "record/record.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace graven::record;
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::string restored(size + kPreviousHashFieldBytes, '\0');
  RestorePreviousHash(bytes, graven::Hash(), restored.data());
  absl::StatusOr<RecordHeader> header = Decode(bytes);
  if (!header.ok()) return 0;
  std::string again(EncodedSize(*header), '\0');
  Encode(*header, again.data());
  GRAVEN_CHECK(again == bytes);
  std::string stripped(size - kPreviousHashFieldBytes, '\0');
  StripPreviousHash(bytes, stripped.data());
  RestorePreviousHash(stripped, header->previous_hash, again.data());
  GRAVEN_CHECK(again == bytes);
  return 0;
}
