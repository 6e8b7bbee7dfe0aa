#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "query/expression.h"
#include "query/field.h"

// The bytes of an index file (docs/format.md, section "Search index").
namespace graven::index {

inline constexpr uint32_t kChunkVersion = 2;
inline constexpr std::string_view kChunkMagic = "GRAVENX1";
inline constexpr size_t kBlockBytes = size_t{64} << 10;

// A chunk covers 2^level leaves from a multiple of that on. The small ones are in memory only.
inline constexpr int kSmallLevel = 12;
inline constexpr int kMiddleLevel = 16;
inline constexpr int kLargeLevel = 20;
inline constexpr int kMergedLevels = 4;  // sixteen of one make one of the next
inline constexpr size_t kMergedChunks = size_t{1} << kMergedLevels;

// Of a record; what is beyond is not in the index, and the record is a candidate of every query.
inline constexpr size_t kRecordTermsMax = 128;
// Of the terms that come new within 2^12 records from a multiple of that on, of the kinds of which
// a record may have many (targets, labels, words): the bytes of the keys, and so many for each
// beside. What is beyond is left out in the same way. Strangers fill this; ordinary records have a
// tenth.
inline constexpr size_t kRunTermBytesMax = size_t{4} << 20;
inline constexpr size_t kTermCostBytes = 32;
// Of a value. A longer one stands for all that begin with these bytes.
inline constexpr size_t kValueBytesMax = 128;
inline constexpr size_t kKeyBytesMax = 2 + query::kLabelKeyBytesMax + kValueBytesMax;

// Terms fill pages of about this size.
inline constexpr size_t kPageBytes = 4096;
// Leaves of a term: so many beside it in its page; so many as a list; more as a Roaring bitmap.
inline constexpr uint64_t kInlineLeavesMax = 4;
inline constexpr uint64_t kListLeavesMax = 256;

inline constexpr uint64_t kTimesPerGroup = 128;
inline constexpr uint64_t kOccurredPerGroup = 4096;

// Ids that hardly ever come twice: 32 bits of each, not the id.
enum class IdKind : uint8_t { kTrace, kEvent, kCorrelation, kRequest, kSession, kSpan };
inline constexpr size_t kIdKinds = 6;
std::optional<IdKind> IdKindOf(query::Field field);

// What a key begins with.
enum class KeyKind : uint8_t {
  kActorId = 1,
  kActorType = 2,
  kActorName = 3,
  kAction = 4,
  kTargetType = 5,
  kTargetId = 6,
  kTargetName = 7,
  kOutcome = 8,
  kService = 9,
  kIp = 10,
  kLabel = 11,
  kWrittenBy = 12,
  kWord = 13,
  kNetwork = 14,
  kSeveralTargets = 15,  // without a value: records with more than one target
  kOverfull = 16,        // without a value: records with more than kRecordTermsMax terms
};
// Nothing for a field that has no terms.
std::optional<KeyKind> KeyKindOf(query::Field field);

// A key with the value in it, cut.
void MakeKey(KeyKind kind, std::string_view value, std::string* key);
// The value lies behind the label's key. False: the label's key is too long for the index.
bool MakeLabelKey(std::string_view label_key, std::string_view value, std::string* key);
// The first `bits` of an address.
void MakeNetworkKey(const query::Network& address, uint8_t bits, std::string* key);

// The lengths of prefixes that are in the index for an address; the last is all of it.
inline constexpr std::array<uint8_t, 4> kNetworkBitsV4 = {104, 112, 120, 128};
inline constexpr std::array<uint8_t, 4> kNetworkBitsV6 = {32, 48, 64, 128};
bool IsV4(const query::Network& address);

enum class Section : uint8_t {
  kPages,
  kDirectory,
  kPostings,
  kActors,
  kActions,
  kOutcomes,
  kTimes,
  kOccurred,
  kFrequent,
  kIds,  // and the five that follow, in the order of IdKind
};
inline constexpr size_t kSections = static_cast<size_t>(Section::kIds) + kIdKinds;

// The three columns: kActors and those behind it.
inline constexpr size_t kColumns = 3;
std::optional<size_t> ColumnOf(KeyKind kind);

struct Extent {
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

struct ChunkHeader {
  uint64_t first = 0;
  int level = 0;
  uint64_t terms = 0;
  std::string unicode_version;  // at most 16 bytes
  // Of the tree over exactly these records: what the chunk is about. Zeros in memory.
  Hash subtree_root;
  std::array<Extent, kSections> sections;

  uint64_t count() const { return uint64_t{1} << level; }
  const Extent& section(Section which) const { return sections[static_cast<size_t>(which)]; }
  const Extent& ids(IdKind kind) const {
    return sections[static_cast<size_t>(Section::kIds) + static_cast<size_t>(kind)];
  }
};

inline constexpr size_t kChunkHeaderBytes = 512;
void EncodeHeader(const ChunkHeader& header, char* out);
// Nothing: not a header of this version, or one whose sections do not lie within `content_bytes`.
std::optional<ChunkHeader> ParseHeader(std::string_view bytes, uint64_t content_bytes);

// What names a chunk's file: "<first>-<end>", 20 decimal digits each.
std::string ChunkFileName(uint64_t first, int level);
struct ChunkPlace {
  uint64_t first = 0;
  int level = 0;
  uint64_t end() const { return first + (uint64_t{1} << level); }
};
std::optional<ChunkPlace> ParseChunkFileName(std::string_view name);

}  // namespace graven::index
