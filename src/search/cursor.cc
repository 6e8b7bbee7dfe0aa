#include "search/cursor.h"

#include <algorithm>
#include <optional>

#include "base/encoding.h"
#include "base/sha256.h"

namespace graven::search {
namespace {

constexpr char kVersion = 3;
constexpr size_t kFixedBytes = 2 + 2 * kCursorHashBytes;
constexpr size_t kTextBytesMax = 96;
constexpr size_t kBytesMin = 16;  // of any version

// Of all that stands before it.
std::string Checksum(std::string_view bytes) {
  return std::string(Sha256(bytes).view().substr(0, kCursorChecksumBytes));
}

std::string_view HashBytes(const Hash& hash) { return hash.view().substr(0, kCursorHashBytes); }

absl::Status Wrong(std::string_view why) { return absl::InvalidArgumentError(std::string(why)); }

// Base64url without padding.
std::optional<std::string> Decode(std::string_view text) {
  if (text.size() > kTextBytesMax || text.find_first_of("+/=") != std::string_view::npos) return {};
  std::string plain(text);
  std::replace(plain.begin(), plain.end(), '-', '+');
  std::replace(plain.begin(), plain.end(), '_', '/');
  plain.append((4 - plain.size() % 4) % 4, '=');
  return Base64Decode(plain);
}

}  // namespace

std::string FormatCursor(const Cursor& cursor) {
  std::string bytes;
  bytes += kVersion;
  bytes += static_cast<char>(cursor.order);
  bytes += HashBytes(cursor.query_hash);
  bytes += HashBytes(cursor.log_hash);
  for (const uint64_t number : {cursor.size.value, cursor.position, cursor.skip}) {
    char buffer[kVarintBytesMax];
    bytes.append(buffer, PutVarint(buffer, number));
  }
  bytes += Checksum(bytes);
  std::string text = Base64Encode(bytes);
  while (text.back() == '=') text.pop_back();
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

absl::StatusOr<Cursor> ParseCursor(std::string_view text, const Cursor& expected,
                                   TreeSize published) {
  const std::optional<std::string> bytes = Decode(text);
  if (!bytes || bytes->size() < kBytesMin) return Wrong("is not a cursor");
  std::string_view rest = *bytes;
  const bool is_older = rest[0] > 0 && rest[0] < kVersion;
  // Those of older versions may be shorter.
  if (!is_older && rest.size() < kFixedBytes + kCursorChecksumBytes) {
    return Wrong("is not a cursor");
  }
  if (rest[0] != kVersion) return Wrong("is of another version; search again from the start");
  const std::string_view checksum = rest.substr(rest.size() - kCursorChecksumBytes);
  rest.remove_suffix(kCursorChecksumBytes);
  if (Checksum(rest) != checksum) return Wrong("is damaged");
  if (rest[1] != static_cast<char>(expected.order)) return Wrong("is of another order");
  rest.remove_prefix(2);
  if (!rest.starts_with(HashBytes(expected.query_hash))) return Wrong("is of another query");
  rest.remove_prefix(kCursorHashBytes);
  if (!rest.starts_with(HashBytes(expected.log_hash))) return Wrong("is of another log");
  rest.remove_prefix(kCursorHashBytes);
  Cursor cursor = expected;
  if (!GetVarint(&rest, &cursor.size.value) || !GetVarint(&rest, &cursor.position) ||
      !GetVarint(&rest, &cursor.skip) || !rest.empty()) {
    return Wrong("is not a cursor");
  }
  if (cursor.size > published) return Wrong("is beyond the end of the log");
  if (cursor.position > cursor.size.value || cursor.skip > cursor.left()) {
    return Wrong("is not a cursor");
  }
  return cursor;
}

}  // namespace graven::search
