#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "base/hash.h"
#include "client/event_id_source.h"
#include "graven/v1/event.pb.h"

namespace graven::client {

// The wire form of AppendRequest and AppendStreamRequest, made without building the messages: both
// have the log as field 1, the events as field 2 and the precondition as field 3.

inline constexpr size_t kRequestBytesMax = 4 << 20;
inline constexpr size_t kRequestEventsMax = 8192;
// Room in a request for all that is not events.
inline constexpr size_t kRequestOverheadBytesMax = 1024;

// Appends `event` as one more element of `events`, with an id in front of it when it has none:
// protobuf accepts fields in any order.
void AddEvent(const v1::Event& event, EventIdSource& ids, std::string* request);
// The same for serialised events. Bytes that are no message are sent on, for the server to refuse.
void AddEventBytes(std::string_view event, EventIdSource& ids, std::string* request);

void AddLog(std::string_view log, std::string* request);
void AddExpectedLastHash(const Hash& hash, std::string* request);
void AddWantRecordHashes(std::string* request);

// The elements of `events`, each with its tag and length, of a request made of AddEvent alone.
std::vector<std::string_view> SplitEvents(std::string_view request);

// kInvalidArgument when a request with `bytes` of events is larger than the server takes.
absl::Status CheckRequestSize(size_t events, size_t bytes);

}  // namespace graven::client
