#include "json/event_json.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/absl_views.h"
#include "base/encoding.h"
#include "graven/v1/event.pb.h"
#include "graven/v1/record.pb.h"
#include "json/object_text.h"
#include "json/strict_json.h"
#include "record/entry_view.h"
#include "record/record.h"
#include "record/utf8.h"

namespace graven::json {
namespace {

constexpr char kEventType[] = "type.googleapis.com/graven.v1.Event";
constexpr char kEntryType[] = "type.googleapis.com/graven.v1.Entry";
constexpr size_t kFieldBytesMax = 128;

// What stands in these has names of its own.
constexpr std::array<std::string_view, 2> kFreeMembers = {"details_struct", "details_any"};

bool Parse(std::string_view bytes, v1::Event* event) {
  return event->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

// The one form of an event's bytes.
std::string CanonicalBytes(const MessageTypes& types, const v1::Event& event) {
  std::string bytes = event.SerializeAsString();
  types.Canonicalise(kEventType, &bytes);
  return bytes;
}

// The same of what is in its Any. False: of a type that is not known, or none of its type.
bool CanonicaliseAny(const MessageTypes& types, v1::Event* event) {
  google::protobuf::Any& any = *event->mutable_details_any();
  return types.Canonicalise(any.type_url(), any.mutable_value());
}

std::optional<std::string> MessageText(const MessageTypes& types, const char* type,
                                       const std::string& bytes) {
  std::string text;
  if (!google::protobuf::util::BinaryToJsonString(types.resolver(), type, bytes, &text).ok()) {
    return std::nullopt;
  }
  return text;
}

// `object` with one member more.
std::string WithMember(std::string object, std::string_view name, std::string_view json) {
  object.pop_back();
  if (object.size() > 1) object += ',';
  object += '"';
  object += name;
  object += "\":";
  object += json;
  object += '}';
  return object;
}

std::string ParsedJson(const MessageTypes& types, const record::RecordHeader& header) {
  ObjectText parsed;
  parsed.Uint64("index", header.index.value);
  parsed.Uint64("receivedAt", static_cast<uint64_t>(header.received_at_ns));
  parsed.Bytes("previousHash", header.previous_hash.view());
  parsed.Text("writtenBy", header.written_by);
  if (!header.assigned_event_id.empty()) parsed.Text("assignedEventId", header.assigned_event_id);
  if (!header.traceparent.empty()) parsed.Text("traceparent", header.traceparent);
  if (header.kind == record::BodyKind::kEvent) {
    if (const auto event = EventJson(types, header.body)) parsed.Raw("event", *event);
  } else if (const auto entry = MessageText(types, kEntryType, std::string(header.body))) {
    parsed.Raw("entry", *entry);
  }
  return parsed.Finish();
}

// protobuf's words: "(actor.id): invalid value 7 for type ...", "(actor) nope: Cannot find field.".
JsonProblem Explain(std::string_view words) {
  JsonProblem problem;
  std::string_view rest = words;
  if (rest.starts_with('(')) {
    const size_t end = std::min(rest.find(')'), rest.size() - 1);
    problem.field = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
  }
  if (rest.starts_with(' ')) {
    rest.remove_prefix(1);
    problem.field += '.';
  }
  if (const size_t colon = rest.find(": "); colon != rest.npos) {
    problem.field += rest.substr(0, colon);
  }
  const auto says = [words](std::string_view what) { return words.find(what) != words.npos; };
  if (says("Cannot find field")) {
    problem.description = "there is no such field";
  } else if (says("type URL")) {
    problem.description = "has a type that the server was given no descriptor of";
  } else if (says("Root element")) {
    problem = {"", "an event is an object"};
  } else {
    problem.description = "has a value that the field does not take";
  }
  // A name that is no field's may be long, and is cut between code points.
  while (problem.field.size() > kFieldBytesMax || !record::IsUtf8(problem.field)) {
    problem.field.pop_back();
  }
  return problem;
}

}  // namespace

std::optional<std::string> EventJson(const MessageTypes& types, std::string_view bytes) {
  v1::Event event;
  if (!Parse(bytes, &event)) return std::nullopt;
  if (!event.has_details_any()) return MessageText(types, kEventType, CanonicalBytes(types, event));
  if (CanonicaliseAny(types, &event)) {
    // An Any within may still be of a type that is not known.
    if (auto text = MessageText(types, kEventType, CanonicalBytes(types, event))) return text;
  }
  const google::protobuf::Any any = event.details_any();
  event.clear_details();
  auto text = MessageText(types, kEventType, CanonicalBytes(types, event));
  if (!text) return std::nullopt;
  ObjectText unknown;
  unknown.Text("typeUrl", any.type_url()).Bytes("value", any.value());
  return WithMember(*std::move(text), "detailsAny", unknown.Finish());
}

std::string RecordJson(const MessageTypes& types, std::string_view record, const Hash& hash) {
  ObjectText json;
  json.Bytes("record", record);
  json.Bytes("recordHash", hash.view());
  json.Text("recordHashHex", HexEncode(hash));
  const auto header = record::Decode(record);
  if (!header.ok()) return json.Finish();
  json.TimeNs("receivedAt", header->received_at_ns);
  json.Raw("parsed", ParsedJson(types, *header));
  if (const auto event = EventJson(types, record::EventBytes(*header))) json.Raw("event", *event);
  return json.Finish();
}

bool EventFromJson(const MessageTypes& types, std::string_view text, std::string* bytes,
                   JsonProblem* problem) {
  if (const absl::Status strict = CheckStrictJson(text, kFreeMembers); !strict.ok()) {
    *problem = {"", std::string(ToStd(strict.message()))};
    return false;
  }
  std::string binary;
  const auto read = google::protobuf::util::JsonToBinaryString(types.resolver(), kEventType,
                                                               std::string(text), &binary);
  if (!read.ok()) {
    *problem = Explain({read.message().data(), read.message().size()});
    return false;
  }
  v1::Event event;
  if (!Parse(binary, &event)) {
    *problem = {"details", "is nested too deeply"};
    return false;
  }
  if (event.has_details_any()) CanonicaliseAny(types, &event);
  *bytes = CanonicalBytes(types, event);
  return true;
}

}  // namespace graven::json
