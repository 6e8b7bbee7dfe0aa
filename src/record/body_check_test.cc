#include "record/body_check.h"

#include <map>

#include "gmock/gmock.h"
#include "google/protobuf/struct.pb.h"
#include "graven/v1/event.pb.h"
#include "graven/v1/record.pb.h"
#include "gtest/gtest.h"
#include "record/wire.h"

namespace graven::record {
namespace {

using ::testing::Contains;
using ::testing::SizeIs;

v1::Event GoodEvent() {
  v1::Event event;
  event.mutable_actor()->set_id("alice");
  event.set_action("invoice.approve");
  event.mutable_occurred_at()->set_seconds(1'690'000'000);
  return event;
}

v1::Entry GoodEntry() {
  v1::Entry entry;
  entry.set_actor("alice");
  entry.set_timestamp("2023-07-10T11:42:36Z");
  entry.set_action("invoice.approve");
  return entry;
}

struct Verdict {
  bool good;
  EventFacts facts;
  std::vector<Violation> violations;
};

Verdict Walk(std::string_view bytes, BodyKind kind = BodyKind::kEvent,
             const SchemaSet* any_types = nullptr) {
  Verdict verdict;
  verdict.good =
      CheckBody(kind, bytes, {.any_types = any_types}, &verdict.facts, &verdict.violations);
  EXPECT_EQ(verdict.good, verdict.violations.empty());
  return verdict;
}

// The rules that `bytes` breaks, as "field rule".
std::vector<std::string> Broken(std::string_view bytes, BodyKind kind = BodyKind::kEvent,
                                const SchemaSet* any_types = nullptr) {
  std::vector<std::string> broken;
  for (const Violation& violation : Walk(bytes, kind, any_types).violations) {
    broken.push_back(violation.field + " " + violation.rule);
  }
  return broken;
}

std::vector<std::string> Only(std::string one) { return {std::move(one)}; }

std::string Field(uint32_t number, std::string_view bytes) {
  std::string out;
  AppendBytesField(number, bytes, &out);
  return out;
}

// A good event with `extra` wire bytes behind it.
std::string With(std::string_view extra) {
  return GoodEvent().SerializeAsString() + std::string(extra);
}

// The bytes of a value's shortest breach of `rule`, as a field on the wire; "" if it has none.
struct Breach {
  std::string aspect;
  std::string bytes;
};

std::vector<Breach> BreachesOf(const FieldRule& rule) {
  std::vector<Breach> breaches;
  auto text = [&](std::string aspect, std::string_view bytes) {
    breaches.push_back({std::move(aspect), Field(rule.number, bytes)});
  };
  auto number = [&](std::string aspect, uint64_t value) {
    Breach breach{std::move(aspect), ""};
    AppendVarintField(rule.number, value, &breach.bytes);
    breaches.push_back(breach);
  };
  if (rule.bytes_max != 0) text("bytes", std::string(rule.bytes_max + 1, 'x'));
  if (rule.required && rule.check != Check::kMessage) text("required", "");
  switch (rule.check) {
    case Check::kUtf8:
      text("utf8", "\xed\xa0\x80");
      break;
    case Check::kBool:
      number("bool", 2);
      break;
    case Check::kInt32:
      number("int32", uint64_t{1} << 31);
      break;
    case Check::kFiniteDouble: {
      std::string bytes;
      AppendVarint(uint64_t{rule.number} << 3 | 1, &bytes);
      uint64_t infinity = uint64_t{0x7ff} << 52;
      bytes.append(reinterpret_cast<const char*>(&infinity), 8);
      breaches.push_back({"finite", bytes});
      break;
    }
    case Check::kTimestampSeconds:
      number("range", 253'402'300'800);
      number("range", static_cast<uint64_t>(-62'135'596'801));
      break;
    case Check::kTimestampNanos:
      number("range", 1'000'000'000);
      number("range", static_cast<uint64_t>(-1));
      break;
    case Check::kHexHash:
      text("hash", std::string(64, 'A'));
      text("hash", std::string(63, 'a'));
      break;
    case Check::kRfc3339:
      text("time", "2023-07-10 11:42:36Z");
      break;
    default:
      break;
  }
  if (rule.count_max != 0) {
    Breach breach{"count", ""};
    for (uint32_t i = 0; i <= rule.count_max; ++i) {
      breach.bytes += Field(rule.number, Field(1, std::to_string(i)));
    }
    breaches.push_back(breach);
  }
  if (rule.unique_keys) {
    std::string entry = Field(1, "k") + Field(2, Field(3, "v"));
    breaches.push_back({"unique", Field(rule.number, entry) + Field(rule.number, entry)});
  }
  return breaches;
}

// Where a message of each built-in schema can stand in a body, as the numbers of the fields around
// it.
struct Place {
  BodyKind kind;
  std::vector<uint32_t> around;
};

Place PlaceOf(std::string_view schema) {
  const std::map<std::string_view, Place> kPlaces = {
      {"Event", {BodyKind::kEvent, {}}},
      {"Actor", {BodyKind::kEvent, {2}}},
      {"Target", {BodyKind::kEvent, {4}}},
      {"Source", {BodyKind::kEvent, {8}}},
      {"Producer", {BodyKind::kEvent, {15}}},
      {"Label", {BodyKind::kEvent, {16}}},
      {"Entry", {BodyKind::kEntry, {}}},
      {"google.protobuf.Timestamp", {BodyKind::kEvent, {5}}},
      {"google.protobuf.Struct", {BodyKind::kEvent, {17}}},
      {"google.protobuf.Struct.FieldsEntry", {BodyKind::kEvent, {17, 1}}},
      {"google.protobuf.Value", {BodyKind::kEvent, {17, 1, 2}}},
      {"google.protobuf.ListValue", {BodyKind::kEvent, {17, 1, 2, 6}}},
      {"google.protobuf.Any", {BodyKind::kEvent, {18}}},
  };
  return kPlaces.at(schema);
}

std::string RuleId(const MessageSchema& schema, const FieldRule& rule, std::string_view aspect) {
  std::string message(schema.name);
  if (message.find('.') == std::string::npos) message[0] = static_cast<char>(message[0] | 0x20);
  return message + "." + std::string(rule.name) + "." + std::string(aspect);
}

TEST(RuleTable, EveryRowRefusesItsBreach) {
  size_t tried = 0;
  for (const MessageSchema* schema : BuiltInSchemas()) {
    Place place = PlaceOf(schema->name);
    for (const FieldRule& rule : schema->fields) {
      for (const Breach& breach : BreachesOf(rule)) {
        std::string bytes = breach.bytes;
        for (auto it = place.around.rbegin(); it != place.around.rend(); ++it) {
          bytes = Field(*it, bytes);
        }
        std::vector<std::string> rules;
        for (const Violation& violation : Walk(bytes, place.kind).violations) {
          rules.push_back(violation.rule);
        }
        EXPECT_THAT(rules, Contains(RuleId(*schema, rule, breach.aspect)));
        ++tried;
      }
    }
  }
  EXPECT_GT(tried, 60U);
}

TEST(RuleTable, EveryRequiredRowIsMissed) {
  EXPECT_THAT(Broken("", BodyKind::kEvent),
              testing::ElementsAre("actor event.actor.required", "action event.action.required",
                                   "occurred_at event.occurred_at.required"));
  EXPECT_THAT(
      Broken("", BodyKind::kEntry),
      testing::ElementsAre("actor entry.actor.required", "timestamp entry.timestamp.required",
                           "action entry.action.required"));
  EXPECT_THAT(Broken(With(Field(16, ""))), Only("labels[0].key label.key.required"));
  EXPECT_THAT(Broken(With(Field(17, Field(1, "")))),
              Only("details_struct.fields[0].value google.protobuf.Struct.FieldsEntry.value."
                   "required"));
  EXPECT_THAT(Broken(With(Field(18, ""))),
              Only("details_any.type_url google.protobuf.Any.type_url.required"));
}

TEST(RuleTable, LimitsThemselvesAreAccepted) {
  v1::Event event = GoodEvent();
  event.set_event_id(std::string(128, 'e'));
  event.set_action(std::string(256, 'a'));
  event.mutable_occurred_at()->set_seconds(-62'135'596'800);
  event.mutable_occurred_at()->set_nanos(999'999'999);
  for (int i = 0; i < 64; ++i) {
    event.add_targets()->set_id(std::string(i == 0 ? 1024 : 900, 't'));
    event.add_labels()->set_key("key" + std::to_string(i));
  }
  event.set_outcome(static_cast<v1::Outcome>(-7));
  EXPECT_TRUE(Walk(event.SerializeAsString(), BodyKind::kEvent).good);
}

TEST(GeneralRules, BodyOneByteTooLargeSaysByHowMuch) {
  v1::Event event = GoodEvent();
  auto& note = (*event.mutable_details_struct()->mutable_fields())["note"];
  note.set_string_value(std::string(64'000, 'x'));
  note.set_string_value(std::string(64'000 + 65'000 - event.ByteSizeLong(), 'x'));
  ASSERT_EQ(event.ByteSizeLong(), 65'000U);
  EXPECT_TRUE(Walk(event.SerializeAsString()).good);
  event.set_action("invoice.approveX");
  Verdict verdict = Walk(event.SerializeAsString());
  ASSERT_THAT(verdict.violations, SizeIs(1));
  EXPECT_EQ(verdict.violations[0].rule, "body.bytes");
  EXPECT_EQ(verdict.violations[0].description, "is 65001 bytes; at most 65000: 1 too many");
}

TEST(GeneralRules, CutFieldsAreRefused) {
  using namespace std::string_literals;
  EXPECT_THAT(Broken(With("\x3a\x05xyz"s)), Only("outcome_reason wire.truncated"));
  EXPECT_THAT(Broken(With("\x3a"s)), Only("outcome_reason wire.truncated"));
  EXPECT_THAT(Broken(With("\x98"s)), Only("(unknown field) wire.truncated"));
  EXPECT_THAT(Broken(With("\x99\x06\x01"s)), Only("(unknown field) wire.truncated"));
  EXPECT_THAT(Broken(With(Field(15, "\x10\x80"s))), Only("producer.epoch wire.truncated"));
}

TEST(GeneralRules, GroupsAreRefusedEverywhere) {
  // Field 99 and field 3 as groups, open and closed.
  EXPECT_THAT(Broken(With("\x9b\x06\x9c\x06")), Only("(unknown field) wire.group"));
  EXPECT_THAT(Broken(With(Field(8, "\x9b\x06\x9c\x06"))),
              Only("source.(unknown field) wire.group"));
  EXPECT_THAT(Broken(With("\x9c\x06")), Only("(unknown field) wire.group"));
}

TEST(GeneralRules, OverLongVarintsAreRefused) {
  using namespace std::string_literals;
  EXPECT_THAT(Broken(With("\x30\x81\x00"s)), Only("outcome wire.varint"));
  EXPECT_THAT(Broken(With("\xb0\x00\x01"s)), Only("(unknown field) wire.varint"));
  EXPECT_THAT(Broken(With("\x3a\x81\x00x"s)), Only("outcome_reason wire.varint"));
  EXPECT_THAT(Broken(With("\x98\x06\x81\x00"s)), Only("(unknown field) wire.varint"));
  EXPECT_THAT(Broken(With("\x98\x06\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"s)),
              Only("(unknown field) wire.varint"));
}

TEST(GeneralRules, TagsOutOfRangeAreRefused) {
  using namespace std::string_literals;
  EXPECT_THAT(Broken(With("\x00\x01"s)), Only("(unknown field) wire.tag"));
  EXPECT_THAT(Broken(With("\x80\x80\x80\x80\x10\x01"s)), Only("(unknown field) wire.tag"));
  EXPECT_THAT(Broken(With("\x9e\x06"s)), Only("(unknown field) wire.type"));
  EXPECT_THAT(Broken(With("\x9f\x06"s)), Only("(unknown field) wire.type"));
}

TEST(GeneralRules, WrongWireTypeOfAKnownFieldIsRefused) {
  std::string bytes;
  AppendVarintField(8, 7, &bytes);
  EXPECT_THAT(Broken(With(bytes)), Only("source wire.type"));
  EXPECT_THAT(Broken(With(Field(6, "x"))), Only("outcome wire.type"));
}

TEST(GeneralRules, SecondSingularIsRefused) {
  EXPECT_THAT(Broken(With(Field(3, "again"))), Only("action wire.repeated"));
  EXPECT_THAT(Broken(With(Field(2, Field(1, "bob")))), Only("actor wire.repeated"));
}

TEST(GeneralRules, SecondOneofMemberIsRefused) {
  std::string value = Field(3, "text") + Field(5, "");
  EXPECT_THAT(Broken(With(Field(17, Field(1, Field(1, "k") + Field(2, value))))),
              Only("details_struct.fields[0].value.struct_value wire.oneof"));
  EXPECT_THAT(Broken(With(Field(17, "") + Field(18, Field(1, "a/b")))),
              Contains("details_any wire.oneof"));
}

TEST(GeneralRules, ValueOfNoKindIsRefused) {
  EXPECT_THAT(Broken(With(Field(17, Field(1, Field(1, "k") + Field(2, ""))))),
              Only("details_struct.fields[0].value google.protobuf.Value.kind.required"));
}

// A list in a list, `lists` deep, as details_struct.
std::string NestedLists(int lists) {
  google::protobuf::Value value;
  value.set_bool_value(true);
  for (int i = 0; i < lists; ++i) {
    google::protobuf::Value outer;
    *outer.mutable_list_value()->add_values() = value;
    value = outer;
  }
  v1::Event event = GoodEvent();
  (*event.mutable_details_struct()->mutable_fields())["deep"] = value;
  return event.SerializeAsString();
}

TEST(GeneralRules, NestingIsCountedFromTheReply) {
  // Body 4, Struct 5, entry 6, the innermost Value 7 + 2 for each list: 41 lists end at level 89.
  EXPECT_TRUE(Walk(NestedLists(41)).good);
  Verdict verdict = Walk(NestedLists(42));
  ASSERT_THAT(verdict.violations, SizeIs(1));
  EXPECT_EQ(verdict.violations[0].rule, "wire.nesting");
  EXPECT_EQ(verdict.violations[0].description, "is at level 91; at most 90");
  EXPECT_LE(verdict.violations[0].field.size(), 210U);
}

TEST(GeneralRules, DuplicateKeysAreFoundAmongMany) {
  v1::Event event = GoodEvent();
  auto& fields = *event.mutable_details_struct()->mutable_fields();
  for (int i = 0; i < 200; ++i) fields["k" + std::to_string(i)].set_bool_value(true);
  std::string good = event.SerializeAsString();
  EXPECT_TRUE(Walk(good).good);
  google::protobuf::Struct all = event.details_struct();
  std::string twice =
      Field(17, all.SerializeAsString() + Field(1, Field(1, "k7") + Field(2, "\x20\x01")));
  EXPECT_THAT(Broken(With(twice)),
              Only("details_struct.fields google.protobuf.Struct.fields.unique"));
}

TEST(GeneralRules, AnyOfAnUnknownTypeIsRefused) {
  std::string any = Field(18, Field(1, "type.googleapis.com/acme.Payment"));
  EXPECT_THAT(Broken(With(any)), Only("details_any.type_url any.type"));
  SchemaSet types;
  EXPECT_THAT(Broken(With(any), BodyKind::kEvent, &types), Only("details_any.type_url any.type"));
}

TEST(GeneralRules, PayloadOfAKnownAnyIsWalked) {
  SchemaSet types;
  std::vector<FieldRule> rows = {
      {.number = 1, .name = "iban", .check = Check::kUtf8},
      {.number = 40,
       .name = "cents",
       .wire = WireType::kVarint,
       .check = Check::kInt32,
       .repeated = true},
      {.number = 3,
       .name = "parent",
       .check = Check::kMessage,
       .has_presence = true,
       .message = types.Declare("acme.Payment")},
  };
  ASSERT_TRUE(types.Define("acme.Payment", rows, true).ok());
  EXPECT_EQ(types.FirstUndefined(), "");
  auto any = [](std::string_view payload) {
    return With(Field(18, Field(1, "type.googleapis.com/acme.Payment") + Field(2, payload)));
  };
  EXPECT_TRUE(Walk(any(Field(1, "DE02") + Field(40, "\x01\x02") + Field(3, Field(1, "x"))),
                   BodyKind::kEvent, &types)
                  .good);
  EXPECT_THAT(Broken(any(Field(3, Field(1, "\xff"))), BodyKind::kEvent, &types),
              Only("details_any.value.parent.iban acme.Payment.iban.utf8"));
  EXPECT_THAT(Broken(any(Field(40, "\x81")), BodyKind::kEvent, &types),
              Only("details_any.value.cents[0] wire.varint"));
}

TEST(SchemaSet, UndefinedTypeIsNamed) {
  SchemaSet types;
  types.Declare("acme.Missing");
  EXPECT_EQ(types.FirstUndefined(), "acme.Missing");
  EXPECT_EQ(types.FindAccepted("acme.Missing"), nullptr);
  EXPECT_EQ(types.Define("acme.X", {{.number = 0, .name = "a"}}, true).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(
      types.Define("acme.Y", {{.number = 1, .name = "a"}, {.number = 1, .name = "b"}}, true).code(),
      absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(types.Define("google.protobuf.Any", {}, true).code(), absl::StatusCode::kAlreadyExists);
}

TEST(Walk, UnknownFieldsAndEnumValuesAreAllowed) {
  std::string unknown;
  AppendVarintField(1'000'000, 7, &unknown);
  unknown += Field(200, std::string("\xff\x00", 2));
  AppendVarintField(6, 4711, &unknown);
  EXPECT_TRUE(Walk(With(unknown)).good);
}

TEST(Walk, FactsAreViewsOfTheBody) {
  v1::Event event = GoodEvent();
  event.set_event_id("e-1");
  event.set_trace_id("4bf92f3577b34da6a3ce929d0e0e4736");
  std::string bytes = event.SerializeAsString();
  Verdict verdict = Walk(bytes);
  EXPECT_EQ(verdict.facts.event_id, "e-1");
  EXPECT_TRUE(verdict.facts.names_trace);
  EXPECT_FALSE(verdict.facts.names_producer);
  EXPECT_GE(verdict.facts.event_id.data(), bytes.data());
  EXPECT_LT(verdict.facts.event_id.data(), bytes.data() + bytes.size());

  event.mutable_producer()->set_id("till-7");
  EXPECT_TRUE(Walk(event.SerializeAsString()).facts.names_producer);

  v1::Entry entry = GoodEntry();
  entry.set_hash(std::string(64, 'b'));
  verdict = Walk(entry.SerializeAsString(), BodyKind::kEntry);
  EXPECT_TRUE(verdict.good);
  EXPECT_EQ(verdict.facts.event_id, "");
  EXPECT_FALSE(verdict.facts.names_trace);
}

TEST(Walk, AtMostSixteenViolationsAreListed) {
  std::string labels;
  for (int i = 0; i < 40; ++i) labels += Field(16, "");
  EXPECT_THAT(Walk(With(labels)).violations, SizeIs(kViolationsMax));
}

TEST(Walk, DescriptionNamesLimitAndSize) {
  v1::Event event = GoodEvent();
  event.add_targets()->set_id("fine");
  event.add_targets()->set_name(std::string(301, 'x'));
  Verdict verdict = Walk(event.SerializeAsString());
  ASSERT_THAT(verdict.violations, SizeIs(1));
  EXPECT_EQ(verdict.violations[0].field, "targets[1].name");
  EXPECT_EQ(verdict.violations[0].rule, "target.name.bytes");
  EXPECT_EQ(verdict.violations[0].description, "is 301 bytes; at most 256");
}

}  // namespace
}  // namespace graven::record
