#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/hash.h"
#include "base/log_index.h"
#include "record/rules.h"

// The bytes of one record, the leaf of the tree: a graven.v1.Record with its fields in ascending
// order, proto3 defaults omitted, minimal varints. docs/format.md has a golden one.
//
// Thread: pure functions. Invariant: Decode accepts exactly what Encode makes, so that one record
// has one form and one hash.

namespace graven::record {

// Which member of Record's oneof the body is; the value is its field number.
enum class BodyKind : uint8_t { kEntry = 14, kEvent = 15 };

inline constexpr size_t kWrittenByBytesMax = 256;
inline constexpr size_t kAssignedEventIdBytesMax = 36;
inline constexpr size_t kTraceparentBytesMax = 55;

// A record taken apart. The views belong to whoever gave the bytes.
struct RecordHeader {
  LogIndex index;
  int64_t received_at_ns = 0;
  Hash previous_hash;
  std::string_view written_by;
  std::string_view assigned_event_id;  // "" when the client sent an id
  std::string_view traceparent;        // "" when there is none
  BodyKind kind = BodyKind::kEvent;
  std::string_view body;
};

// Bytes that Encode writes.
size_t EncodedSize(const RecordHeader& header);

// Writes the record; returns the byte after it.
// REQUIRES (checked): the limits above, index < 2^63, received_at_ns >= 0. The texts must be UTF-8.
char* Encode(const RecordHeader& header, char* out);

// Takes a record apart; the views point into `bytes`. The body itself is not walked (CheckBody).
// kInvalidArgument: not what Encode makes; says what and where.
absl::StatusOr<RecordHeader> Decode(std::string_view bytes);

// The leaf of the tree and the link of the chain: SHA-256(0x00 || record).
Hash RecordHash(std::string_view record);

// The previous_hash of a log's first record: SHA-256("graven/genesis/v1\n" || origin).
Hash GenesisHash(std::string_view origin);

// Where the 32 bytes of previous_hash stand in a record: only index and time come before them.
// REQUIRES: `record` is a record.
size_t PreviousHashOffset(std::string_view record);

// Segments store records without the field previous_hash (34 bytes with tag and length), which the
// hash rows give back. StripPreviousHash writes record.size() - kPreviousHashFieldBytes bytes and
// returns the end. REQUIRES: `record` is a record.
inline constexpr size_t kPreviousHashFieldBytes = 34;
char* StripPreviousHash(std::string_view record, char* out);

// The inverse: writes stripped.size() + kPreviousHashFieldBytes bytes and returns the end. Damaged
// input gives some bytes of that length; the hash shows it.
char* RestorePreviousHash(std::string_view stripped, const Hash& previous_hash, char* out);

}  // namespace graven::record
