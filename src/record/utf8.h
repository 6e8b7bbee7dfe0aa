#pragma once

#include <string_view>

namespace graven::record {

// Whether `text` is UTF-8 as RFC 3629 has it: no surrogates, no over-long forms, nothing above
// U+10FFFF. Fast for ASCII.
bool IsUtf8(std::string_view text);

}  // namespace graven::record
