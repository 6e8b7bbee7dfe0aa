#include "query/quoted.h"

#include <cstdint>

#include "base/text_safety.h"
#include "fmt/format.h"

namespace graven::query {
namespace {

constexpr const char* kNotAnEscape =
    "not an escape; there are \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX";

void AppendUtf8(uint32_t character, std::string* out) {
  if (character < 0x80) {
    *out += static_cast<char>(character);
  } else if (character < 0x800) {
    *out += static_cast<char>(0xC0 | character >> 6);
    *out += static_cast<char>(0x80 | (character & 0x3F));
  } else if (character < 0x10000) {
    *out += static_cast<char>(0xE0 | character >> 12);
    *out += static_cast<char>(0x80 | (character >> 6 & 0x3F));
    *out += static_cast<char>(0x80 | (character & 0x3F));
  } else {
    *out += static_cast<char>(0xF0 | character >> 18);
    *out += static_cast<char>(0x80 | (character >> 12 & 0x3F));
    *out += static_cast<char>(0x80 | (character >> 6 & 0x3F));
    *out += static_cast<char>(0x80 | (character & 0x3F));
  }
}

// Four hex digits at the front of `text`.
bool TakeHex4(std::string_view text, uint32_t* value) {
  if (text.size() < 4) return false;
  *value = 0;
  for (const char c : text.substr(0, 4)) {
    uint32_t digit;
    if (c >= '0' && c <= '9') {
      digit = static_cast<uint32_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<uint32_t>(c - 'a' + 10);
    } else if (c >= 'A' && c <= 'F') {
      digit = static_cast<uint32_t>(c - 'A' + 10);
    } else {
      return false;
    }
    *value = *value << 4 | digit;
  }
  return true;
}

// The character of \uXXXX, whose digits `text` begins with, or of a pair of them; `*size` gets the
// bytes that it takes, 0 when there is none.
uint32_t TakeUnicode(std::string_view text, size_t* size) {
  uint32_t first;
  uint32_t second;
  *size = 0;
  if (!TakeHex4(text, &first) || (first >= 0xDC00 && first <= 0xDFFF)) return 0;
  if (first < 0xD800 || first > 0xDBFF) {
    *size = 4;
    return first;
  }
  if (!text.substr(4).starts_with("\\u") || !TakeHex4(text.substr(6), &second)) return 0;
  if (second < 0xDC00 || second > 0xDFFF) return 0;
  *size = 10;
  return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
}

void AppendEscape(std::string_view character, std::string* out) {
  uint32_t code_point = 0;
  DecodeUtf8(character, &code_point);
  if (code_point < 0x10000) {
    *out += fmt::format("\\u{:04x}", code_point);
  } else {
    const uint32_t rest = code_point - 0x10000;
    *out += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF));
  }
}

}  // namespace

std::string_view FrontCharacter(std::string_view text) {
  uint32_t code_point = 0;
  const size_t size = DecodeUtf8(text, &code_point);
  return text.substr(0, size == 0 ? 1 : size);
}

bool IsHidden(std::string_view character) {
  const auto first = static_cast<uint8_t>(character[0]);
  if (character.size() == 1) return first < ' ' || first == 0x7F;
  return SafeText(character) != character;
}

bool HasHidden(std::string_view text) {
  while (!text.empty()) {
    const std::string_view character = FrontCharacter(text);
    if (IsHidden(character)) return true;
    text.remove_prefix(character.size());
  }
  return false;
}

void AppendQuoted(std::string_view value, std::string* out) {
  *out += '"';
  while (!value.empty()) {
    const std::string_view character = FrontCharacter(value);
    value.remove_prefix(character.size());
    if (IsHidden(character)) {
      AppendEscape(character, out);
      continue;
    }
    if (character == "\"" || character == "\\") *out += '\\';
    *out += character;
  }
  *out += '"';
}

const char* Unquote(std::string_view text, std::string* value, size_t* at) {
  constexpr std::string_view kLetters = "\"\\/bfnrt";
  constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
  value->clear();
  *at = 1;
  while (*at < text.size() && text[*at] != '"') {
    const char c = text[*at];
    if (static_cast<uint8_t>(c) < ' ') return "a control character in quotes goes as \\uXXXX";
    if (c != '\\') {
      *value += c;
      ++*at;
      continue;
    }
    if (*at + 1 >= text.size()) break;
    const char letter = text[*at + 1];
    if (const size_t known = kLetters.find(letter); known != std::string_view::npos) {
      *value += kMeanings[known];
      *at += 2;
      continue;
    }
    size_t size = 0;
    const uint32_t character = letter == 'u' ? TakeUnicode(text.substr(*at + 2), &size) : 0;
    if (size == 0) return kNotAnEscape;
    AppendUtf8(character, value);
    *at += 2 + size;
  }
  if (*at >= text.size() || text[*at] != '"') {
    *at = 0;
    return "the closing quote is missing";
  }
  ++*at;
  return nullptr;
}

}  // namespace graven::query
