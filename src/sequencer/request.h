#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/hash.h"
#include "record/record.h"

namespace graven::sequencer {

// One event on its way into the log: checked against the rules, the client's bytes as they came.
struct NewEvent {
  record::BodyKind kind = record::BodyKind::kEvent;
  std::string_view body;
  // The id by which it is found again: the client's own, or the one that the server made.
  std::string_view event_id;
  // The server made it: it goes into the record beside the body.
  bool id_assigned = false;
  // The body names no trace: the call's traceparent, if any, goes into the record.
  bool wants_traceparent = false;
};

// One request to append: all of it or nothing, at consecutive indexes. Everything that every node
// of a replicated log must agree on is fixed in here before it is put in order. The views stay
// valid until the request has been answered; whoever submits it owns the memory.
struct Request {
  uint32_t log_number = 0;
  // The time by the clock of the node that received it.
  int64_t proposed_at_ns = 0;
  std::string_view written_by;
  std::string_view traceparent;
  // The hash of the record that the writer believes to be the last.
  std::optional<Hash> expected_last_hash;
  std::span<const NewEvent> events;
  // What it counts against the queue's limit.
  size_t bytes = 0;
  // The submitter's own; the sequencer and the ledger do not look at it.
  void* owner = nullptr;
};

}  // namespace graven::sequencer
