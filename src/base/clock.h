#pragma once

#include <cstdint>

namespace graven {

inline constexpr int64_t kSecondNs = 1'000'000'000;

// Where time comes from. The rooms below the server read no clock of their own: they are given one,
// so that a simulated run is a function of its seed. Implementations are thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;

  // Nanoseconds since 1970-01-01T00:00:00Z. May jump either way.
  virtual int64_t WallNs() = 0;

  // Nanoseconds since some fixed moment. Never goes backwards.
  virtual int64_t SteadyNs() = 0;
};

// The clock of the operating system. Lives as long as the process.
Clock& SystemClock();

}  // namespace graven
