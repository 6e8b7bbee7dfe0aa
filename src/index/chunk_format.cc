#include "index/chunk_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/encoding.h"
#include "base/log_index.h"

namespace graven::index {
namespace {

constexpr size_t kUnicodeBytes = 16;
constexpr size_t kUnicodeAt = 32;
constexpr size_t kSectionsAt = kUnicodeAt + kUnicodeBytes;
constexpr size_t kRootAt = kSectionsAt + kSections * 16;
static_assert(kRootAt + Hash::kSize <= kChunkHeaderBytes);

constexpr size_t kNumberDigits = 20;

bool IsLevel(int level) {
  return level == kSmallLevel || level == kMiddleLevel || level == kLargeLevel;
}

std::string_view CutValue(std::string_view value) { return value.substr(0, kValueBytesMax); }

std::optional<uint64_t> ParseNumber(std::string_view digits) {
  uint64_t value = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9' || value > (UINT64_MAX - 9) / 10) return std::nullopt;
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  return value;
}

}  // namespace

std::optional<IdKind> IdKindOf(query::Field field) {
  switch (field) {
    case query::Field::kTrace:
      return IdKind::kTrace;
    case query::Field::kEventId:
      return IdKind::kEvent;
    case query::Field::kCorrelation:
      return IdKind::kCorrelation;
    case query::Field::kRequest:
      return IdKind::kRequest;
    case query::Field::kSession:
      return IdKind::kSession;
    case query::Field::kSpan:
      return IdKind::kSpan;
    default:
      return std::nullopt;
  }
}

std::optional<KeyKind> KeyKindOf(query::Field field) {
  switch (field) {
    case query::Field::kActorId:
      return KeyKind::kActorId;
    case query::Field::kActorType:
      return KeyKind::kActorType;
    case query::Field::kActorName:
      return KeyKind::kActorName;
    case query::Field::kAction:
      return KeyKind::kAction;
    case query::Field::kTargetType:
      return KeyKind::kTargetType;
    case query::Field::kTargetId:
      return KeyKind::kTargetId;
    case query::Field::kTargetName:
      return KeyKind::kTargetName;
    case query::Field::kOutcome:
      return KeyKind::kOutcome;
    case query::Field::kService:
      return KeyKind::kService;
    case query::Field::kIp:
      return KeyKind::kIp;
    case query::Field::kLabel:
      return KeyKind::kLabel;
    case query::Field::kWrittenBy:
      return KeyKind::kWrittenBy;
    default:
      return std::nullopt;
  }
}

std::optional<size_t> ColumnOf(KeyKind kind) {
  switch (kind) {
    case KeyKind::kActorId:
      return 0;
    case KeyKind::kAction:
      return 1;
    case KeyKind::kOutcome:
      return 2;
    default:
      return std::nullopt;
  }
}

void MakeKey(KeyKind kind, std::string_view value, std::string* key) {
  key->assign(1, static_cast<char>(kind));
  key->append(CutValue(value));
}

bool MakeLabelKey(std::string_view label_key, std::string_view value, std::string* key) {
  if (label_key.size() > query::kLabelKeyBytesMax) return false;
  key->assign(1, static_cast<char>(KeyKind::kLabel));
  key->push_back(static_cast<char>(label_key.size()));
  key->append(label_key);
  key->append(CutValue(value));
  return true;
}

void MakeNetworkKey(const query::Network& address, uint8_t bits, std::string* key) {
  key->assign(1, static_cast<char>(KeyKind::kNetwork));
  key->push_back(static_cast<char>(bits));
  const size_t whole = bits / 8;
  key->append(reinterpret_cast<const char*>(address.address.data()), whole);
  key->append(address.address.size() - whole, '\0');
}

bool IsV4(const query::Network& address) {
  constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  return std::memcmp(address.address.data(), kMapped, sizeof(kMapped)) == 0;
}

void EncodeHeader(const ChunkHeader& header, char* out) {
  GRAVEN_CHECK(header.unicode_version.size() <= kUnicodeBytes);
  std::memset(out, 0, kChunkHeaderBytes);
  std::memcpy(out, kChunkMagic.data(), kChunkMagic.size());
  PutFixed32(out + 8, kChunkVersion);
  PutFixed32(out + 12, static_cast<uint32_t>(header.level));
  PutFixed64(out + 16, header.first);
  PutFixed64(out + 24, header.terms);
  std::memcpy(out + kUnicodeAt, header.unicode_version.data(), header.unicode_version.size());
  std::memcpy(out + kRootAt, header.subtree_root.bytes.data(), Hash::kSize);
  for (size_t i = 0; i < kSections; ++i) {
    PutFixed64(out + kSectionsAt + i * 16, header.sections[i].offset);
    PutFixed64(out + kSectionsAt + i * 16 + 8, header.sections[i].bytes);
  }
}

std::optional<ChunkHeader> ParseHeader(std::string_view bytes, uint64_t content_bytes) {
  if (bytes.size() < kChunkHeaderBytes || !bytes.starts_with(kChunkMagic)) return std::nullopt;
  if (GetFixed32(bytes.data() + 8) != kChunkVersion) return std::nullopt;
  ChunkHeader header;
  header.level = static_cast<int>(GetFixed32(bytes.data() + 12));
  header.first = GetFixed64(bytes.data() + 16);
  header.terms = GetFixed64(bytes.data() + 24);
  if (!IsLevel(header.level) || header.first % header.count() != 0 ||
      header.first >= kLogIndexLimit) {
    return std::nullopt;
  }
  // A term takes four bytes at least.
  if (header.terms > content_bytes) return std::nullopt;
  header.unicode_version = std::string(bytes.substr(kUnicodeAt, kUnicodeBytes).data(),
                                       strnlen(bytes.data() + kUnicodeAt, kUnicodeBytes));
  header.subtree_root = Hash::FromBytes(bytes.substr(kRootAt, Hash::kSize));
  for (size_t i = 0; i < kSections; ++i) {
    Extent& extent = header.sections[i];
    extent.offset = GetFixed64(bytes.data() + kSectionsAt + i * 16);
    extent.bytes = GetFixed64(bytes.data() + kSectionsAt + i * 16 + 8);
    if (extent.offset < kChunkHeaderBytes || extent.offset > content_bytes ||
        extent.bytes > content_bytes - extent.offset) {
      return std::nullopt;
    }
  }
  return header;
}

std::string ChunkFileName(uint64_t first, int level) {
  return fmt::format("{:020}-{:020}", first, first + (uint64_t{1} << level));
}

std::optional<ChunkPlace> ParseChunkFileName(std::string_view name) {
  if (name.size() != 2 * kNumberDigits + 1 || name[kNumberDigits] != '-') return std::nullopt;
  const std::optional<uint64_t> first = ParseNumber(name.substr(0, kNumberDigits));
  const std::optional<uint64_t> end = ParseNumber(name.substr(kNumberDigits + 1));
  if (!first || !end) return std::nullopt;
  for (const int level : {kMiddleLevel, kLargeLevel}) {
    const uint64_t count = uint64_t{1} << level;
    if (*first % count == 0 && *first < kLogIndexLimit && *end == *first + count) {
      return ChunkPlace{*first, level};
    }
  }
  return std::nullopt;
}

}  // namespace graven::index
