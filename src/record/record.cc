#include "record/record.h"

#include <cstring>
#include <string>

#include "base/check.h"
#include "base/encoding.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "record/utf8.h"
#include "record/wire.h"

namespace graven::record {
namespace {

constexpr char kIndexTag = 1 << 3 | 0;
constexpr char kReceivedAtTag = 2 << 3 | 1;
constexpr char kPreviousHashTag = 3 << 3 | 2;
constexpr char kWrittenByTag = 4 << 3 | 2;
constexpr char kAssignedEventIdTag = 5 << 3 | 2;
constexpr char kTraceparentTag = 6 << 3 | 2;
constexpr char kEntryTag = 14 << 3 | 2;
constexpr char kEventTag = 15 << 3 | 2;

constexpr size_t BytesFieldSize(size_t bytes) {
  return bytes == 0 ? 0 : 1 + VarintSize(bytes) + bytes;
}

// The largest record that can be made of accepted parts. The limit on bodies therefore never
// depends on the index or the writer.
constexpr size_t kWorstCase = 1 + VarintSize(kLogIndexLimit - 1) + 1 + 8 + kPreviousHashFieldBytes +
                              BytesFieldSize(kWrittenByBytesMax) +
                              BytesFieldSize(kAssignedEventIdBytesMax) +
                              BytesFieldSize(kTraceparentBytesMax) + BytesFieldSize(kBodyBytesMax);
static_assert(kWorstCase <= kRecordBytesMax);

char* PutBytes(char* out, std::string_view bytes) {
  if (!bytes.empty()) std::memcpy(out, bytes.data(), bytes.size());
  return out + bytes.size();
}

char* PutText(char* out, char tag, std::string_view text) {
  if (text.empty()) return out;
  *out++ = tag;
  return PutBytes(PutVarint(out, text.size()), text);
}

char* PutPreviousHash(char* out, const Hash& hash) {
  *out++ = kPreviousHashTag;
  *out++ = static_cast<char>(Hash::kSize);
  return PutBytes(out, hash.view());
}

absl::Status Malformed(std::string_view field, std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("record: {} {}", field, what));
}

// Takes the tag of an optional field if it is the next byte.
bool TakeTag(std::string_view* rest, char tag) {
  if (rest->empty() || rest->front() != tag) return false;
  rest->remove_prefix(1);
  return true;
}

absl::Status TakeBytes(std::string_view* rest, std::string_view field, size_t bytes_max,
                       std::string_view* bytes) {
  uint64_t size;
  if (!GetVarint(rest, &size)) return Malformed(field, "has no readable length");
  if (size > bytes_max) {
    return Malformed(field, fmt::format("is {} bytes; at most {}", size, bytes_max));
  }
  if (size > rest->size()) return Malformed(field, "ends after the record");
  *bytes = rest->substr(0, size);
  rest->remove_prefix(size);
  return absl::OkStatus();
}

absl::Status TakeText(std::string_view* rest, char tag, std::string_view field, size_t bytes_max,
                      std::string_view* text) {
  if (!TakeTag(rest, tag)) return absl::OkStatus();
  RETURN_IF_ERROR(TakeBytes(rest, field, bytes_max, text));
  if (text->empty()) return Malformed(field, "is written out although empty");
  if (!IsUtf8(*text)) return Malformed(field, "is not UTF-8");
  return absl::OkStatus();
}

absl::Status TakeNumbers(std::string_view* rest, RecordHeader* header) {
  if (TakeTag(rest, kIndexTag)) {
    uint64_t index;
    if (!GetVarint(rest, &index)) return Malformed("index", "is not a minimal varint");
    if (index == 0) return Malformed("index", "is written out although 0");
    if (index >= kLogIndexLimit) return Malformed("index", "is not below 2^63");
    header->index = LogIndex(index);
  }
  if (TakeTag(rest, kReceivedAtTag)) {
    if (rest->size() < 8) return Malformed("received_at", "ends after the record");
    uint64_t ns = GetFixed64(rest->data());
    if (ns == 0) return Malformed("received_at", "is written out although 0");
    if (ns >> 63 != 0) return Malformed("received_at", "is not below 2^63");
    header->received_at_ns = static_cast<int64_t>(ns);
    rest->remove_prefix(8);
  }
  return absl::OkStatus();
}

// Bytes that index and time take at the front of a record, never more than there are.
size_t NumbersSize(std::string_view record) {
  std::string_view rest = record;
  uint64_t index;
  if (TakeTag(&rest, kIndexTag) && !GetVarint(&rest, &index)) return 0;
  if (rest.size() >= 9 && rest.front() == kReceivedAtTag) rest.remove_prefix(9);
  return record.size() - rest.size();
}

}  // namespace

