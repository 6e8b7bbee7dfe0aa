#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "base/hash.h"

namespace graven {

// Lower-case hex.
std::string HexEncode(std::string_view raw);
inline std::string HexEncode(const Hash& hash) { return HexEncode(hash.view()); }

// Exactly the lower-case form; nothing for an odd length or another character.
std::optional<std::string> HexDecode(std::string_view hex);
std::optional<Hash> HashFromHex(std::string_view hex);

// RFC 4648 standard alphabet, with padding.
std::string Base64Encode(std::string_view raw);
inline std::string Base64Encode(const Hash& hash) { return Base64Encode(hash.view()); }

// Exactly the canonical form: padded, no white space, unused bits zero. Nothing otherwise.
std::optional<std::string> Base64Decode(std::string_view text);

// Canonical unsigned decimal: digits only, no sign, no leading zero but for "0", below 2^64.
std::optional<uint64_t> ParseDecimal(std::string_view text);

// Little-endian fixed-width numbers, as in every file of ours.
inline void PutFixed16(char* out, uint16_t v) { std::memcpy(out, &v, 2); }
inline void PutFixed32(char* out, uint32_t v) { std::memcpy(out, &v, 4); }
inline void PutFixed64(char* out, uint64_t v) { std::memcpy(out, &v, 8); }
inline uint16_t GetFixed16(const char* in) {
  uint16_t v;
  std::memcpy(&v, in, 2);
  return v;
}
inline uint32_t GetFixed32(const char* in) {
  uint32_t v;
  std::memcpy(&v, in, 4);
  return v;
}
inline uint64_t GetFixed64(const char* in) {
  uint64_t v;
  std::memcpy(&v, in, 8);
  return v;
}
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are little-endian");

// Protobuf varints. A number takes 1 to 10 bytes.
inline constexpr size_t kVarintBytesMax = 10;
constexpr size_t VarintSize(uint64_t v) {
  size_t size = 1;
  while (v >= 0x80) {
    v >>= 7;
    ++size;
  }
  return size;
}
// Writes the minimal form; returns the byte after it. REQUIRES: VarintSize(v) bytes at `out`.
inline char* PutVarint(char* out, uint64_t v) {
  while (v >= 0x80) {
    *out++ = static_cast<char>(v | 0x80);
    v >>= 7;
  }
  *out++ = static_cast<char>(v);
  return out;
}
// Reads one varint from the front of `in` and advances it. False for a truncated, over-long (not
// minimal) or over-wide one; `in` is unspecified then.
bool GetVarint(std::string_view* in, uint64_t* v);

}  // namespace graven
