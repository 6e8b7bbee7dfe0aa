#include "record/rules.h"

#include <algorithm>

namespace graven::record {
namespace {

using enum Check;

constexpr MessageSchema MakeSchema(std::string_view name, std::span<const FieldRule> fields) {
  MessageSchema schema;
  schema.name = name;
  schema.fields = fields;
  for (size_t i = 0; i < fields.size(); ++i) {
    schema.by_number[fields[i].number] = static_cast<uint8_t>(i + 1);
    if (fields[i].required) schema.required_rows |= uint64_t{1} << i;
  }
  return schema;
}
constexpr MessageSchema AsAny(MessageSchema schema) {
  schema.is_any = true;
  return schema;
}
constexpr MessageSchema NeedingKind(MessageSchema schema) {
  schema.needs_kind = true;
  return schema;
}

constexpr FieldRule Text(uint32_t number, std::string_view name, uint32_t bytes_max) {
  return {.number = number, .name = name, .check = kUtf8, .bytes_max = bytes_max};
}
constexpr FieldRule RequiredText(uint32_t number, std::string_view name, uint32_t bytes_max) {
  return {.number = number, .name = name, .check = kUtf8, .required = true, .bytes_max = bytes_max};
}
constexpr FieldRule WithFact(FieldRule rule, Fact fact) {
  rule.fact = fact;
  return rule;
}

constexpr FieldRule TextWithFact(uint32_t number, std::string_view name, uint32_t bytes_max,
                                 Fact fact) {
  return {.number = number, .name = name, .check = kUtf8, .fact = fact, .bytes_max = bytes_max};
}
constexpr FieldRule Varint(uint32_t number, std::string_view name, Check check) {
  return {.number = number, .name = name, .wire = WireType::kVarint, .check = check};
}
constexpr FieldRule Message(uint32_t number, std::string_view name, const MessageSchema* message) {
  return {
      .number = number, .name = name, .check = kMessage, .has_presence = true, .message = message};
}
constexpr FieldRule InOneof(FieldRule rule) {
  rule.oneof = 1;
  rule.has_presence = true;
  return rule;
}
constexpr FieldRule Required(FieldRule rule) {
  rule.required = true;
  return rule;
}
constexpr FieldRule Repeated(FieldRule rule, uint32_t count_max) {
  rule.repeated = true;
  rule.count_max = count_max;
  return rule;
}
constexpr FieldRule UniqueKeys(FieldRule rule) {
  rule.unique_keys = true;
  return rule;
}
constexpr FieldRule Map(FieldRule rule) {
  rule.unordered = true;
  return UniqueKeys(rule);
}

constexpr FieldRule kTimestampFields[] = {
    Varint(1, "seconds", kTimestampSeconds),
    Varint(2, "nanos", kTimestampNanos),
};

// The four messages of google/protobuf/struct.proto, which contain each other.
extern const MessageSchema kValueSchema;
extern const MessageSchema kListValueSchema;
extern const MessageSchema kFieldsEntrySchema;

constexpr FieldRule kStructFields[] = {
    Map(Repeated(Message(1, "fields", &kFieldsEntrySchema), 0)),
};
constexpr FieldRule kFieldsEntryFields[] = {
    Text(1, "key", 0),
    Required(Message(2, "value", &kValueSchema)),
};
constexpr FieldRule kValueFields[] = {
    InOneof(Varint(1, "null_value", kInt32)),
    InOneof(
        {.number = 2, .name = "number_value", .wire = WireType::kFixed64, .check = kFiniteDouble}),
    InOneof(Text(3, "string_value", 0)),
    InOneof(Varint(4, "bool_value", kBool)),
    InOneof(Message(5, "struct_value", &kStructSchema)),
    InOneof(Message(6, "list_value", &kListValueSchema)),
};
constexpr FieldRule kListValueFields[] = {
    Repeated(Message(1, "values", &kValueSchema), 0),
};
constinit const MessageSchema kFieldsEntrySchema =
    MakeSchema("google.protobuf.Struct.FieldsEntry", kFieldsEntryFields);
constinit const MessageSchema kValueSchema =
    NeedingKind(MakeSchema("google.protobuf.Value", kValueFields));
constinit const MessageSchema kListValueSchema =
    MakeSchema("google.protobuf.ListValue", kListValueFields);

constexpr FieldRule kAnyFields[] = {
    RequiredText(1, "type_url", 512),
    {.number = 2, .name = "value"},
};

constexpr FieldRule kActorFields[] = {
    RequiredText(1, "id", 256),
    Text(2, "type", 64),
    Text(3, "name", 256),
};
constinit const MessageSchema kActorSchema = MakeSchema("Actor", kActorFields);

constexpr FieldRule kTargetFields[] = {
    Text(1, "type", 64),
    Text(2, "id", 1024),
    Text(3, "name", 256),
};
constinit const MessageSchema kTargetSchema = MakeSchema("Target", kTargetFields);

constexpr FieldRule kSourceFields[] = {
    Text(1, "service", 256),
    Text(2, "ip", 64),
    Text(3, "user_agent", 1024),
};
constinit const MessageSchema kSourceSchema = MakeSchema("Source", kSourceFields);

constexpr FieldRule kProducerFields[] = {
    Text(1, "id", 128),
    Varint(2, "epoch", kNone),
    Varint(3, "sequence", kNone),
    Varint(4, "kind", kInt32),
};
constinit const MessageSchema kProducerSchema = MakeSchema("Producer", kProducerFields);

constexpr FieldRule kLabelFields[] = {
    RequiredText(1, "key", 128),
    Text(2, "value", 1024),
};
constinit const MessageSchema kLabelSchema = MakeSchema("Label", kLabelFields);

constexpr FieldRule kEventFields[] = {
    TextWithFact(1, "event_id", 128, Fact::kEventId),
    Required(Message(2, "actor", &kActorSchema)),
    RequiredText(3, "action", 256),
    Repeated(Message(4, "targets", &kTargetSchema), 64),
    Required(Message(5, "occurred_at", &kTimestampSchema)),
    Varint(6, "outcome", kInt32),
    Text(7, "outcome_reason", 1024),
    Message(8, "source", &kSourceSchema),
    TextWithFact(9, "trace_id", 64, Fact::kTraceId),
    Text(10, "span_id", 64),
    Text(11, "parent_span_id", 64),
    Text(12, "request_id", 128),
    Text(13, "session_id", 128),
    Text(14, "correlation_id", 128),
    WithFact(Message(15, "producer", &kProducerSchema), Fact::kProducer),
    UniqueKeys(Repeated(Message(16, "labels", &kLabelSchema), 64)),
    InOneof(Message(17, "details_struct", &kStructSchema)),
    InOneof(Message(18, "details_any", &kAnySchema)),
};

constexpr FieldRule kEntryFields[] = {
    TextWithFact(1, "event_id", 128, Fact::kEventId),
    RequiredText(2, "actor", 256),
    {.number = 3, .name = "timestamp", .check = kRfc3339, .required = true, .bytes_max = 64},
    RequiredText(4, "action", 256),
    {.number = 5, .name = "hash", .check = kHexHash, .fact = Fact::kPreconditionHash},
};

}  // namespace

constinit const MessageSchema kTimestampSchema =
    MakeSchema("google.protobuf.Timestamp", kTimestampFields);
constinit const MessageSchema kStructSchema = MakeSchema("google.protobuf.Struct", kStructFields);
constinit const MessageSchema kAnySchema = AsAny(MakeSchema("google.protobuf.Any", kAnyFields));
constinit const MessageSchema kEventSchema = MakeSchema("Event", kEventFields);
constinit const MessageSchema kEntrySchema = MakeSchema("Entry", kEntryFields);

namespace {

constexpr const MessageSchema* kBuiltIn[] = {
    &kEventSchema, &kActorSchema,     &kTargetSchema,    &kSourceSchema, &kProducerSchema,
    &kLabelSchema, &kEntrySchema,     &kTimestampSchema, &kStructSchema, &kFieldsEntrySchema,
    &kValueSchema, &kListValueSchema, &kAnySchema,
};

constexpr GeneralRule kGeneral[] = {
    {"body.bytes", "A body is at most 65,000 bytes; the error says by how many it is too large."},
    {"wire.truncated", "Every field ends within its message."},
    {"wire.varint", "A varint is minimal and fits 64 bits."},
    {"wire.tag", "A field number is between 1 and 536,870,911."},
    {"wire.group", "No groups anywhere, among unknown fields neither."},
    {"wire.type", "A known field has the wire type of its row; types 6 and 7 do not exist."},
    {"wire.repeated", "A field that is not repeated stands once."},
    {"wire.oneof", "At most one member of a oneof is there."},
    {"wire.nesting",
     "Messages nest at most 90 levels deep, counted from the reply that carries them: the body is "
     "level 4."},
    {"any.type", "The type of an Any is one that the server was given a descriptor of."},
};

}  // namespace

const FieldRule* MessageSchema::FindLarge(uint32_t number) const {
  auto it = std::ranges::lower_bound(fields, number, {}, &FieldRule::number);
  return it != fields.end() && it->number == number ? &*it : nullptr;
}

std::span<const MessageSchema* const> BuiltInSchemas() { return kBuiltIn; }

std::span<const GeneralRule> GeneralRules() { return kGeneral; }

}  // namespace graven::record
