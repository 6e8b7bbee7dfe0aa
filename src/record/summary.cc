#include "record/summary.h"

#include "base/status_macros.h"
#include "fmt/format.h"
#include "record/wire.h"

namespace graven::record {
namespace {

// Calls `take(field)` for each field of `message`.
template <typename Take>
absl::Status EachField(std::string_view message, Take take) {
  WireReader reader(message);
  WireField field;
  while (!reader.done()) {
    if (!reader.ReadField(&field)) return absl::InvalidArgumentError("body: not readable");
    take(field);
  }
  return absl::OkStatus();
}

absl::Status ReadActor(std::string_view bytes, Summary* summary) {
  return EachField(bytes, [&](const WireField& field) {
    if (field.number == 1) summary->actor_id = field.bytes;
    if (field.number == 2) summary->actor_type = field.bytes;
    if (field.number == 3) summary->actor_name = field.bytes;
  });
}

absl::Status ReadFirstTarget(std::string_view bytes, Summary* summary) {
  return EachField(bytes, [&](const WireField& field) {
    if (field.number == 1) summary->target_type = field.bytes;
    if (field.number == 2) summary->target_id = field.bytes;
    if (field.number == 3) summary->target_name = field.bytes;
  });
}

absl::Status ReadTime(std::string_view bytes, Summary* summary) {
  return EachField(bytes, [&](const WireField& field) {
    if (field.number == 1) summary->occurred_at.seconds = static_cast<int64_t>(field.value);
    if (field.number == 2) summary->occurred_at.nanos = static_cast<int32_t>(field.value);
  });
}

absl::Status ReadEventField(const WireField& field, Summary* summary) {
  switch (field.number) {
    case 1:
      if (!field.bytes.empty()) summary->event_id = field.bytes;
      return absl::OkStatus();
    case 2:
      return ReadActor(field.bytes, summary);
    case 3:
      summary->action = field.bytes;
      return absl::OkStatus();
    case 4:
      if (++summary->target_count > 1) return absl::OkStatus();
      return ReadFirstTarget(field.bytes, summary);
    case 5:
      return ReadTime(field.bytes, summary);
    case 6:
      summary->outcome = static_cast<int32_t>(field.value);
      return absl::OkStatus();
    case 7:
      summary->outcome_reason = field.bytes;
      return absl::OkStatus();
    case 8:
      return EachField(field.bytes, [&](const WireField& inner) {
        if (inner.number == 1) summary->service = inner.bytes;
      });
    default:
      return absl::OkStatus();
  }
}

void ReadEntryField(const WireField& field, Summary* summary) {
  if (field.number == 1 && !field.bytes.empty()) summary->event_id = field.bytes;
  if (field.number == 2) summary->actor_id = field.bytes;
  if (field.number == 3) summary->occurred_at = ParseRfc3339(field.bytes).value_or(TimePoint());
  if (field.number == 4) summary->action = field.bytes;
}

}  // namespace

absl::StatusOr<Summary> Summarize(const RecordHeader& header) {
  Summary summary;
  summary.event_id = header.assigned_event_id;
  absl::Status inner;
  RETURN_IF_ERROR(EachField(header.body, [&](const WireField& field) {
    if (header.kind == BodyKind::kEntry) {
      ReadEntryField(field, &summary);
    } else {
      inner.Update(ReadEventField(field, &summary));
    }
  }));
  RETURN_IF_ERROR(inner);
  return summary;
}

std::string OutcomeText(int32_t outcome) {
  switch (outcome) {
    case 0:
      return "";
    case 1:
      return "success";
    case 2:
      return "failure";
    case 3:
      return "denied";
    default:
      return fmt::format("{}", outcome);
  }
}

}  // namespace graven::record
