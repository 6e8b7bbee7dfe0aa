#include "engine/append_message.h"

#include <gtest/gtest.h>

#include "base/encoding.h"
#include "compat/audit_log.pb.h"
#include "engine/engine_fixture_test.h"
#include "engine/record_messages.h"
#include "graven/v1/audit_log_service.pb.h"

// The hand-written messages against the protobuf library.
namespace graven::engine {
namespace {

using graven::v1::AppendRequest;
using graven::v1::AppendResponse;
using graven::v1::AppendStreamRequest;
using graven::v1::AppendStreamResponse;

absl::StatusCode Decode(const google::protobuf::Message& message, AppendShape shape) {
  AppendMessage decoded;
  return DecodeAppendMessage(message.SerializeAsString(), shape, &decoded).code();
}

TEST(AppendMessage, UnaryRequestIsTakenApart) {
  AppendRequest request;
  request.set_log("invoices");
  *request.add_events() = MakeEvent("a");
  *request.add_events() = MakeEvent("b");
  request.set_expected_last_hash(std::string(32, 'h'));
  request.mutable_wait()->set_level(graven::v1::RECEIPT_LEVEL_PUBLISHED);
  request.mutable_wait()->mutable_timeout()->set_seconds(2);
  request.mutable_wait()->mutable_timeout()->set_nanos(5);
  request.GetReflection()->MutableUnknownFields(&request)->AddVarint(99, 7);
  AppendMessage decoded;
  const std::string bytes = request.SerializeAsString();
  ASSERT_TRUE(DecodeAppendMessage(bytes, AppendShape::kUnary, &decoded).ok());
  EXPECT_EQ(decoded.log, "invoices");
  ASSERT_EQ(decoded.events.size(), 2u);
  EXPECT_EQ(decoded.events[1], request.events(1).SerializeAsString());
  EXPECT_EQ(decoded.expected_last_hash, request.expected_last_hash());
  EXPECT_EQ(decoded.wait_level, kLevelPublished);
  EXPECT_EQ(decoded.wait_ns, 2'000'000'005);
}

TEST(AppendMessage, StreamRequestIsTakenApart) {
  AppendStreamRequest request;
  *request.add_events() = MakeEvent("a");
  request.set_want_record_hashes(true);
  AppendMessage decoded;
  const std::string bytes = request.SerializeAsString();
  ASSERT_TRUE(DecodeAppendMessage(bytes, AppendShape::kStream, &decoded).ok());
  EXPECT_TRUE(decoded.want_record_hashes);
  EXPECT_EQ(decoded.events.size(), 1u);
}

TEST(AppendMessage, WrongRequestIsInvalidArgument) {
  AppendRequest request;
  EXPECT_EQ(Decode(request, AppendShape::kUnary), absl::StatusCode::kInvalidArgument);
  *request.add_events() = MakeEvent("a");
  EXPECT_EQ(Decode(request, AppendShape::kUnary), absl::StatusCode::kOk);
  AppendRequest wrong = request;
  wrong.set_log(std::string(64, 'a'));
  EXPECT_EQ(Decode(wrong, AppendShape::kUnary), absl::StatusCode::kInvalidArgument);
  wrong = request;
  wrong.set_expected_last_hash("short");
  EXPECT_EQ(Decode(wrong, AppendShape::kUnary), absl::StatusCode::kInvalidArgument);
  wrong = request;
  wrong.mutable_wait()->set_level(static_cast<graven::v1::ReceiptLevel>(4));
  EXPECT_EQ(Decode(wrong, AppendShape::kUnary), absl::StatusCode::kInvalidArgument);
  wrong = request;
  wrong.mutable_wait()->mutable_timeout()->set_seconds(61);
  EXPECT_EQ(Decode(wrong, AppendShape::kUnary), absl::StatusCode::kInvalidArgument);
  wrong.mutable_wait()->mutable_timeout()->set_seconds(-1);
  EXPECT_EQ(Decode(wrong, AppendShape::kUnary), absl::StatusCode::kInvalidArgument);
  wrong = request;
  while (wrong.events_size() <= static_cast<int>(kEventsPerRequestMax)) wrong.add_events();
  EXPECT_EQ(Decode(wrong, AppendShape::kUnary), absl::StatusCode::kInvalidArgument);

  AppendMessage decoded;
  const std::string bytes = request.SerializeAsString();
  for (size_t cut = 1; cut < bytes.size(); ++cut) {
    EXPECT_EQ(DecodeAppendMessage(bytes.substr(0, cut), AppendShape::kUnary, &decoded).code(),
              absl::StatusCode::kInvalidArgument)
        << cut;
  }
}

TEST(AppendMessage, ReceiptsReadBackAsTheyWereWritten) {
  ledger::EventReceipt receipt;
  receipt.index = LogIndex(300);
  receipt.record_hash = Hash::FromBytes(std::string(32, 'r'));
  receipt.received_at_ns = 1'700'000'000'000'000'001;
  receipt.duplicate = true;
  std::string bytes;
  EncodeReceipt("default", receipt, "id", "proof", &bytes);
  EncodeReceipt("default", ledger::EventReceipt(), "id2", "", &bytes);
  EncodeLevel(kLevelPublished, &bytes);
  AppendResponse response;
  ASSERT_TRUE(response.ParseFromString(bytes));
  ASSERT_EQ(response.receipts_size(), 2);
  const graven::v1::Receipt& read = response.receipts(0);
  EXPECT_EQ(read.log(), "default");
  EXPECT_EQ(read.index(), 300u);
  EXPECT_EQ(read.record_hash(), std::string(32, 'r'));
  EXPECT_EQ(read.received_at().seconds(), 1'700'000'000);
  EXPECT_EQ(read.received_at().nanos(), 1);
  EXPECT_EQ(read.event_id(), "id");
  EXPECT_TRUE(read.duplicate());
  EXPECT_EQ(read.tlog_proof(), "proof");
  EXPECT_FALSE(response.receipts(1).duplicate());
  EXPECT_EQ(response.level(), graven::v1::RECEIPT_LEVEL_PUBLISHED);

  ::Response compat;
  ASSERT_TRUE(compat.ParseFromString(EncodeCompatResponse(receipt, "id")));
  EXPECT_EQ(compat.index(), 300u);
  EXPECT_EQ(compat.hash(), HexEncode(receipt.record_hash));
  EXPECT_EQ(compat.event_id(), "id");
  EXPECT_TRUE(compat.duplicate());
}

TEST(AckMessage, NeighboursAreOneRangeAndEverythingElseStandsAlone) {
  AckMessage ack;
  EXPECT_TRUE(ack.empty());
  ack.Accepted(0, LogIndex(10), 1, "");
  ack.Accepted(1, LogIndex(11), 3, "");
  ack.Refused(2, "");
  ack.Accepted(3, LogIndex(14), 1, "");  // behind a refusal: a new range
  ack.Accepted(4, LogIndex(99), 1, "");  // other requests came between
  ack.AcceptedWithDuplicates(5, {7, 100}, 1, "");
  EXPECT_FALSE(ack.empty());
  AppendStreamResponse response;
  ASSERT_TRUE(response.ParseFromString(ack.Finish(6)));
  EXPECT_TRUE(ack.empty());
  EXPECT_EQ(response.requests_done(), 6u);
  ASSERT_EQ(response.ranges_size(), 4);
  EXPECT_EQ(response.ranges(0).first_request(), 0u);
  EXPECT_EQ(response.ranges(0).request_count(), 2u);
  EXPECT_EQ(response.ranges(0).first_index(), 10u);
  EXPECT_EQ(response.ranges(0).record_count(), 4u);
  EXPECT_EQ(response.ranges(1).first_request(), 3u);
  EXPECT_EQ(response.ranges(2).first_index(), 99u);
  EXPECT_EQ(response.ranges(3).indexes_size(), 2);
  EXPECT_EQ(response.ranges(3).indexes(0), 7u);
  EXPECT_EQ(response.ranges(3).duplicate_count(), 1u);
  ASSERT_EQ(response.refused_size(), 1);
  EXPECT_EQ(response.refused(0).request(), 2u);
}

TEST(RecordMessage, ParsedFormIsTheRecordItself) {
  graven::v1::Record record;
  record.set_index(5);
  *record.mutable_event() = MakeEvent("a");
  const std::string bytes = record.SerializeAsString();
  for (const bool parsed : {false, true}) {
    std::string out;
    EncodeRecordView(1, bytes, Hash::FromBytes(std::string(32, 'h')), parsed, &out);
    EXPECT_LE(out.size(), RecordViewSize(bytes, parsed));
    graven::v1::TailResponse response;
    ASSERT_TRUE(response.ParseFromString(out));
    ASSERT_EQ(response.records_size(), 1);
    EXPECT_EQ(response.records(0).record(), bytes);
    EXPECT_EQ(response.records(0).record_hash(), std::string(32, 'h'));
    EXPECT_EQ(response.records(0).has_parsed(), parsed);
    EXPECT_EQ(response.records(0).parsed().event().event_id(), parsed ? "a" : "");
  }
}

}  // namespace
}  // namespace graven::engine
