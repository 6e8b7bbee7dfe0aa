#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

// Numbers of a fixed width of bits, one behind the other, the lowest bit first: number i begins at
// bit i * width. Eight zero bytes follow the last, so that each can be read as one word.
namespace graven::index {

inline constexpr size_t kPackedPadding = 8;
// So that a number, wherever it begins in a byte, lies within eight bytes.
inline constexpr int kPackedWidthMax = 57;

inline int BitsFor(uint64_t largest) { return std::bit_width(largest); }

inline size_t PackedBytes(uint64_t count, int width) {
  return (count * static_cast<uint64_t>(width) + 7) / 8 + kPackedPadding;
}

class PackedWriter {
 public:
  // Appends to `out`. REQUIRES: width 0 to kPackedWidthMax.
  PackedWriter(uint64_t count, int width, std::string* out)
      : out_(out), begin_(out->size()), width_(width) {
    out->resize(begin_ + PackedBytes(count, width), '\0');
  }

  void Add(uint64_t value) {
    char* at = out_->data() + begin_ + bit_ / 8;
    uint64_t word;
    std::memcpy(&word, at, 8);
    word |= value << (bit_ % 8);
    std::memcpy(at, &word, 8);
    bit_ += static_cast<uint64_t>(width_);
  }

 private:
  std::string* const out_;
  const size_t begin_;
  const int width_;
  uint64_t bit_ = 0;
};

// REQUIRES: `bytes` was written for more than `i` numbers of this width.
inline uint64_t PackedAt(std::string_view bytes, uint64_t i, int width) {
  const uint64_t bit = i * static_cast<uint64_t>(width);
  uint64_t word;
  std::memcpy(&word, bytes.data() + bit / 8, 8);
  return (word >> (bit % 8)) & ((uint64_t{1} << width) - 1);
}

}  // namespace graven::index
