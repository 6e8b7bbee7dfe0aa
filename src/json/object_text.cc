#include "json/object_text.h"

#include "base/encoding.h"
#include "fmt/format.h"
#include "record/time_text.h"
#include "record/utf8.h"

namespace graven::json {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Bytes of the code point that `text` begins with; 0 when it begins with none.
size_t CodePointBytes(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  const size_t bytes = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  return bytes <= text.size() && record::IsUtf8(text.substr(0, bytes)) ? bytes : 0;
}

void AppendEscaped(char c, std::string* out) {
  switch (c) {
    case '"':
      *out += "\\\"";
      break;
    case '\\':
      *out += "\\\\";
      break;
    case '\n':
      *out += "\\n";
      break;
    default:
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
        *out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
      } else {
        *out += c;
      }
  }
}

}  // namespace

void AppendString(std::string_view text, std::string* out) {
  *out += '"';
  const bool good = record::IsUtf8(text);
  while (!text.empty()) {
    const size_t bytes =
        good || static_cast<unsigned char>(text.front()) < 0x80 ? 1 : CodePointBytes(text);
    if (bytes == 1) {
      AppendEscaped(text.front(), out);
    } else {
      *out += bytes == 0 ? kReplacement : text.substr(0, bytes);
    }
    text.remove_prefix(bytes == 0 ? 1 : bytes);
  }
  *out += '"';
}

void ObjectText::Name(std::string_view name) {
  if (text_.size() > 1) text_ += ',';
  text_ += '"';
  text_ += name;
  text_ += "\":";
}

ObjectText& ObjectText::Text(std::string_view name, std::string_view value) {
  Name(name);
  AppendString(value, &text_);
  return *this;
}

ObjectText& ObjectText::Uint64(std::string_view name, uint64_t value) {
  Name(name);
  text_ += fmt::format("\"{}\"", value);
  return *this;
}

ObjectText& ObjectText::Bytes(std::string_view name, std::string_view raw) {
  Name(name);
  text_ += '"';
  text_ += Base64Encode(raw);
  text_ += '"';
  return *this;
}

ObjectText& ObjectText::TimeNs(std::string_view name, int64_t ns) {
  return Text(name, record::FormatRfc3339Ns(ns));
}

ObjectText& ObjectText::Bool(std::string_view name, bool value) {
  return Raw(name, value ? "true" : "false");
}

ObjectText& ObjectText::Small(std::string_view name, int64_t value) {
  return Raw(name, fmt::format("{}", value));
}

ObjectText& ObjectText::Raw(std::string_view name, std::string_view json) {
  Name(name);
  text_ += json;
  return *this;
}

ArrayText& ArrayText::Bytes(std::string_view raw) {
  return Raw(fmt::format("\"{}\"", Base64Encode(raw)));
}

}  // namespace graven::json
