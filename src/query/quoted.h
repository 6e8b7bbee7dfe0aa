#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace graven::query {

// Reads the JSON string that `text` begins with. Returns nullptr, `*value` and in `*at` the byte
// behind the closing quote; or what is wrong and in `*at` where.
const char* Unquote(std::string_view text, std::string* value, size_t* at);

}  // namespace graven::query
