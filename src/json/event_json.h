#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/hash.h"
#include "json/message_types.h"

// Records and events as proto3 JSON, both ways. Thread-safe: pure functions.
namespace graven::json {

// An Event's bytes as proto3 JSON: names in lowerCamelCase, 64-bit numbers as strings, bytes as
// base64, times as RFC 3339, enums by name, Struct as the object that it is, members of maps by
// key. The same bytes give the same text. An Any whose type is not known is
// {"typeUrl": ..., "value": base64}, which no other Any looks like. Unknown fields are not shown.
// Nothing for bytes that are no Event.
std::optional<std::string> EventJson(const MessageTypes& types, std::string_view event);

// A record for people and scripts, beside the bytes that count: {"record", "recordHash",
// "recordHashHex", "receivedAt", "parsed": the Record, "event": the body as an Event whichever
// contract it came by}. The last two are missing when the bytes are no record.
std::string RecordJson(const MessageTypes& types, std::string_view record, const Hash& hash);

// The bytes of the Event that `text` says in proto3 JSON (names in either spelling). The same text
// gives the same bytes; so does the same event in another order of members.
// kInvalidArgument, EVENT_INVALID by engine's words: `field` of the problem in the payload-free
// form "field: what is wrong"; never repeats values.
struct JsonProblem {
  std::string field;  // "" when the text is no JSON
  std::string description;
};
bool EventFromJson(const MessageTypes& types, std::string_view text, std::string* event,
                   JsonProblem* problem);

}  // namespace graven::json
