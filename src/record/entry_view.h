#pragma once

#include <string>
#include <string_view>

#include "record/record.h"

namespace graven::record {

// What readers of the minimal contract see of a record: the bytes of an AuditLogEntry whose hash is
// the chain link (hex of previous_hash). An Entry keeps its bytes but for hash and an empty
// event_id, which becomes the assigned one. An Event appears as actor.id, its time in UTC, and its
// action. REQUIRES: the body was accepted by CheckBody.
std::string EntryBytes(const RecordHeader& header);

// What readers of graven.v1 see of a record when they ask for events: the bytes of an Event. An
// Event keeps its bytes; an Entry appears as event_id, actor.id, action and occurred_at. An empty
// event_id becomes the assigned one. REQUIRES: the body was accepted by CheckBody.
std::string EventBytes(const RecordHeader& header);

}  // namespace graven::record
