#include "query/record_view.h"

#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "record/record.h"
#include "record/wire.h"

namespace graven::query {
namespace {

using record::WireField;
using record::WireReader;

// Deeper than any Struct that a log accepts.
constexpr int kStructDepthMax = 100;

// Calls `take(field)` for each field of `message`; false when it is not readable.
template <typename Take>
bool EachField(std::string_view message, Take take) {
  WireReader reader(message);
  WireField field;
  while (!reader.done()) {
    if (!reader.ReadField(&field)) return false;
    take(field);
  }
  return true;
}

bool ReadThreeTexts(std::string_view message, std::string_view* first, std::string_view* second,
                    std::string_view* third) {
  return EachField(message, [&](const WireField& field) {
    if (field.number == 1) *first = field.bytes;
    if (field.number == 2) *second = field.bytes;
    if (field.number == 3) *third = field.bytes;
  });
}

bool ReadTime(std::string_view message, record::TimePoint* time) {
  return EachField(message, [&](const WireField& field) {
    if (field.number == 1) time->seconds = static_cast<int64_t>(field.value);
    if (field.number == 2) time->nanos = static_cast<int32_t>(field.value);
  });
}

// Where the texts of an Event stand that are fields of its own.
std::string_view* TextOfEvent(uint32_t number, RecordView* view) {
  switch (number) {
    case 3:
      return &view->action;
    case 7:
      return &view->reason;
    case 9:
      return &view->trace;
    case 10:
      return &view->span;
    case 11:
      return &view->parent_span;
    case 12:
      return &view->request;
    case 13:
      return &view->session;
    case 14:
      return &view->correlation;
    case 17:
      return &view->details_struct;
    default:
      return nullptr;
  }
}

bool ReadEventField(const WireField& field, RecordView* view) {
  if (std::string_view* text = TextOfEvent(field.number, view)) {
    *text = field.bytes;
    return true;
  }
  std::string_view other;
  switch (field.number) {
    case 1:
      if (!field.bytes.empty()) view->event_id = field.bytes;
      return true;
    case 2:
      return ReadThreeTexts(field.bytes, &view->actor_id, &view->actor_type, &view->actor_name);
    case 4: {
      RecordView::Target& target = view->targets.emplace_back();
      return ReadThreeTexts(field.bytes, &target.type, &target.id, &target.name);
    }
    case 5:
      return ReadTime(field.bytes, &view->occurred_at);
    case 6:
      view->outcome = static_cast<int32_t>(field.value);
      return true;
    case 8:
      return ReadThreeTexts(field.bytes, &view->service, &view->ip, &other);
    case 16: {
      RecordView::Label& label = view->labels.emplace_back();
      return ReadThreeTexts(field.bytes, &label.key, &label.value, &other);
    }
    default:
      return true;
  }
}

void ReadEntryField(const WireField& field, RecordView* view) {
  if (field.number == 1 && !field.bytes.empty()) view->event_id = field.bytes;
  if (field.number == 2) view->actor_id = field.bytes;
  if (field.number == 3) {
    view->occurred_at = record::ParseRfc3339(field.bytes).value_or(record::TimePoint());
  }
  if (field.number == 4) view->action = field.bytes;
}

void CollectValue(std::string_view value, int depth, std::vector<std::string_view>* texts);

void CollectStruct(std::string_view message, int depth, std::vector<std::string_view>* texts) {
  EachField(message, [&](const WireField& entry) {
    if (entry.number != 1) return;
    EachField(entry.bytes, [&](const WireField& field) {
      if (field.number == 2) CollectValue(field.bytes, depth + 1, texts);
    });
  });
}

// What is not readable is left out: a log accepts nothing such.
void CollectValue(std::string_view value, int depth, std::vector<std::string_view>* texts) {
  if (depth > kStructDepthMax) return;
  EachField(value, [&](const WireField& field) {
    if (field.number == 3 && !field.bytes.empty()) texts->push_back(field.bytes);
    if (field.number == 5) CollectStruct(field.bytes, depth + 1, texts);
    if (field.number == 6) {
      EachField(field.bytes, [&](const WireField& element) {
        if (element.number == 1) CollectValue(element.bytes, depth + 1, texts);
      });
    }
  });
}

}  // namespace

absl::Status RecordView::Read(std::string_view record) {
  // What was read before goes; the two lists keep their memory.
  RecordView empty;
  empty.targets.swap(targets);
  empty.labels.swap(labels);
  empty.targets.clear();
  empty.labels.clear();
  *this = std::move(empty);

  ASSIGN_OR_RETURN(const record::RecordHeader header, record::Decode(record));
  index = header.index;
  received_at_ns = header.received_at_ns;
  written_by = header.written_by;
  event_id = header.assigned_event_id;
  bool readable = true;
  const bool walked = EachField(header.body, [&](const WireField& field) {
    if (header.kind == record::BodyKind::kEntry) {
      ReadEntryField(field, this);
    } else if (!ReadEventField(field, this)) {
      readable = false;
    }
  });
  if (walked && readable) return absl::OkStatus();
  return absl::InvalidArgumentError("body: not readable");
}

std::string_view RecordView::Value(Field field) const {
  switch (field) {
    case Field::kActorId:
      return actor_id;
    case Field::kActorType:
      return actor_type;
    case Field::kActorName:
      return actor_name;
    case Field::kAction:
      return action;
    case Field::kReason:
      return reason;
    case Field::kService:
      return service;
    case Field::kIp:
      return ip;
    case Field::kTrace:
      return trace;
    case Field::kSpan:
      return span;
    case Field::kRequest:
      return request;
    case Field::kSession:
      return session;
    case Field::kCorrelation:
      return correlation;
    case Field::kEventId:
      return event_id;
    case Field::kWrittenBy:
      return written_by;
    case Field::kTargetType:
    case Field::kTargetId:
    case Field::kTargetName:
    case Field::kOutcome:
    case Field::kLabel:
    case Field::kTime:
    case Field::kOccurred:
    case Field::kIndex:
    case Field::kText:
      break;
  }
  GRAVEN_CHECK(false);
}

void RecordView::CollectStructTexts(std::vector<std::string_view>* texts) const {
  CollectStruct(details_struct, 0, texts);
}

}  // namespace graven::query
