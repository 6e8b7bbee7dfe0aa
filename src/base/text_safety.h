#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace graven {

// Text of strangers, made harmless to show to a person: on a terminal, in a table, in our own
// operational log. Control characters (C0, C1, DEL), bidirectional overrides and isolates,
// zero-width characters, line and paragraph separators and invalid UTF-8 become visible escapes:
// \n, \t, \x1b, \u{202e}. A backslash becomes \\, so that no text can imitate an escape. All else
// stays as it is. Never used for --json or exports, which are exact.
std::string SafeText(std::string_view text);

// The same, cut to at most `columns_max` code points, "…" standing for what was cut.
std::string SafeText(std::string_view text, size_t columns_max);

// Reads the code point at the front of `text` (RFC 3629: no surrogates, no over-long forms) and
// returns how many bytes it takes; 0 when those are not UTF-8. REQUIRES: `text` is not empty.
size_t DecodeUtf8(std::string_view text, uint32_t* code_point);

}  // namespace graven
