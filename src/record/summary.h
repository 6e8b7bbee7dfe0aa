#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "record/record.h"
#include "record/time_text.h"

namespace graven::record {

// What a table shows of one record. Views into the record; "" for what is not said. The texts are a
// stranger's: SafeText before showing.
struct Summary {
  std::string_view event_id;  // the client's, or the assigned one
  std::string_view actor_id;
  std::string_view actor_type;
  std::string_view actor_name;
  std::string_view action;
  std::string_view target_type;  // of the first target
  std::string_view target_id;
  std::string_view target_name;
  uint32_t target_count = 0;
  int32_t outcome = 0;  // graven.v1.Outcome
  std::string_view outcome_reason;
  std::string_view service;
  TimePoint occurred_at;
};

// Reads the summary out of a record's body on the wire.
// kInvalidArgument: the body is not readable.
absl::StatusOr<Summary> Summarize(const RecordHeader& header);

// "success", "failure", "denied", "" for unspecified, the number for another value.
std::string OutcomeText(int32_t outcome);

}  // namespace graven::record
