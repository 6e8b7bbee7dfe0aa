#include "json/event_json.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/duration.pb.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/encoding.h"
#include "graven/v1/event.pb.h"
#include "graven/v1/record.pb.h"
#include "json/object_text.h"
#include "json/strict_json.h"
#include "record/body_check.h"
#include "record/encoded_test.h"
#include "record/record.h"

namespace graven::json {
namespace {

using ::testing::HasSubstr;

std::string FromJson(const std::string& text, const MessageTypes& types = {}) {
  std::string bytes;
  JsonProblem problem;
  EXPECT_TRUE(EventFromJson(types, text, &bytes, &problem))
      << problem.field << ": " << problem.description;
  return bytes;
}

JsonProblem Refusal(const std::string& text) {
  std::string bytes;
  JsonProblem problem;
  EXPECT_FALSE(EventFromJson({}, text, &bytes, &problem)) << text;
  return problem;
}

// A type of somebody else's: message example.Loan {string id = 1; map<string,int64> parts = 2;}
std::unique_ptr<google::protobuf::DescriptorPool> LoanPool() {
  google::protobuf::FileDescriptorProto file;
  file.set_name("loan.proto");
  file.set_package("example");
  file.set_syntax("proto3");
  auto* loan = file.add_message_type();
  loan->set_name("Loan");
  auto* id = loan->add_field();
  id->set_name("id");
  id->set_number(1);
  id->set_type(google::protobuf::FieldDescriptorProto::TYPE_STRING);
  id->set_label(google::protobuf::FieldDescriptorProto::LABEL_OPTIONAL);
  auto* amount = loan->add_field();
  amount->set_name("amount_cents");
  amount->set_number(2);
  amount->set_type(google::protobuf::FieldDescriptorProto::TYPE_INT64);
  amount->set_label(google::protobuf::FieldDescriptorProto::LABEL_OPTIONAL);
  auto pool = std::make_unique<google::protobuf::DescriptorPool>();
  EXPECT_NE(pool->BuildFile(file), nullptr);
  return pool;
}

constexpr char kWhole[] =
    R"({"eventId":"e-1","actor":{"id":"alice","type":"user"},"action":"invoice.approve",)"
    R"("targets":[{"type":"invoice","id":"42"}],"occurredAt":"2026-01-02T03:04:05.120Z",)"
    R"("outcome":"OUTCOME_DENIED","producer":{"id":"p","epoch":"18446744073709551615"},)"
    R"("labels":[{"key":"k","value":"v"}],)"
    R"("detailsStruct":{"a":[1.5,null,true],"b":{"x_y":1,"xY":2},"c":7,"z":"\u00e9"}})";

TEST(EventJson, IsTheProto3MappingAndReadsBackToTheSameBytes) {
  const std::string bytes = FromJson(kWhole);
  v1::Event event;
  ASSERT_TRUE(event.ParseFromString(bytes));
  EXPECT_EQ(event.producer().epoch(), UINT64_MAX);
  EXPECT_EQ(event.occurred_at().nanos(), 120'000'000);
  const std::string text = *EventJson({}, bytes);
  for (const char* part : {R"("eventId":"e-1")", R"("epoch":"18446744073709551615")",
                           R"("OUTCOME_DENIED")", R"("occurredAt":"2026-01-02T03:04:05.120Z")",
                           R"({"xY":2,"x_y":1})", "[1.5,null,true]", R"("c":7)"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  EXPECT_EQ(FromJson(text), bytes);
}

TEST(EventJson, ANegativeZeroIsShownAsOne) {
  EXPECT_THAT(*EventJson({}, FromJson(R"({"detailsStruct":{"c":-0.0}})")), HasSubstr(R"("c":-0})"));
}

TEST(EventJson, TheOrderOfMembersAndTheSpellingOfNamesDoNotChangeTheBytes) {
  const std::string one = FromJson(R"({"eventId":"e","actor":{"id":"a"},"action":"x",)"
                                   R"("detailsStruct":{"p":1,"q":{"r":2,"s":3}}})");
  const std::string other = FromJson(
      R"({ "details_struct" : {"q":{"s":3,"r":2}, "p":1.0},"action":"x", "actor":{"id":"a"},)"
      R"("event_id":"e"})");
  EXPECT_EQ(one, other);
}

TEST(EventJson, ABodyThatTheClientEncodedInAnotherOrderShowsTheSame) {
  v1::Event event;
  ASSERT_TRUE(event.ParseFromString(FromJson(kWhole)));
  std::string action = "\x1a\x01x";  // field 3 after the others: the last one holds
  EXPECT_EQ(*EventJson({}, event.SerializeAsString() + action), [&] {
    event.set_action("x");
    return *EventJson({}, event.SerializeAsString());
  }());
}

TEST(EventJson, AnAnyOfAKnownTypeIsShownAndReadAsWhatItIs) {
  MessageTypes types;
  types.Add(LoanPool());
  const std::string text =
      R"({"action":"x","detailsAny":{"@type":"type.googleapis.com/example.Loan","id":"L-1",)"
      R"("amountCents":"9007199254740993"}})";
  const std::string bytes = FromJson(text, types);
  v1::Event event;
  ASSERT_TRUE(event.ParseFromString(bytes));
  EXPECT_EQ(event.details_any().type_url(), "type.googleapis.com/example.Loan");
  EXPECT_EQ(*EventJson(types, bytes), text);
  const std::string turned =
      FromJson(R"({"detailsAny":{"amount_cents":9007199254740993,"id":"L-1",)"
               R"("@type":"type.googleapis.com/example.Loan"},"action":"x"})",
               types);
  EXPECT_EQ(turned, bytes);
}

TEST(EventJson, AnAnyOfAnUnknownTypeIsTypeAndBytes) {
  v1::Event event;
  event.set_action("x");
  event.mutable_details_any()->set_type_url("type.example.com/no.such.\"Type\"");
  event.mutable_details_any()->set_value(std::string("\x0a\x00\xff", 3));
  EXPECT_EQ(*EventJson({}, event.SerializeAsString()),
            R"({"action":"x","detailsAny":{"typeUrl":"type.example.com/no.such.\"Type\"",)"
            R"("value":"CgD/"}})");
  // Bytes that are none of the type's.
  event.mutable_details_any()->set_type_url("type.googleapis.com/google.protobuf.Duration");
  EXPECT_THAT(*EventJson({}, event.SerializeAsString()), HasSubstr(R"("value":"CgD/")"));
}

TEST(EventJson, WhatIsNotExactlyAnEventIsRefusedAndTheFieldNamed) {
  const struct {
    const char* text;
    const char* field;
    const char* description;
  } kCases[] = {
      {R"({"action":"a","action":"b"})", "", "twice"},
      {R"({"eventId":"a","event_id":"b"})", "", "twice"},
      {R"({"actor":{"id":"a","id":"b"}})", "", "twice"},
      {R"({"detailsStruct":{"a":{"b":1,"b":2}}})", "", "twice"},
      {R"({"action":"a",})", "", "line 1, column 15"},
      {R"({'action':'a'})", "", "not JSON"},
      {R"({action:"a"})", "", "not JSON"},
      {"{\"action\":\n\"\xff\"}", "", "line 2, column"},
      {R"({"action":"\ud800"})", "", "not JSON"},
      {"\xEF\xBB\xBF{}", "", "byte order mark"},
      {R"({} {})", "", "not JSON"},
      {R"([])", "", "object"},
      {R"("x")", "", "object"},
      {"", "", "not JSON"},
      {R"({"labels":[{"key":"a"},null]})", "", "null"},
      {R"({"detailsStruct":{"a":1e400}})", "", "not JSON"},
      {R"({"detailsStruct":{"a":NaN}})", "", "not JSON"},
      {R"({"nope":1})", "nope", "no such field"},
      {R"({"actor":{"nope":1}})", "actor.nope", "no such field"},
      {R"({"outcome":"SUCCESS"})", "outcome", "does not take"},
      {R"({"action":7})", "action", "does not take"},
      {R"({"occurredAt":"yesterday"})", "occurred", "does not take"},
      {R"({"producer":{"epoch":"18446744073709551616"}})", "epoch", "does not take"},
      {R"({"detailsAny":{"@type":"x/y.Z"}})", "details", "no descriptor"},
  };
  for (const auto& one : kCases) {
    const JsonProblem problem = Refusal(one.text);
    EXPECT_THAT(problem.field, HasSubstr(one.field)) << one.text;
    EXPECT_THAT(problem.description, HasSubstr(one.description)) << one.text;
  }
  const JsonProblem deep = Refusal(R"({"detailsStruct":)" + [] {
    std::string text = "1";
    for (int i = 0; i < 99; ++i) text = "{\"k\":" + text + "}";
    return text;
  }() + "}");
  EXPECT_THAT(deep.description, testing::AnyOf(HasSubstr("deep"), HasSubstr("levels")));
}

TEST(EventJson, AHostileNameIsCut) {
  const JsonProblem problem = Refusal("{\"\\u001b[31m" + std::string(1000, 'x') + "\":1}");
  EXPECT_LT(problem.field.size(), 300U);
}

// As deep as the rules let an event be.
TEST(EventJson, TheDeepestEventThatTheRulesTakeIsShown) {
  std::string bytes, deepest;
  for (int levels = 1; levels < 60; ++levels) {
    std::string details = "1";
    for (int i = 0; i < levels; ++i) details = "{\"k\":" + details + "}";
    JsonProblem problem;
    if (!EventFromJson({},
                       R"({"actor":{"id":"a"},"action":"x","occurredAt":"2026-01-02T03:04:05Z",)"
                       R"("detailsStruct":)" +
                           details + "}",
                       &bytes, &problem)) {
      break;
    }
    record::EventFacts facts;
    std::vector<record::Violation> violations;
    if (!record::CheckBody(record::BodyKind::kEvent, bytes, {}, &facts, &violations)) break;
    deepest = details;
    const auto text = EventJson({}, bytes);
    ASSERT_TRUE(text.has_value()) << levels;
    ASSERT_THAT(*text, HasSubstr(details));
  }
  EXPECT_GT(deepest.size(), 25U * 6);
}

TEST(RecordJson, BytesAndJsonStandSideBySide) {
  const std::string body = FromJson(kWhole);
  record::RecordHeader header;
  header.index = LogIndex(7);
  header.received_at_ns = 1'767'323'045'120'000'001;
  header.written_by = "svc \"a\"";
  header.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  header.body = body;
  std::string bytes = record::Encoded(header);
  const Hash hash = record::RecordHash(bytes);
  const std::string json = RecordJson({}, bytes, hash);
  for (const std::string& part :
       {"\"record\":\"" + Base64Encode(bytes) + "\"", "\"recordHash\":\"" + Base64Encode(hash),
        "\"recordHashHex\":\"" + HexEncode(hash), std::string(R"("parsed":{"index":"7",)"),
        std::string(R"("receivedAt":"1767323045120000001")"),
        std::string(R"("receivedAt":"2026-01-02T03:04:05.120000001Z")"),
        std::string(R"("writtenBy":"svc \"a\"")"), std::string(R"("eventId":"e-1")")}) {
    EXPECT_THAT(json, HasSubstr(part));
  }
  constexpr std::string_view kFree[] = {"parsed", "event"};
  EXPECT_TRUE(CheckStrictJson(json, kFree).ok()) << json;
  // What is no record has its bytes and hash all the same.
  const std::string raw = RecordJson({}, "no record", hash);
  EXPECT_TRUE(CheckStrictJson(raw).ok());
  EXPECT_EQ(raw.find("parsed"), std::string::npos);
}

TEST(RecordJson, AnEntryOfTheMinimalContractIsShownAsBoth) {
  v1::Entry entry;
  entry.set_actor("bob");
  entry.set_action("login");
  entry.set_timestamp("2026-01-02T03:04:05+01:00");
  const std::string body = entry.SerializeAsString();
  record::RecordHeader header;
  header.kind = record::BodyKind::kEntry;
  header.written_by = "anonymous";
  header.assigned_event_id = "0190f5a0-0000-7000-8000-000000000000";
  header.body = body;
  std::string bytes = record::Encoded(header);
  const std::string json = RecordJson({}, bytes, record::RecordHash(bytes));
  EXPECT_THAT(json, HasSubstr(R"("entry":{"actor":"bob","timestamp":"2026-01-02T03:04:05+01:00")"));
  EXPECT_THAT(json, HasSubstr(R"("actor":{"id":"bob"})"));
  EXPECT_THAT(json, HasSubstr(R"("occurredAt":"2026-01-02T02:04:05Z")"));
}

TEST(ObjectText, EscapesWhatMustBeAndReplacesWhatIsNoText) {
  ObjectText object;
  object.Text("a", std::string("q\"b\\n\nnul\0del\x7f", 14)).Text("b", "bad \xff\xc3 \xe2\x82\xac");
  object.Uint64("c", UINT64_MAX).Bool("d", false).Bytes("e", "\xff");
  EXPECT_EQ(object.Finish(),
            "{\"a\":\"q\\\"b\\\\n\\nnul\\u0000del\\u007f\",\"b\":\"bad \xEF\xBF\xBD\xEF\xBF\xBD "
            "\xe2\x82\xac\",\"c\":\"18446744073709551615\",\"d\":false,\"e\":\"/w==\"}");
  EXPECT_EQ(ArrayText().Finish(), "[]");
  EXPECT_EQ(ArrayText().Raw("1").Bytes("a").Finish(), "[1,\"YQ==\"]");
}

}  // namespace
}  // namespace graven::json
