#include "web/arguments.h"

#include <algorithm>

#include "base/encoding.h"
#include "base/log_index.h"
#include "base/status_macros.h"
#include "engine/error_details.h"
#include "fmt/format.h"
#include "record/utf8.h"

namespace graven::web {
namespace {

constexpr size_t kHexDigits = 2 * Hash::kSize;
constexpr size_t kNameShownBytesMax = 64;

}  // namespace

std::optional<Hash> ParseHash(std::string_view text) {
  std::string plain(text);
  if (plain.size() == kHexDigits) {
    for (char& c : plain) {
      if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
    }
    return HashFromHex(plain);
  }
  std::replace(plain.begin(), plain.end(), '-', '+');
  std::replace(plain.begin(), plain.end(), '_', '/');
  // 32 bytes are 43 characters and one of padding.
  if (plain.size() == 43) plain += '=';
  const auto raw = Base64Decode(plain);
  if (!raw || raw->size() != Hash::kSize) return std::nullopt;
  return Hash::FromBytes(*raw);
}

absl::StatusOr<Arguments> Arguments::Take(const http::Parameters& query,
                                          std::initializer_list<std::string_view> known) {
  for (const auto& [name, value] : query) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const bool can_be_shown = name.size() <= kNameShownBytesMax && record::IsUtf8(name);
    return engine::InvalidField(can_be_shown ? name : "query", "there is no such parameter here");
  }
  return Arguments(query);
}

std::optional<std::string> Arguments::Text(std::string_view name) const {
  for (const auto& [known, value] : values_) {
    if (known == name) return value;
  }
  return std::nullopt;
}

absl::StatusOr<uint64_t> Arguments::Number(std::string_view name, uint64_t when_missing) const {
  const auto text = Text(name);
  if (!text) return when_missing;
  const auto number = ParseDecimal(*text);
  if (number && *number < kLogIndexLimit) return *number;
  return engine::InvalidField(name, "must be a decimal number below 2^63");
}

absl::StatusOr<uint64_t> Arguments::RequiredNumber(std::string_view name) const {
  if (!Text(name)) return engine::InvalidField(name, "is required");
  return Number(name, 0);
}

absl::StatusOr<std::optional<Hash>> Arguments::HashValue(std::string_view name) const {
  const auto text = Text(name);
  if (!text) return std::optional<Hash>();
  const std::optional<Hash> hash = ParseHash(*text);
  if (hash) return hash;
  return engine::InvalidField(name, "must be 32 bytes as hex or base64");
}

}  // namespace graven::web
