#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "scrub/place.h"

// The file in which the scrubber keeps its place: what is read is written back the same.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace graven::scrub;
  const Place place = ParsePlace({reinterpret_cast<const char*>(data), size});
  const Place again = ParsePlace(FormatPlace(place));
  GRAVEN_CHECK(again.first == place.first && again.log_number == place.log_number &&
               again.in_journal == place.in_journal && again.rounds == place.rounds &&
               again.last_round_ended_ns == place.last_round_ended_ns);
  return 0;
}
