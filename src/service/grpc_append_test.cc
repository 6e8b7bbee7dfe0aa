// Appends by unary call and by stream.
#include <grpcpp/support/byte_buffer.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "base/encoding.h"
#include "base/sha256.h"
#include "record/record.h"
#include "service/grpc_server_fixture_test.h"

namespace graven::service {
namespace {

TEST_F(GrpcServerTest, ReceiptsNameRecordsThatHoldTheClientsOwnBytes) {
  Serve();
  AppendRequest request;
  for (int i = 0; i < 3; ++i)
    *request.add_events() = engine::MakeEvent(i == 1 ? "" : "id-" + std::to_string(i));
  AppendResponse response;
  ASSERT_TRUE(Append(request, &response).ok());
  ASSERT_EQ(response.receipts_size(), 3);
  EXPECT_EQ(response.level(), graven::v1::RECEIPT_LEVEL_DURABLE);
  EXPECT_EQ(response.receipts(0).log(), "default");
  EXPECT_EQ(response.receipts(0).event_id(), "id-0");
  EXPECT_EQ(response.receipts(1).event_id().size(), 36u);

  std::string previous(record::GenesisHash(on_disk_.ledger->FindLog("").origin()).view());
  for (int i = 0; i < 3; ++i) {
    grpc::ClientContext context;
    graven::v1::GetRecordRequest get;
    get.set_event_id(response.receipts(i).event_id());
    get.set_want_parsed(true);
    get.set_want_receipt(true);
    graven::v1::GetRecordResponse got;
    // Event ids that the server assigned find their records too.
    ASSERT_TRUE(stub_->GetRecord(&context, get, &got).ok());
    const auto header = record::Decode(got.record().record());
    ASSERT_TRUE(header.ok());
    EXPECT_EQ(header->index.value, static_cast<uint64_t>(i));
    EXPECT_EQ(header->body, request.events(i).SerializeAsString());
    EXPECT_EQ(header->written_by, engine::kAnonymous);
    EXPECT_EQ(header->previous_hash.view(), previous);
    previous = std::string(Sha256Prefixed(0, got.record().record()).view());
    EXPECT_EQ(got.record().record_hash(), previous);
    EXPECT_EQ(response.receipts(i).record_hash(), previous);
    EXPECT_EQ(got.record().parsed().event().action(), "invoice.approve");
    EXPECT_FALSE(got.tlog_proof().empty());
  }
}

TEST_F(GrpcServerTest, BadEventIsRefusedWithItsViolationsAndNothingIsStored) {
  Serve();
  AppendRequest request;
  *request.add_events() = engine::MakeEvent("good");
  request.add_events()->set_action("no actor, no time");
  AppendResponse response;
  const grpc::Status status = Append(request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonOf(status), "EVENT_INVALID");
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  google::rpc::BadRequest bad;
  bool found = false;
  for (const auto& detail : details.details()) found = found || detail.UnpackTo(&bad);
  ASSERT_TRUE(found);
  EXPECT_GE(bad.field_violations_size(), 2);
  EXPECT_TRUE(bad.field_violations(0).field().starts_with("events[1]."));
  EXPECT_EQ(on_disk_.ledger->DurableSize(on_disk_.ledger->FindLog("")).value, 0u);
}

TEST_F(GrpcServerTest, DuplicateGetsItsFirstReceiptAndConflictIsAlreadyExists) {
  Serve();
  AppendResponse first, second;
  ASSERT_TRUE(AppendOne("same", &first).ok());
  ASSERT_TRUE(AppendOne("same", &second).ok());
  EXPECT_FALSE(first.receipts(0).duplicate());
  EXPECT_TRUE(second.receipts(0).duplicate());
  EXPECT_EQ(second.receipts(0).index(), first.receipts(0).index());
  EXPECT_EQ(second.receipts(0).record_hash(), first.receipts(0).record_hash());

  AppendRequest other;
  *other.add_events() = engine::MakeEvent("same", "another.action");
  const grpc::Status status = Append(other, &second);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(ReasonOf(status), "EVENT_ID_CONFLICT");
}

TEST_F(GrpcServerTest, PreconditionThatDoesNotHoldIsAborted) {
  Serve();
  AppendResponse response;
  AppendRequest request;
  *request.add_events() = engine::MakeEvent("a");
  request.set_expected_last_hash(std::string(32, 'x'));
  grpc::Status status = Append(request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(ReasonOf(status), "PRECONDITION_FAILED");
  request.set_expected_last_hash("short");
  status = Append(request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonOf(status), "REQUEST_INVALID");
  request.set_expected_last_hash(
      std::string(record::GenesisHash(on_disk_.ledger->FindLog("").origin()).view()));
  EXPECT_TRUE(Append(request, &response).ok());
}

TEST_F(GrpcServerTest, WaitingForPublicationYieldsAProof) {
  Serve();
  AppendRequest request;
  *request.add_events() = engine::MakeEvent("a");
  request.mutable_wait()->set_level(graven::v1::RECEIPT_LEVEL_PUBLISHED);
  AppendResponse response;
  ASSERT_TRUE(Append(request, &response).ok());
  EXPECT_EQ(response.level(), graven::v1::RECEIPT_LEVEL_PUBLISHED);
  EXPECT_TRUE(response.receipts(0).tlog_proof().starts_with("c2sp.org/tlog-proof@v1"))
      << response.receipts(0).tlog_proof();
}

TEST_F(GrpcServerTest, LargestAnswerOfAnAppendIsBelowThreeMebibytes) {
  Serve();
  const std::string name(63, 'n');
  ASSERT_TRUE(on_disk_.ledger->CreateLog(name, "example.com/n", 0).ok());
  AppendRequest request;
  request.set_log(name);
  request.mutable_wait()->set_level(graven::v1::RECEIPT_LEVEL_PUBLISHED);
  request.mutable_wait()->mutable_timeout()->set_seconds(60);
  for (int i = 0; i < 8192; ++i) {
    const std::string number = std::to_string(i);
    *request.add_events() = engine::MakeEvent(std::string(128 - number.size(), 'i') + number);
  }
  AppendResponse response;
  const grpc::Status status = Append(request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(response.receipts_size(), 8192);
  EXPECT_FALSE(response.receipts(0).tlog_proof().empty());
  EXPECT_TRUE(response.receipts(8191).tlog_proof().empty());
  EXPECT_LT(response.ByteSizeLong(), size_t{3} << 20);
  EXPECT_GT(response.ByteSizeLong(), size_t{2} << 20);
}

TEST_F(GrpcServerTest, StreamAnswersInOrderAndGoesOnAfterABadRequest) {
  Serve();
  constexpr uint64_t kRequests = 500;
  grpc::ClientContext context;
  auto stream = stub_->AppendStream(&context);
  std::thread writer([&] {
    for (uint64_t i = 0; i < kRequests; ++i) {
      AppendStreamRequest request;
      if (i == 0) request.set_want_record_hashes(true);
      // One bad, one that repeats its neighbour.
      *request.add_events() = engine::MakeEvent("id-" + std::to_string(i == 300 ? 299 : i));
      if (i == 200) request.mutable_events(0)->clear_action();
      stream->Write(request);
    }
    stream->WritesDone();
  });
  uint64_t answered = 0, next_index = 0, refused = 0, duplicates = 0, records = 0;
  AppendStreamResponse response;
  while (stream->Read(&response)) {
    for (const auto& range : response.ranges()) {
      EXPECT_EQ(range.record_hashes().size(), 32 * range.record_count());
      if (range.indexes_size() > 0) {
        EXPECT_EQ(range.first_request(), 300u);
        duplicates += range.duplicate_count();
        continue;
      }
      EXPECT_EQ(range.first_index(), next_index);
      EXPECT_EQ(range.request_count(), range.record_count());
      next_index += range.record_count();
      records += range.record_count();
    }
    for (const auto& bad : response.refused()) {
      EXPECT_EQ(bad.request(), 200u);
      EXPECT_EQ(bad.status().code(), static_cast<int>(grpc::StatusCode::INVALID_ARGUMENT));
      ++refused;
    }
    EXPECT_GT(response.requests_done(), answered);
    answered = response.requests_done();
  }
  writer.join();
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(answered, kRequests);
  EXPECT_EQ(refused, 1u);
  EXPECT_EQ(duplicates, 1u);
  EXPECT_EQ(records, kRequests - 2);
}

// Every stream below starts with a request that is refused; what follows names no log.
TEST_F(GrpcServerTest, StreamWhoseFirstRequestIsRefusedNeverWritesIntoAnotherLog) {
  Serve();
  const auto billing = on_disk_.ledger->CreateLog("billing", "example.com/billing", 0);
  ASSERT_TRUE(billing.ok()) << billing.status();
  AppendStreamRequest good;
  *good.add_events() = engine::MakeEvent("follows");
  AppendStreamRequest unknown_log = good, no_events, short_hash = good, long_name = good;
  unknown_log.set_log("nope");
  no_events.set_log("billing");
  short_hash.set_log("billing");
  short_hash.set_expected_last_hash("x");
  long_name.set_log(std::string(64, 'a'));
  struct Case {
    std::string first;
    bool goes_on;  // the stream's log is known, and is there
    std::string reason;
  };
  const Case cases[] = {
      {unknown_log.SerializeAsString(), false, "LOG_NOT_FOUND"},
      {no_events.SerializeAsString(), true, ""},
      {short_hash.SerializeAsString(), true, ""},
      {long_name.SerializeAsString(), false, "REQUEST_INVALID"},
      {"\xff\xff\xff", false, "REQUEST_INVALID"},
      // The name can be read, and the rest not: another name may stand behind.
      {"\x0a\x07"
       "billing"
       "\xff\xff",
       false, "REQUEST_INVALID"},
  };
  uint64_t stored = 0;
  for (const Case& one : cases) {
    SCOPED_TRACE(&one - cases);
    good.mutable_events(0)->set_event_id("follows-" + std::to_string(&one - cases));
    std::vector<grpc::ByteBuffer> answers;
    const grpc::Status status = CallWithBytes(channel_, "/graven.v1.AuditLogService/AppendStream",
                                              {one.first, good.SerializeAsString()}, &answers);
    EXPECT_TRUE(status.ok()) << status.error_message();
    ASSERT_EQ(answers.size(), 2u);
    AppendStreamResponse first, second;
    grpc::Slice bytes;
    ASSERT_TRUE(first.ParseFromString(std::string(MessageBytes(answers[0], &bytes))));
    ASSERT_TRUE(second.ParseFromString(std::string(MessageBytes(answers[1], &bytes))));
    EXPECT_EQ(first.refused_size(), 1);
    ASSERT_EQ(second.refused_size(), one.goes_on ? 0 : 1);
    if (!one.goes_on) {
      EXPECT_EQ(ReasonOf(grpc::Status(grpc::StatusCode::UNKNOWN, "",
                                      second.refused(0).status().SerializeAsString())),
                one.reason);
    }
    stored += one.goes_on ? 1 : 0;
    EXPECT_EQ(on_disk_.ledger->DurableSize(*billing).value, stored);
    EXPECT_EQ(on_disk_.ledger->DurableSize(on_disk_.ledger->FindLog("")).value, 0u);
  }
}

TEST_F(GrpcServerTest, WantOfRoomHoldsStreamsInOrderAndRefusesUnaryCalls) {
  Serve();
  grpc::ClientContext context;
  auto stream = stub_->AppendStream(&context);
  ledger_.room_bytes = 0;
  constexpr uint64_t kRequests = 20;
  for (uint64_t i = 0; i < kRequests; ++i) {
    AppendStreamRequest request;
    *request.add_events() = engine::MakeEvent("id-" + std::to_string(i));
    ASSERT_TRUE(stream->Write(request));
  }
  while (ledger_.refusals < 5) std::this_thread::yield();
  AppendResponse unary;
  const grpc::Status refused = AppendOne("unary", &unary);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonOf(refused), "JOURNAL_FULL");
  EXPECT_EQ(ledger_.DurableSize(ledger_.FindLog("")).value, 0u);

  // The loop asks for room now and then; it makes no batches that cannot be.
  const uint64_t batches = ledger_.batches;
  for (const uint64_t asked = ledger_.refusals; ledger_.refusals < asked + 20;) {
    std::this_thread::yield();
  }
  EXPECT_EQ(ledger_.batches, batches);

  // All at once, and nothing else happens that could wake the server.
  ledger_.room_bytes = SIZE_MAX;
  uint64_t next = 0;
  AppendStreamResponse response;
  while (next < kRequests && stream->Read(&response)) {
    EXPECT_EQ(response.refused_size(), 0);
    for (const auto& range : response.ranges()) {
      EXPECT_EQ(range.first_request(), next);
      EXPECT_EQ(range.first_index(), next);
      next += range.request_count();
    }
  }
  EXPECT_EQ(next, kRequests);
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

// It was refused, and nobody waits with it any more.
TEST_F(GrpcServerTest, LargeCallThatFoundNoRoomKeepsNoStreamWaitingThatWouldFit) {
  Serve();
  ledger_.room_bytes = 0;
  AppendRequest large;
  for (int i = 0; i < 200; ++i) {
    *large.add_events() = engine::MakeEvent("large-" + std::to_string(i));
  }
  AppendResponse refused;
  EXPECT_EQ(Append(large, &refused).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  auto stream = stub_->AppendStream(&context);
  AppendStreamRequest request;
  *request.add_events() = engine::MakeEvent("small");
  const uint64_t asked = ledger_.refusals;
  ASSERT_TRUE(stream->Write(request));
  while (ledger_.refusals < asked + 5) std::this_thread::yield();  // it is held
  ledger_.room_bytes = 10'000;
  AppendStreamResponse response;
  ASSERT_TRUE(stream->Read(&response)) << "the stream waits for the room of the large one";
  ASSERT_EQ(response.ranges_size(), 1);
  EXPECT_EQ(response.ranges(0).first_index(), 0U);
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

}  // namespace
}  // namespace graven::service
