#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// JSON written in order, with the conventions of proto3 JSON: 64-bit numbers as strings, bytes as
// base64, times as RFC 3339.
namespace graven::json {

// Appends `text` as a JSON string (RFC 8259); what is no UTF-8 becomes U+FFFD.
void AppendString(std::string_view text, std::string* out);

// One object. Names are our own and need no escaping.
class ObjectText {
 public:
  ObjectText& Text(std::string_view name, std::string_view value);
  ObjectText& Uint64(std::string_view name, uint64_t value);
  ObjectText& Bytes(std::string_view name, std::string_view raw);
  ObjectText& TimeNs(std::string_view name, int64_t ns);
  ObjectText& Bool(std::string_view name, bool value);
  ObjectText& Small(std::string_view name, int64_t value);
  // `json` is JSON already.
  ObjectText& Raw(std::string_view name, std::string_view json);

  size_t bytes() const { return text_.size(); }
  // The whole object. Nothing may be added after.
  std::string Finish() {
    text_ += '}';
    return std::move(text_);
  }

 private:
  void Name(std::string_view name);

  std::string text_ = "{";
};

// An array of values that are JSON already.
class ArrayText {
 public:
  ArrayText& Raw(std::string_view json) {
    if (text_.size() > 1) text_ += ',';
    text_ += json;
    return *this;
  }
  ArrayText& Bytes(std::string_view raw);
  size_t bytes() const { return text_.size(); }
  std::string Finish() {
    text_ += ']';
    return std::move(text_);
  }

 private:
  std::string text_ = "[";
};

}  // namespace graven::json
