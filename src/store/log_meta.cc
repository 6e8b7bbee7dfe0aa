#include "store/log_meta.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "base/absl_views.h"
#include "base/check.h"
#include "base/encoding.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/durable_file.h"
#include "note/checkpoint.h"
#include "note/keys.h"

namespace graven::store {
namespace {

constexpr std::string_view kFirstLineStart = "graven log, format ";

bool IsNameStart(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool IsNameCharacter(char c) { return IsNameStart(c) || c == '-'; }

absl::Status BadField(std::string_view field, std::string_view what) {
  const std::string message = fmt::format("{}: {}", field, what);
  return absl::InvalidArgumentError(ToAbsl(message));
}

absl::Status Damaged(std::string_view what) {
  const std::string message = fmt::format("log metadata: {}", what);
  return absl::DataLossError(ToAbsl(message));
}

// Takes "<field>: <value>\n" from the front of `text`.
std::optional<std::string_view> TakeField(std::string_view* text, std::string_view field) {
  if (!text->starts_with(field) || !text->substr(field.size()).starts_with(": ")) {
    return std::nullopt;
  }
  text->remove_prefix(field.size() + 2);
  const size_t end = text->find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view value = text->substr(0, end);
  text->remove_prefix(end + 1);
  return value;
}

std::optional<uint64_t> TakeNumber(std::string_view* text, std::string_view field) {
  const std::optional<std::string_view> value = TakeField(text, field);
  return value.has_value() ? ParseDecimal(*value) : std::nullopt;
}

absl::Status CheckFirstLine(std::string_view* text) {
  if (!text->starts_with(kFirstLineStart)) return Damaged("does not begin as such");
  text->remove_prefix(kFirstLineStart.size());
  const size_t end = text->find('\n');
  const std::optional<uint64_t> format = ParseDecimal(text->substr(0, end));
  if (end == std::string_view::npos || !format.has_value() || *format == 0) {
    return Damaged("no format number");
  }
  text->remove_prefix(end + 1);
  if (*format <= kLogMetaFormat) return absl::OkStatus();
  const std::string message = fmt::format(
      "log metadata: made by a newer version of graven (format {}; this one reads up to {})",
      *format, kLogMetaFormat);
  return absl::FailedPreconditionError(ToAbsl(message));
}

std::string FormatFields(const LogMeta& meta) {
  const std::string_view key(reinterpret_cast<const char*>(meta.fingerprint_key.data()),
                             meta.fingerprint_key.size());
  return fmt::format(
      "{}{}\nname: {}\nnumber: {}\norigin: {}\nvkey: {}\nduplicate_window: {}\n"
      "created_at_ns: {}\nfingerprint_key: {}\n",
      kFirstLineStart, kLogMetaFormat, meta.name, meta.number, meta.origin, meta.vkey,
      meta.duplicate_window, meta.created_at_ns, HexEncode(key));
}

}  // namespace

absl::Status CheckLogName(std::string_view name) {
  if (name.empty() || name.size() > kLogNameBytesMax) {
    return BadField("name", fmt::format("a log's name has 1 to {} characters", kLogNameBytesMax));
  }
  if (name.front() == '_') return BadField("name", "a leading '_' is reserved for the server");
  if (!IsNameStart(name.front()) || !std::all_of(name.begin(), name.end(), IsNameCharacter)) {
    return BadField("name", "a log's name has only a-z, 0-9 and '-', and does not begin with '-'");
  }
  return absl::OkStatus();
}

bool IsFolderLogName(std::string_view name) {
  if (name.size() > kLogNameBytesMax) return false;
  return CheckLogName(name.starts_with('_') ? name.substr(1) : name).ok();
}

absl::Status CheckLogMeta(const LogMeta& meta) {
  if (!IsFolderLogName(meta.name)) return BadField("name", "not a log's name");
  if (meta.number == 0 || meta.number > kLogNumberMax) {
    return BadField("number",
                    fmt::format("is {}; log numbers are 1 to {}", meta.number, kLogNumberMax));
  }
  if (absl::Status origin = note::CheckOrigin(meta.origin); !origin.ok()) {
    return BadField("origin", ToStd(origin.message()));
  }
  absl::StatusOr<note::VerifierKey> key = note::VerifierKey::Parse(meta.vkey);
  if (!key.ok()) return BadField("vkey", ToStd(key.status().message()));
  if (key->type() != note::KeyType::kEd25519 || key->name() != meta.origin) {
    return BadField("vkey", "not a log's key, or its name is not the origin");
  }
  if (meta.created_at_ns < 0) return BadField("created_at_ns", "before 1970");
  return absl::OkStatus();
}

std::string FormatLogMeta(const LogMeta& meta) {
  GRAVEN_CHECK(CheckLogMeta(meta).ok());
  std::string text = FormatFields(meta);
  const std::string sum = HexEncode(Sha256(text));
  text += fmt::format("sha256: {}\n", sum);
  return text;
}

absl::StatusOr<LogMeta> ParseLogMeta(std::string_view text) {
  std::string_view rest = text;
  // First, because a newer format may have other lines.
  RETURN_IF_ERROR(CheckFirstLine(&rest));
  LogMeta meta;
  const std::optional<std::string_view> name = TakeField(&rest, "name");
  if (!name.has_value()) return Damaged("no name");
  meta.name = *name;
  const std::optional<uint64_t> number = TakeNumber(&rest, "number");
  if (!number.has_value() || *number > std::numeric_limits<uint32_t>::max()) {
    return Damaged("no number, or beyond 32 bits");
  }
  meta.number = static_cast<uint32_t>(*number);
  const std::optional<std::string_view> origin = TakeField(&rest, "origin");
  const std::optional<std::string_view> vkey = origin ? TakeField(&rest, "vkey") : std::nullopt;
  if (!vkey.has_value()) return Damaged("no origin or vkey");
  meta.origin = *origin;
  meta.vkey = *vkey;
  const std::optional<uint64_t> window = TakeNumber(&rest, "duplicate_window");
  const std::optional<uint64_t> created = TakeNumber(&rest, "created_at_ns");
  if (!window.has_value() || !created.has_value() ||
      *created > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return Damaged("no duplicate_window or created_at_ns, or beyond their range");
  }
  meta.duplicate_window = *window;
  meta.created_at_ns = static_cast<int64_t>(*created);
  const std::optional<std::string_view> key_hex = TakeField(&rest, "fingerprint_key");
  const std::optional<std::string> key = key_hex ? HexDecode(*key_hex) : std::nullopt;
  if (!key.has_value() || key->size() != meta.fingerprint_key.size()) {
    return Damaged("no fingerprint_key of 16 bytes");
  }
  std::copy(key->begin(), key->end(), meta.fingerprint_key.begin());
  // One form only: what does not format back to the same text is refused.
  const absl::Status fields = CheckLogMeta(meta);
  if (!fields.ok()) return Damaged(ToStd(fields.message()));
  if (FormatLogMeta(meta) != text) return Damaged("the sha256 line does not fit the text");
  return meta;
}

absl::Status CreateLogMeta(io::FileSystem& fs, const std::string& path, const LogMeta& meta) {
  RETURN_IF_ERROR(CheckLogMeta(meta));
  return io::CreateFileDurably(fs, path, FormatLogMeta(meta), 0600);
}

absl::StatusOr<LogMeta> ReadLogMeta(io::FileSystem& fs, const std::string& path) {
  absl::StatusOr<std::string> text = io::ReadWholeFile(fs, path, kLogMetaBytesMax);
  if (absl::IsOutOfRange(text.status())) return absl::DataLossError(text.status().message());
  if (!text.ok()) return text.status();
  absl::StatusOr<LogMeta> meta = ParseLogMeta(*text);
  if (meta.ok()) return meta;
  const std::string message = fmt::format("{}: {}", path, ToStd(meta.status().message()));
  return absl::Status(meta.status().code(), ToAbsl(message));
}

}  // namespace graven::store
