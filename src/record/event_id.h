#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/random.h"

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

}  // namespace graven::record
