#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace graven::record {

// Whether `text` is UTF-8 as RFC 3629 has it: no surrogates, no over-long forms, nothing above
// U+10FFFF. Fast for ASCII.
bool IsUtf8(std::string_view text);

// Whether every byte is below 0x80. Inline, because nearly every text of an event is short and
// plain.
inline bool IsAscii(std::string_view text) {
  const char* p = text.data();
  size_t size = text.size();
  uint64_t all = 0;
  uint64_t word = 0;
  if (size >= 8) {
    for (size_t at = 0; at + 8 <= size; at += 8) {
      std::memcpy(&word, p + at, 8);
      all |= word;
    }
    std::memcpy(&word, p + size - 8, 8);  // the rest, and some bytes again
    all |= word;
  } else if (size >= 4) {
    uint32_t front;
    uint32_t back;
    std::memcpy(&front, p, 4);
    std::memcpy(&back, p + size - 4, 4);
    all = front | back;
  } else {
    for (char c : text) all |= static_cast<uint8_t>(c);
  }
  return (all & 0x8080808080808080U) == 0;
}

}  // namespace graven::record