size_t EncodedSize(const RecordHeader& header) {
  size_t index_size = header.index.value == 0 ? 0 : 1 + VarintSize(header.index.value);
  size_t received_at_size = header.received_at_ns == 0 ? 0 : 9;
  return index_size + received_at_size + kPreviousHashFieldBytes +
         BytesFieldSize(header.written_by.size()) +
         BytesFieldSize(header.assigned_event_id.size()) +
         BytesFieldSize(header.traceparent.size()) + 1 + VarintSize(header.body.size()) +
         header.body.size();
}

char* Encode(const RecordHeader& header, char* out) {
  GRAVEN_CHECK(header.index.value < kLogIndexLimit && header.received_at_ns >= 0);
  GRAVEN_CHECK(header.written_by.size() <= kWrittenByBytesMax);
  GRAVEN_CHECK(header.assigned_event_id.size() <= kAssignedEventIdBytesMax);
  GRAVEN_CHECK(header.traceparent.size() <= kTraceparentBytesMax);
  GRAVEN_CHECK(header.body.size() <= kBodyBytesMax);
  if (header.index.value != 0) {
    *out++ = kIndexTag;
    out = PutVarint(out, header.index.value);
  }
  if (header.received_at_ns != 0) {
    *out++ = kReceivedAtTag;
    PutFixed64(out, static_cast<uint64_t>(header.received_at_ns));
    out += 8;
  }
  out = PutPreviousHash(out, header.previous_hash);
  out = PutText(out, kWrittenByTag, header.written_by);
  out = PutText(out, kAssignedEventIdTag, header.assigned_event_id);
  out = PutText(out, kTraceparentTag, header.traceparent);
  // The member of the oneof is written even when empty: that is what says which one it is.
  *out++ = header.kind == BodyKind::kEntry ? kEntryTag : kEventTag;
  return PutBytes(PutVarint(out, header.body.size()), header.body);
}

absl::StatusOr<RecordHeader> Decode(std::string_view bytes) {
  if (bytes.size() > kRecordBytesMax) {
    return Malformed("it", fmt::format("is {} bytes; at most {}", bytes.size(), kRecordBytesMax));
  }
  RecordHeader header;
  std::string_view rest = bytes;
  RETURN_IF_ERROR(TakeNumbers(&rest, &header));
  if (rest.size() < kPreviousHashFieldBytes || rest[0] != kPreviousHashTag ||
      rest[1] != static_cast<char>(Hash::kSize)) {
    return Malformed("previous_hash", "is not there as 32 bytes");
  }
  header.previous_hash = Hash::FromBytes(rest.substr(2, Hash::kSize));
  rest.remove_prefix(kPreviousHashFieldBytes);
  RETURN_IF_ERROR(
      TakeText(&rest, kWrittenByTag, "written_by", kWrittenByBytesMax, &header.written_by));
  RETURN_IF_ERROR(TakeText(&rest, kAssignedEventIdTag, "assigned_event_id",
                           kAssignedEventIdBytesMax, &header.assigned_event_id));
  RETURN_IF_ERROR(
      TakeText(&rest, kTraceparentTag, "traceparent", kTraceparentBytesMax, &header.traceparent));
  if (TakeTag(&rest, kEntryTag)) {
    header.kind = BodyKind::kEntry;
  } else if (TakeTag(&rest, kEventTag)) {
    header.kind = BodyKind::kEvent;
  } else {
    return Malformed("body", "is neither entry nor event, or a field is out of place before it");
  }
  RETURN_IF_ERROR(TakeBytes(&rest, "body", kBodyBytesMax, &header.body));
  if (!rest.empty()) return Malformed("body", "is followed by more bytes");
  return header;
}

Hash RecordHash(std::string_view record) { return Sha256Prefixed(0x00, record); }

Hash GenesisHash(std::string_view origin) {
  std::string text = "graven/genesis/v1\n";
  text.append(origin);
  return Sha256(text);
}

size_t PreviousHashOffset(std::string_view record) { return NumbersSize(record) + 2; }

char* StripPreviousHash(std::string_view record, char* out) {
  size_t front = NumbersSize(record);
  GRAVEN_CHECK(record.size() >= front + kPreviousHashFieldBytes);
  out = PutBytes(out, record.substr(0, front));
  return PutBytes(out, record.substr(front + kPreviousHashFieldBytes));
}

char* RestorePreviousHash(std::string_view stripped, const Hash& previous_hash, char* out) {
  size_t front = NumbersSize(stripped);
  out = PutBytes(out, stripped.substr(0, front));
  out = PutPreviousHash(out, previous_hash);
  return PutBytes(out, stripped.substr(front));
}

}  // namespace graven::record
