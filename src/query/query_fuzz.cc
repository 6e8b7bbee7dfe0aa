// Whatever Parse takes has a canonical form that reads back as the same query, and no record makes
// the judge read outside its bytes.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "query/matcher.h"
#include "query/parser.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace graven::query;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  // The query, a zero byte, a record.
  const size_t zero = bytes.find('\0');
  const absl::StatusOr<Query> query = Parse(bytes.substr(0, zero));
  if (!query.ok()) return 0;
  const std::string canonical = Canonical(*query);
  GRAVEN_CHECK(canonical.size() <= kCanonicalBytesMax);
  const absl::StatusOr<Query> again = Parse(canonical);
  GRAVEN_CHECK(again.ok());
  GRAVEN_CHECK(*again == *query);
  GRAVEN_CHECK(Canonical(*again) == canonical);
  RecordView view;
  if (zero != std::string_view::npos && view.Read(bytes.substr(zero + 1)).ok()) {
    (void)Matches(*query, view);
  }
  return 0;
}
