#include "console/record_text.h"

#include <algorithm>

#include "base/absl_views.h"
#include "base/check.h"
#include "base/encoding.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "fmt/format.h"
#include "google/protobuf/timestamp.pb.h"
#include "google/protobuf/util/json_util.h"
#include "graven/v1/event.pb.h"
#include "graven/v1/record.pb.h"
#include "record/entry_view.h"
#include "record/record.h"
#include "record/time_text.h"

namespace graven::console {
namespace {

constexpr size_t kActorColumns = 22;
constexpr size_t kActionColumns = 34;
constexpr size_t kTargetColumns = 60;

struct Mark {
  const char* utf8;
  const char* ascii;
  Colour colour;
};

Mark OutcomeMark(int32_t outcome) {
  switch (outcome) {
    case v1::OUTCOME_SUCCESS:
      return {"✓", "+", Colour::kGreen};
    case v1::OUTCOME_FAILURE:
      return {"✗", "x", Colour::kRed};
    case v1::OUTCOME_DENIED:
      return {"⊘", "!", Colour::kYellow};
    default:
      return {"·", ".", Colour::kDim};
  }
}

Colour OutcomeColour(int32_t outcome) { return OutcomeMark(outcome).colour; }

// "2026-11-25 12:00:00.123", UTC, always of one width.
std::string LineTime(record::TimePoint time) {
  const int32_t milliseconds = time.nanos / 1'000'000;
  time.nanos = 0;
  std::string text = record::FormatRfc3339(time);  // 2026-11-25T12:00:00Z
  text[10] = ' ';
  text.pop_back();
  return fmt::format("{}.{:03}", text, milliseconds);
}

std::string TargetText(const record::Summary& summary) {
  if (summary.target_count == 0) return "";
  std::string text = SafeText(summary.target_type);
  if (!text.empty()) text += ":";
  text += SafeText(summary.target_id.empty() ? summary.target_name : summary.target_id);
  if (summary.target_count > 1) text += fmt::format(" (+{})", summary.target_count - 1);
  return text;
}

std::string_view ActorText(const record::Summary& summary) {
  return summary.actor_name.empty() ? summary.actor_id : summary.actor_name;
}

// What the summary leaves out, one line each.
void AddEventFields(const v1::Event& event, FieldList* fields) {
  const auto add = [fields](const char* name, const std::string& text) {
    if (!text.empty()) fields->Add(name, SafeText(text));
  };
  for (const v1::Target& target : event.targets()) {
    std::string text = target.type().empty() ? target.id() : target.type() + ":" + target.id();
    if (!target.name().empty()) text += " (" + target.name() + ")";
    add("target", text);
  }
  add("service", event.source().service());
  add("ip", event.source().ip());
  add("user agent", event.source().user_agent());
  add("trace", event.trace_id());
  add("span", event.span_id());
  add("parent span", event.parent_span_id());
  add("request", event.request_id());
  add("session", event.session_id());
  add("correlation", event.correlation_id());
  if (event.has_producer()) {
    add("producer", fmt::format("{} epoch {} sequence {}", event.producer().id(),
                                event.producer().epoch(), event.producer().sequence()));
  }
  for (const v1::Label& label : event.labels()) add("label", label.key() + "=" + label.value());
  if (event.has_details_struct()) {
    if (const auto details = MessageJson(event.details_struct())) {
      add("details", details->dump(-1, ' ', false, Json::error_handler_t::replace));
    }
  } else if (event.has_details_any()) {
    add("details", fmt::format("{} ({} bytes)", event.details_any().type_url(),
                               event.details_any().value().size()));
  }
}

// A map of protobuf's has another order each time it is read; an export is to be the same each
// time.
Json Sorted(const Json& json) { return Json(nlohmann::json(json)); }

Json EventJson(std::string_view bytes) {
  v1::Event event;
  if (!event.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return nullptr;
  if (!event.has_details_any()) {
    Json json = MessageJson(event).value_or(nullptr);
    if (json.contains("details_struct")) json["details_struct"] = Sorted(json["details_struct"]);
    return json;
  }
  // An Any is shown as the bytes that it is: the server may know types that this program does not.
  const google::protobuf::Any any = event.details_any();
  event.clear_details();
  Json json = MessageJson(event).value_or(Json::object());
  json["details_any"] = {{"type_url", any.type_url()}, {"value", Base64Encode(any.value())}};
  return json;
}

Json EntryJson(std::string_view bytes) {
  v1::Entry entry;
  if (!entry.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return nullptr;
  return MessageJson(entry).value_or(nullptr);
}

}  // namespace

absl::StatusOr<ReadRecord> ReadRecordBytes(std::string_view record,
                                           std::string_view expected_hash) {
  ReadRecord read;
  const auto header = record::Decode(record);
  if (!header.ok()) {
    return absl::DataLossError(
        fmt::format("what was sent is not a record: {}", ToStd(header.status().message())));
  }
  read.header = *header;
  read.hash = record::RecordHash(record);
  if (!expected_hash.empty() && expected_hash != read.hash.view()) {
    return absl::DataLossError(fmt::format(
        "record {}: its bytes do not have the hash that came with them", read.header.index.value));
  }
  ASSIGN_OR_RETURN(read.summary, record::Summarize(read.header));
  return read;
}

std::string RecordLine(const ReadRecord& record, const Terminal& terminal) {
  const record::Summary& summary = record.summary;
  const Mark mark = OutcomeMark(summary.outcome);
  const std::string actor = Cut(SafeText(ActorText(summary)), kActorColumns);
  const std::string action = Cut(SafeText(summary.action), kActionColumns);
  std::string line = fmt::format(
      "{}  {:>8}  {}  {}  {}  {}", terminal.Paint(Colour::kDim, LineTime(summary.occurred_at)),
      record.header.index.value,
      terminal.Paint(mark.colour, terminal.speaks_utf8() ? mark.utf8 : mark.ascii),
      Padded(actor, kActorColumns), Padded(action, kActionColumns),
      Cut(TargetText(summary), kTargetColumns));
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

void WriteRecord(const ReadRecord& record, std::string_view log, Terminal& terminal) {
  const record::RecordHeader& header = record.header;
  const record::Summary& summary = record.summary;
  FieldList fields;
  fields.Add("log", SafeText(log));
  fields.Add("index", fmt::format("{}", header.index.value), Colour::kBold);
  fields.Add("event id", SafeText(summary.event_id));
  std::string actor = SafeText(summary.actor_id);
  if (!summary.actor_name.empty()) actor += " (" + SafeText(summary.actor_name) + ")";
  if (!summary.actor_type.empty()) actor += ", " + SafeText(summary.actor_type);
  fields.Add("actor", actor);
  fields.Add("action", SafeText(summary.action));
  std::string outcome = record::OutcomeText(summary.outcome);
  if (!summary.outcome_reason.empty()) outcome += ": " + SafeText(summary.outcome_reason);
  fields.Add("outcome", outcome.empty() ? "not said" : outcome, OutcomeColour(summary.outcome));
  fields.Add("occurred", record::FormatRfc3339(summary.occurred_at));
  fields.Add("received", record::FormatRfc3339Ns(header.received_at_ns));
  fields.Add("written by", SafeText(header.written_by));
  v1::Event event;
  if (header.kind == record::BodyKind::kEvent &&
      event.ParseFromArray(header.body.data(), static_cast<int>(header.body.size()))) {
    AddEventFields(event, &fields);
  }
  if (!header.traceparent.empty()) fields.Add("traceparent", SafeText(header.traceparent));
  fields.Add("record hash", HexEncode(record.hash));
  fields.Add("previous", HexEncode(header.previous_hash));
  fields.WriteTo(terminal);
}

Json RecordJson(const ReadRecord& record, std::string_view bytes) {
  const record::RecordHeader& header = record.header;
  Json json = {{"index", header.index.value},
               {"received_at", record::FormatRfc3339Ns(header.received_at_ns)},
               {"written_by", header.written_by},
               {"event_id", record.summary.event_id},
               {"record_hash", HexEncode(record.hash)},
               {"previous_hash", HexEncode(header.previous_hash)}};
  if (!header.traceparent.empty()) json["traceparent"] = header.traceparent;
  if (header.kind == record::BodyKind::kEvent) {
    json["event"] = EventJson(header.body);
  } else {
    json["entry"] = EntryJson(header.body);
    json["event"] = EventJson(record::EventBytes(header));
  }
  json["record"] = Base64Encode(bytes);
  return json;
}

std::string LevelText(v1::ReceiptLevel level) {
  constexpr std::string_view kPrefix = "RECEIPT_LEVEL_";
  std::string name = v1::ReceiptLevel_Name(level);
  return name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name;
}

std::optional<Json> MessageJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(message, &text, options).ok()) {
    return std::nullopt;
  }
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return std::nullopt;
  return json;
}

Json PlainJson(const google::protobuf::Message& message) {
  using Field = google::protobuf::FieldDescriptor;
  const google::protobuf::Reflection& from = *message.GetReflection();
  const google::protobuf::Descriptor& type = *message.GetDescriptor();
  Json json = Json::object();
  for (int i = 0; i < type.field_count(); ++i) {
    const Field* field = type.field(i);
    Json& value = json[field->name()];
    if (field->is_repeated()) {
      value = Json::array();
      for (int n = 0; n < from.FieldSize(message, field); ++n) {
        value.push_back(PlainJson(from.GetRepeatedMessage(message, field, n)));
      }
      continue;
    }
    if (field->has_optional_keyword() && !from.HasField(message, field)) {
      value = nullptr;  // not said, which is not 0
      continue;
    }
    switch (field->cpp_type()) {
      case Field::CPPTYPE_UINT64:
        value = from.GetUInt64(message, field);
        break;
      case Field::CPPTYPE_UINT32:
        value = from.GetUInt32(message, field);
        break;
      case Field::CPPTYPE_INT64:
        value = from.GetInt64(message, field);
        break;
      case Field::CPPTYPE_DOUBLE:
        value = from.GetDouble(message, field);
        break;
      case Field::CPPTYPE_BOOL:
        value = from.GetBool(message, field);
        break;
      case Field::CPPTYPE_STRING:
        value = from.GetString(message, field);
        break;
      case Field::CPPTYPE_ENUM:
        value = from.GetEnum(message, field)->name();
        break;
      default: {
        if (field->message_type()->full_name() != "google.protobuf.Timestamp") {
          value = PlainJson(from.GetMessage(message, field));
          break;
        }
        google::protobuf::Timestamp time;
        time.CopyFrom(from.GetMessage(message, field));
        value = record::FormatRfc3339({time.seconds(), time.nanos()});
      }
    }
  }
  return json;
}

}  // namespace graven::console
