#include "base/text_safety.h"

#include <fmt/format.h>

#include <cstdint>
#include <limits>

namespace graven {
size_t DecodeUtf8(std::string_view text, uint32_t* code_point) {
  auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  uint8_t lead = byte(0);
  if (lead < 0x80) {
    *code_point = lead;
    return 1;
  }
  size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return 0;
  uint32_t value = lead & (0x7f >> size);
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    value = value << 6 | (byte(i) & 0x3f);
  }
  static constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < kSmallest[size] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return 0;
  *code_point = value;
  return size;
}

namespace {

bool IsDangerous(uint32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) ||         // controls
         c == 0x61c || (c >= 0x200b && c <= 0x200f) ||  // zero width, directional marks
         (c >= 0x2028 && c <= 0x202e) ||                // separators, embeddings, overrides
         (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || c == 0xad || (c >= 0xfff9 && c <= 0xfffb) ||
         (c >= 0xe0000 && c <= 0xe007f);
}

void AppendSafe(std::string* out, uint32_t c, std::string_view raw) {
  if (c == '\\') {
    *out += "\\\\";
  } else if (c == '\n') {
    *out += "\\n";
  } else if (c == '\t') {
    *out += "\\t";
  } else if (c == '\r') {
    *out += "\\r";
  } else if (IsDangerous(c)) {
    *out += c < 0x80 ? fmt::format("\\x{:02x}", c) : fmt::format("\\u{{{:x}}}", c);
  } else {
    *out += raw;
  }
}

}  // namespace

std::string SafeText(std::string_view text, size_t columns_max) {
  std::string out;
  out.reserve(text.size());
  size_t columns = 0;
  while (!text.empty()) {
    if (columns++ == columns_max) {
      out += "…";
      break;
    }
    uint32_t code_point = 0;
    size_t size = DecodeUtf8(text, &code_point);
    if (size == 0) {
      out += fmt::format("\\x{:02x}", static_cast<uint8_t>(text[0]));
      size = 1;
    } else {
      AppendSafe(&out, code_point, text.substr(0, size));
    }
    text.remove_prefix(size);
  }
  return out;
}

std::string SafeText(std::string_view text) {
  return SafeText(text, std::numeric_limits<size_t>::max());
}

}  // namespace graven
