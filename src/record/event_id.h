#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/random.h"
#include "record/record.h"

namespace graven::record {

// Makes event ids: UUIDv7 (RFC 9562) as 36 characters of lower-case text, the time in milliseconds
// first, 74 random bits. Draws randomness in blocks, so that an id costs no call to the system.
// One thread at a time.
class EventIdMaker {
 public:
  // `clock` and `random` must outlive the maker.
  EventIdMaker(Clock& clock, Random& random) : clock_(clock), random_(random) {}

  std::string Next();

 private:
  Clock& clock_;
  Random& random_;
  std::array<uint8_t, 1000> block_{};
  size_t used_ = block_.size();
};

// The id by which a record is found: the client's, or the one that was assigned; a view into what
// `header` was decoded from. "" when the body has none or cannot be walked.
std::string_view EventIdOf(const RecordHeader& header);

}  // namespace graven::record
