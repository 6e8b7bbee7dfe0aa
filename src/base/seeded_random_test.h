#pragma once

#include <cstdint>
#include <span>

#include "base/random.h"

namespace graven {

// A function of its seed.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}

  void Fill(std::span<uint8_t> out) override {
    for (uint8_t& byte : out) byte = static_cast<uint8_t>(Next() >> 32);
  }
  uint64_t Next() {
    // Knuth's MMIX constants; the high bits are mixed down.
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return state_ ^ state_ >> 29;
  }
  uint64_t Below(uint64_t n) { return (Next() >> 16) % n; }

 private:
  uint64_t state_;
};

}  // namespace graven
