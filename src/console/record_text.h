#pragma once

#include <optional>
#include <string>

#include "console/command_context.h"
#include "console/table.h"
#include "console/terminal.h"
#include "graven/v1/audit_log_service.pb.h"
#include "record/summary.h"

// How a record is shown: one line in a tail, all its fields, or JSON. What strangers wrote is made
// safe for people, and exact in JSON.
namespace graven::console {

// A record taken apart, its hash computed anew. Views into the bytes it was read from.
struct ReadRecord {
  record::RecordHeader header;
  record::Summary summary;
  Hash hash;
};

// kDataLoss: the bytes are not a record, or `expected_hash` (32 bytes, or empty: not known) is not
// their hash.
absl::StatusOr<ReadRecord> ReadRecordBytes(std::string_view record, std::string_view expected_hash);

// One line: time, index, outcome, actor, action, target.
std::string RecordLine(const ReadRecord& record, const Terminal& terminal);

// Every field.
void WriteRecord(const ReadRecord& record, std::string_view log, Terminal& terminal);

// {"index", "received_at", "written_by", "record_hash", "previous_hash", "event_id", "event"
// (proto3 JSON with the contract's own field names), "record" (base64 of the exact bytes)}. An
// entry of the minimal contract stands as it was sent in "entry", and as every reader may take it
// in "event".
Json RecordJson(const ReadRecord& record, std::string_view bytes);

// "DURABLE", "PUBLISHED", "COSIGNED".
std::string LevelText(v1::ReceiptLevel level);

// A message as JSON with the contract's own field names; nothing when it cannot be (an Any of a
// type that we do not know).
std::optional<Json> MessageJson(const google::protobuf::Message& message);

// A message of the server's own numbers and texts, every field of it: numbers as numbers, enums by
// name, times as RFC 3339, also those that are zero or empty. (A client's event is MessageJson's.)
// A field that is optional and not set is null. REQUIRES: what is repeated is a message.
Json PlainJson(const google::protobuf::Message& message);

}  // namespace graven::console
