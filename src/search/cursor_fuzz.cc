// A cursor that is taken is one that FormatCursor makes, and lies within the log.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "search/cursor.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace graven::search;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Cursor expected;
  const graven::TreeSize published(1000);
  const absl::StatusOr<Cursor> cursor = ParseCursor(text, expected, published);
  if (!cursor.ok()) return 0;
  GRAVEN_CHECK(cursor->size <= published && cursor->position <= cursor->size.value);
  GRAVEN_CHECK(cursor->skip <= cursor->left());
  GRAVEN_CHECK(FormatCursor(*cursor) == text);
  return 0;
}
