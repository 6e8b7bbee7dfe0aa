#include "base/encoding.h"

#include <limits>

#include "absl/strings/escaping.h"
#include "base/absl_views.h"

namespace graven {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::string HexEncode(std::string_view raw) { return absl::BytesToHexString(ToAbsl(raw)); }

std::optional<std::string> HexDecode(std::string_view hex) {
  if (hex.size() % 2 != 0) return std::nullopt;
  std::string raw(hex.size() / 2, '\0');
  for (size_t i = 0; i < raw.size(); ++i) {
    int high = HexDigit(hex[2 * i]);
    int low = HexDigit(hex[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    raw[i] = static_cast<char>(high << 4 | low);
  }
  return raw;
}

std::optional<Hash> HashFromHex(std::string_view hex) {
  auto raw = HexDecode(hex);
  if (!raw || raw->size() != Hash::kSize) return std::nullopt;
  return Hash::FromBytes(*raw);
}

std::string Base64Encode(std::string_view raw) { return absl::Base64Escape(ToAbsl(raw)); }

std::optional<std::string> Base64Decode(std::string_view text) {
  std::string raw;
  // Abseil accepts white space and missing padding; encoding again leaves one spelling only.
  if (!absl::Base64Unescape(ToAbsl(text), &raw) || absl::Base64Escape(raw) != text)
    return std::nullopt;
  return raw;
}

std::optional<uint64_t> ParseDecimal(std::string_view text) {
  if (text.empty() || text.size() > 20 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  uint64_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    uint64_t digit = static_cast<uint64_t>(c - '0');
    if (value > (std::numeric_limits<uint64_t>::max() - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  return value;
}

bool GetVarint(std::string_view* in, uint64_t* v) {
  uint64_t value = 0;
  for (size_t i = 0; i < in->size() && i < kVarintBytesMax; ++i) {
    uint64_t byte = static_cast<uint8_t>((*in)[i]);
    if (i == 9 && byte > 1) return false;
    value |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      if (byte == 0 && i > 0) return false;
      *v = value;
      in->remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}

}  // namespace graven
