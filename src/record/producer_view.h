#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "record/record.h"

namespace graven::record {

// graven.v1.ProducerRecordKind.
enum class ProducerRecordKind : int32_t { kEvent = 0, kOpen = 1, kHeartbeat = 2, kClose = 3 };

// What an event says of its place in the stream of its producer.
struct ProducerView {
  std::string_view id;  // into the record
  uint64_t epoch = 0;
  uint64_t sequence = 0;
  ProducerRecordKind kind = ProducerRecordKind::kEvent;
};

// Reads it out of a record's body; nothing when the body names no producer, or one without an id,
// or cannot be read. A kind that this version does not know counts as an event.
std::optional<ProducerView> ReadProducer(const RecordHeader& header);

}  // namespace graven::record
