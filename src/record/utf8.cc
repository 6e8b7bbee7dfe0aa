#include "record/utf8.h"

#include <cstdint>
#include <cstring>

namespace graven::record {
namespace {

// Bytes that the sequence at `p` takes, 0 if it is none. `left` > 0.
size_t SequenceBytes(const uint8_t* p, size_t left) {
  auto continues = [](uint8_t byte) { return (byte & 0xc0) == 0x80; };
  uint8_t lead = p[0];
  if (lead < 0x80) return 1;
  if (lead < 0xc2) return 0;
  if (lead < 0xe0) return left >= 2 && continues(p[1]) ? 2 : 0;
  if (lead < 0xf0) {
    if (left < 3 || !continues(p[1]) || !continues(p[2])) return 0;
    if (lead == 0xe0 && p[1] < 0xa0) return 0;   // over-long
    if (lead == 0xed && p[1] >= 0xa0) return 0;  // surrogate
    return 3;
  }
  if (lead > 0xf4 || left < 4 || !continues(p[1]) || !continues(p[2]) || !continues(p[3])) return 0;
  if (lead == 0xf0 && p[1] < 0x90) return 0;   // over-long
  if (lead == 0xf4 && p[1] >= 0x90) return 0;  // above U+10FFFF
  return 4;
}

}  // namespace

bool IsUtf8(std::string_view text) {
  const auto* p = reinterpret_cast<const uint8_t*>(text.data());
  const uint8_t* end = p + text.size();
  while (p != end) {
    while (end - p >= 8) {
      uint64_t word;
      std::memcpy(&word, p, 8);
      if ((word & 0x8080808080808080U) != 0) break;
      p += 8;
    }
    if (p == end) return true;
    size_t bytes = SequenceBytes(p, static_cast<size_t>(end - p));
    if (bytes == 0) return false;
    p += bytes;
  }
  return true;
}

}  // namespace graven::record
