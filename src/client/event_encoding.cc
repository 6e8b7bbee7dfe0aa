#include "client/event_encoding.h"

#include <algorithm>
#include <string>

#include "base/check.h"
#include "base/encoding.h"
#include "fmt/format.h"

namespace graven::client {
namespace {

constexpr char kLogTag = 0x0a;               // field 1, bytes
constexpr char kEventsTag = 0x12;            // field 2, bytes
constexpr char kExpectedLastHashTag = 0x1a;  // field 3, bytes
constexpr char kWantRecordHashesTag = 0x20;  // field 4, varint; of the stream's request only
constexpr char kEventIdTag = 0x0a;           // Event.event_id: field 1, bytes
constexpr uint64_t kEventIdField = 1;

// Appends a tag, a length and room for `size` bytes; returns the room.
char* AddField(char tag, size_t size, std::string* out) {
  const size_t start = out->size();
  const size_t prefix = 1 + VarintSize(size);
  out->resize(start + prefix + size);
  char* at = out->data() + start;
  *at++ = tag;
  return PutVarint(at, size);
}

void AddBytes(char tag, std::string_view bytes, std::string* out) {
  char* room = AddField(tag, bytes.size(), out);
  if (!bytes.empty()) std::memcpy(room, bytes.data(), bytes.size());
}

// Adds one element of `events`: an id, if there is one to add, and `size` bytes that the caller
// writes to the result.
char* AddElement(const std::string& id, size_t size, std::string* request) {
  if (id.empty()) return AddField(kEventsTag, size, request);
  const size_t prefix = 2 + id.size();
  GRAVEN_CHECK(id.size() < 0x80);
  char* at = AddField(kEventsTag, prefix + size, request);
  *at++ = kEventIdTag;
  *at++ = static_cast<char>(id.size());
  return std::copy(id.begin(), id.end(), at);
}

// Moves `in` behind the value of a field; false when there is no such thing.
bool SkipValue(uint64_t wire_type, std::string_view* in) {
  uint64_t size = 0;
  switch (wire_type) {
    case 0:
      return GetVarint(in, &size);
    case 1:
      size = 8;
      break;
    case 2:
      if (!GetVarint(in, &size)) return false;
      break;
    case 5:
      size = 4;
      break;
    default:
      return false;
  }
  if (size > in->size()) return false;
  in->remove_prefix(size);
  return true;
}

// Whether the event names its id. Bytes that cannot be walked count as without one: an id in front
// of them does no harm, because the server refuses them.
bool HasEventId(std::string_view event) {
  while (!event.empty()) {
    uint64_t tag = 0;
    if (!GetVarint(&event, &tag)) return false;
    if (tag == static_cast<uint64_t>(kEventIdTag)) {
      uint64_t size = 0;
      return GetVarint(&event, &size) && size > 0;
    }
    if (tag >> 3 == kEventIdField || !SkipValue(tag & 7, &event)) return false;
  }
  return false;
}

}  // namespace

void AddEvent(const v1::Event& event, EventIdSource& ids, std::string* request) {
  const std::string id = event.event_id().empty() ? ids.Next() : std::string();
  const size_t size = event.ByteSizeLong();
  char* room = AddElement(id, size, request);
  event.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(room));
}

void AddEventBytes(std::string_view event, EventIdSource& ids, std::string* request) {
  const std::string id = HasEventId(event) ? std::string() : ids.Next();
  char* room = AddElement(id, event.size(), request);
  if (!event.empty()) std::memcpy(room, event.data(), event.size());
}

void AddLog(std::string_view log, std::string* request) { AddBytes(kLogTag, log, request); }

void AddExpectedLastHash(const Hash& hash, std::string* request) {
  AddBytes(kExpectedLastHashTag, hash.view(), request);
}

void AddWantRecordHashes(std::string* request) {
  request->push_back(kWantRecordHashesTag);
  request->push_back(1);
}

std::vector<std::string_view> SplitEvents(std::string_view request) {
  std::vector<std::string_view> elements;
  while (!request.empty()) {
    std::string_view rest = request;
    GRAVEN_CHECK(rest.front() == kEventsTag);
    rest.remove_prefix(1);
    uint64_t size = 0;
    GRAVEN_CHECK(GetVarint(&rest, &size) && size <= rest.size());
    rest.remove_prefix(size);
    elements.push_back(request.substr(0, request.size() - rest.size()));
    request = rest;
  }
  return elements;
}

absl::Status CheckRequestSize(size_t events, size_t bytes) {
  if (events == 0) return absl::InvalidArgumentError("events: none given; at least 1");
  if (events > kRequestEventsMax) {
    return absl::InvalidArgumentError(
        fmt::format("events: {} in one request; at most {}", events, kRequestEventsMax));
  }
  if (bytes > kRequestBytesMax - kRequestOverheadBytesMax) {
    return absl::InvalidArgumentError(fmt::format("events: {} bytes in one request; at most {}",
                                                  bytes,
                                                  kRequestBytesMax - kRequestOverheadBytesMax));
  }
  return absl::OkStatus();
}

}  // namespace graven::client
