#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace graven {

// A SHA-256 value. Plain data: copies freely, compares byte for byte, zero until set.
struct Hash {
  static constexpr size_t kSize = 32;

  std::array<uint8_t, kSize> bytes{};

  auto operator<=>(const Hash&) const = default;

  // A view of the 32 bytes, valid as long as this object.
  std::string_view view() const {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  // REQUIRES: `raw` has exactly 32 bytes.
  static Hash FromBytes(std::string_view raw) {
    Hash hash;
    std::memcpy(hash.bytes.data(), raw.data(), kSize);
    return hash;
  }
};

}  // namespace graven
