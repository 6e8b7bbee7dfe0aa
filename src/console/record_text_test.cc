#include "console/record_text.h"

#include <cstdio>
#include <string>

#include "base/encoding.h"
#include "gmock/gmock.h"
#include "graven/v1/event.pb.h"
#include "gtest/gtest.h"
#include "record/encoded_test.h"
#include "record/record.h"

namespace graven::console {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

v1::Event SomeEvent() {
  v1::Event event;
  event.set_event_id("e-1");
  event.mutable_actor()->set_id("alice");
  event.set_action("invoice.approve");
  event.mutable_occurred_at()->set_seconds(1764072000);
  event.set_outcome(v1::OUTCOME_DENIED);
  v1::Target* target = event.add_targets();
  target->set_type("invoice");
  target->set_id("42");
  return event;
}

std::string RecordOf(const v1::Event& event) {
  const std::string body = event.SerializeAsString();
  record::RecordHeader header;
  header.index = LogIndex(7);
  header.received_at_ns = 1764072000500000000;
  header.previous_hash = record::GenesisHash("log.example/a");
  header.written_by = "anonymous";
  header.body = body;
  return record::Encoded(header);
}

TEST(RecordText, OneLineSaysWhenWhoWhatToWhat) {
  const std::string bytes = RecordOf(SomeEvent());
  const auto record = ReadRecordBytes(bytes, {});
  ASSERT_TRUE(record.ok()) << record.status();
  const Terminal terminal(stdout);
  const std::string line = RecordLine(*record, terminal);
  EXPECT_THAT(line, testing::StartsWith("2025-11-25 12:00:00.000"));
  EXPECT_THAT(line, HasSubstr("alice"));
  EXPECT_THAT(line, HasSubstr("invoice.approve"));
  EXPECT_THAT(line, testing::EndsWith("invoice:42"));
}

TEST(RecordText, StatusInJsonHasEveryFieldAndNumbersAsNumbers) {
  v1::GetStatusResponse status;
  status.set_batches(uint64_t{1} << 60);
  const Json json = PlainJson(status);
  EXPECT_EQ(json.size(), static_cast<size_t>(v1::GetStatusResponse::descriptor()->field_count()));
  EXPECT_EQ(json["batches"], uint64_t{1} << 60);
  EXPECT_EQ(json["tailers"], 0);
  EXPECT_EQ(json["state"], "SERVER_STATE_UNSPECIFIED");
  EXPECT_EQ(json["recovery_report"], "");
}

TEST(RecordText, MembersOfDetailsStandInOneOrderHoweverAMapHasThem) {
  v1::Event event = SomeEvent();
  auto& fields = *event.mutable_details_struct()->mutable_fields();
  for (const char* name : {"g", "b", "e", "a", "d", "f", "c"}) fields[name].set_number_value(1);
  const std::string bytes = RecordOf(event);
  const auto record = ReadRecordBytes(bytes, {});
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(RecordJson(*record, bytes)["event"]["details_struct"].dump(),
            R"({"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1})");
}

TEST(RecordText, TerminalEscapesAndOverridesAreShownHarmlesslyButExactInJson) {
  const std::string evil =
      "\x1b]0;owned\x07 \xe2\x80\xae"
      "txt.exe";
  v1::Event event = SomeEvent();
  event.mutable_actor()->set_id(evil);
  event.mutable_targets(0)->set_id(evil);
  const std::string bytes = RecordOf(event);
  const auto record = ReadRecordBytes(bytes, {});
  ASSERT_TRUE(record.ok()) << record.status();
  const Terminal terminal(stdout);
  const std::string line = RecordLine(*record, terminal);
  EXPECT_THAT(line, Not(HasSubstr("\x1b]")));
  EXPECT_THAT(line, Not(HasSubstr("\xe2\x80\xae")));
  EXPECT_THAT(line, HasSubstr("\\x1b]0;owned"));
  EXPECT_EQ(RecordJson(*record, bytes)["event"]["actor"]["id"], evil);
}

TEST(RecordText, JsonHoldsTheExactBytesAndTheirHash) {
  const std::string bytes = RecordOf(SomeEvent());
  const auto record = ReadRecordBytes(bytes, record::RecordHash(bytes).view());
  ASSERT_TRUE(record.ok()) << record.status();
  const Json json = RecordJson(*record, bytes);
  EXPECT_EQ(json["index"], 7);
  EXPECT_EQ(json["record"], Base64Encode(bytes));
  EXPECT_EQ(json["record_hash"], HexEncode(record::RecordHash(bytes)));
  EXPECT_EQ(json["event"]["outcome"], "OUTCOME_DENIED");
}

TEST(RecordText, AnAnyIsShownAsItsBytes) {
  v1::Event event = SomeEvent();
  event.mutable_details_any()->set_type_url("type.example/not.Known");
  event.mutable_details_any()->set_value("\x01\x02");
  const std::string bytes = RecordOf(event);
  const auto record = ReadRecordBytes(bytes, {});
  ASSERT_TRUE(record.ok()) << record.status();
  const Json json = RecordJson(*record, bytes);
  EXPECT_EQ(json["event"]["details_any"]["type_url"], "type.example/not.Known");
  EXPECT_EQ(json["event"]["details_any"]["value"], "AQI=");
  EXPECT_EQ(json["event"]["action"], "invoice.approve");
}

TEST(RecordText, BytesUnderAnotherHashAreDataLoss) {
  const std::string bytes = RecordOf(SomeEvent());
  EXPECT_EQ(ReadRecordBytes(bytes, std::string(32, 'x')).status().code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReadRecordBytes("no record", {}).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace graven::console
