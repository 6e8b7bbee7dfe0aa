#include "client/event_encoding.h"

#include <string>
#include <vector>

#include "graven/v1/audit_log_service.pb.h"
#include "gtest/gtest.h"

namespace graven::client {
namespace {

class EventEncodingTest : public ::testing::Test {
 protected:
  v1::Event Parsed(const std::string& request) {
    v1::AppendRequest parsed;
    EXPECT_TRUE(parsed.ParseFromString(request));
    EXPECT_EQ(parsed.events_size(), 1);
    return parsed.events(0);
  }

  EventIdSource ids_{SystemClock(), SystemRandom()};
};

v1::Event MakeEvent() {
  v1::Event event;
  event.mutable_actor()->set_id("tester");
  event.set_action("test.encode");
  return event;
}

TEST_F(EventEncodingTest, EventWithoutIdGetsOneAndKeepsTheRest) {
  std::string request;
  AddEvent(MakeEvent(), ids_, &request);
  v1::Event event = Parsed(request);
  EXPECT_EQ(event.event_id().size(), 36u);
  event.clear_event_id();
  EXPECT_EQ(event.SerializeAsString(), MakeEvent().SerializeAsString());
}

TEST_F(EventEncodingTest, EventWithIdIsSentAsItIs) {
  v1::Event event = MakeEvent();
  event.set_event_id("mine");
  std::string request;
  AddEvent(event, ids_, &request);
  EXPECT_EQ(Parsed(request).SerializeAsString(), event.SerializeAsString());
}

TEST_F(EventEncodingTest, BytesKeepTheirUnknownFieldsAndTheirOrder) {
  // Unknown field 1000 (bytes), then an id behind it.
  const std::string bytes = std::string("\xc2\x3e\x03xyz", 6) + std::string("\x0a\x04mine", 6);
  std::string request;
  AddEventBytes(bytes, ids_, &request);
  EXPECT_EQ(request, std::string("\x12\x0c", 2) + bytes);
}

TEST_F(EventEncodingTest, EmptyIdInTheBytesCountsAsNone) {
  const std::string bytes = std::string("\x0a\x00", 2);
  std::string request;
  AddEventBytes(bytes, ids_, &request);
  ASSERT_EQ(request.size(), 2u + 38u + 2u);
  EXPECT_EQ(request.substr(40), bytes);
}

TEST_F(EventEncodingTest, BytesThatAreNoMessageAreSentOnForTheServerToRefuse) {
  for (const std::string& bytes : {std::string("\xff"), std::string("\x0b\x01"),
                                   std::string("\x12\x7f\x01"), std::string("\x08")}) {
    std::string request;
    AddEventBytes(bytes, ids_, &request);
    EXPECT_EQ(request.substr(request.size() - bytes.size()), bytes);
  }
}

TEST_F(EventEncodingTest, SplitGivesBackTheElements) {
  std::string request;
  std::vector<std::string> elements;
  for (const char* id : {"a", "b", "a much longer one"}) {
    v1::Event event = MakeEvent();
    event.set_event_id(id);
    std::string element;
    AddEvent(event, ids_, &element);
    elements.push_back(element);
    request += element;
  }
  const std::vector<std::string_view> split = SplitEvents(request);
  EXPECT_EQ(std::vector<std::string>(split.begin(), split.end()), elements);
}

TEST_F(EventEncodingTest, WholeRequestParsesWithAllItsFields) {
  std::string request;
  AddEvent(MakeEvent(), ids_, &request);
  AddExpectedLastHash(Hash{}, &request);
  AddLog("payments", &request);
  AddWantRecordHashes(&request);
  v1::AppendStreamRequest parsed;
  ASSERT_TRUE(parsed.ParseFromString(request));
  EXPECT_EQ(parsed.log(), "payments");
  EXPECT_EQ(parsed.expected_last_hash(), std::string(32, '\0'));
  EXPECT_TRUE(parsed.want_record_hashes());
}

TEST_F(EventEncodingTest, LimitsOfARequest) {
  EXPECT_EQ(CheckRequestSize(0, 0).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CheckRequestSize(8193, 1).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CheckRequestSize(1, 4 << 20).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(CheckRequestSize(8192, (4 << 20) - 1024).ok());
}

}  // namespace
}  // namespace graven::client
