#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace graven::query {

// Reads the JSON string that `text` begins with. Returns nullptr, `*value` and in `*at` the byte
// behind the closing quote; or what is wrong and in `*at` where.
const char* Unquote(std::string_view text, std::string* value, size_t* at);

// The character at the front of `text`, as its bytes: one byte where those are no UTF-8.
// REQUIRES: `text` is not empty.
std::string_view FrontCharacter(std::string_view text);

// Whether a character (FrontCharacter's) shows nothing or changes how what stands around it is
// shown: controls, zero width, bidirectional, separators of lines. Whatever SafeText escapes.
bool IsHidden(std::string_view character);

bool HasHidden(std::string_view text);

// The JSON string of `value`, ASCII where its characters are hidden, so that no query can pretend
// to be another one wherever it is shown.
void AppendQuoted(std::string_view value, std::string* out);

}  // namespace graven::query
