#pragma once

#include <cstdint>

#include "base/clock.h"

namespace graven {

// Time that a test moves by hand.
class HandClock final : public Clock {
 public:
  int64_t WallNs() override { return now_ns; }
  int64_t SteadyNs() override { return now_ns; }
  int64_t now_ns = 1'700'000'000'000'000'000;
};

}  // namespace graven
