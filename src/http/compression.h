#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

// Content codings (RFC 9110 section 8.4): gzip and zstd.
namespace graven::http {

enum class Coding { kIdentity, kGzip, kZstd };

// "gzip", "zstd", "".
std::string_view CodingName(Coding coding);

// The best that an Accept-Encoding takes: zstd before gzip where the client has no preference.
// Identity for a header that is missing or no list.
Coding ChooseCoding(std::optional<std::string_view> accept_encoding);

// Nothing when it fails or would not be smaller. REQUIRES: not kIdentity.
std::optional<std::string> Compress(Coding coding, std::string_view plain);

// Undoes it. Nothing when the input is broken or holds more than `plain_bytes_max`.
std::optional<std::string> Decompress(Coding coding, std::string_view packed,
                                      size_t plain_bytes_max);

}  // namespace graven::http
