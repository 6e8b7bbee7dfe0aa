#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace graven {

// Where randomness comes from: ids, salts and keys. Given from outside, like the clock.
// Implementations are thread-safe.
class Random {
 public:
  virtual ~Random() = default;

  // Fills `out` with unpredictable bytes.
  virtual void Fill(std::span<uint8_t> out) = 0;

  uint64_t Uint64();
  std::string Bytes(size_t count);
};

// The operating system's generator, for keys and everything an attacker must not guess.
Random& SystemRandom();

}  // namespace graven
