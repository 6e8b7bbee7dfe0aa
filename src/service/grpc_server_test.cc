#include "service/grpc_server.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "base/encoding.h"
#include "base/sha256.h"
#include "engine/engine_fixture_test.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "record/record.h"

namespace graven::service {
namespace {

using graven::v1::AppendRequest;
using graven::v1::AppendResponse;
using graven::v1::AppendStreamRequest;
using graven::v1::AppendStreamResponse;

// A client channel of its own connection.
std::shared_ptr<grpc::Channel> Connect(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

std::string ReasonOf(const grpc::Status& status) {
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return "unparsable";
  for (const auto& detail : details.details()) {
    google::rpc::ErrorInfo info;
    if (detail.UnpackTo(&info)) return info.reason();
  }
  return "none";
}

// The field of the first violation.
std::string FieldOf(const grpc::Status& status) {
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return "unparsable";
  for (const auto& detail : details.details()) {
    google::rpc::BadRequest bad;
    if (detail.UnpackTo(&bad) && bad.field_violations_size() > 0) {
      return bad.field_violations(0).field();
    }
  }
  return "none";
}

// Sends `messages` as they are, on one call of `method`, and reads one answer for each.
grpc::Status CallWithBytes(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                           const std::vector<std::string>& messages,
                           std::vector<grpc::ByteBuffer>* answers) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  void* tag = nullptr;
  bool ok = false;
  auto call = stub.PrepareCall(&context, method, &queue);
  call->StartCall(nullptr);
  queue.Next(&tag, &ok);
  for (const std::string& message : messages) {
    call->Write(ToMessage(message), nullptr);
    if (!queue.Next(&tag, &ok) || !ok) break;
    grpc::ByteBuffer answer;
    call->Read(&answer, nullptr);
    if (!queue.Next(&tag, &ok) || !ok) break;
    answers->push_back(answer);
  }
  call->WritesDone(nullptr);
  queue.Next(&tag, &ok);
  grpc::Status status;
  call->Finish(&status, nullptr);
  queue.Next(&tag, &ok);
  return status;
}

class GrpcServerTest : public testing::Test {
 protected:
  void Serve(GrpcServerOptions options = {}) {
    options.listen = {{"127.0.0.1:0", nullptr}};
    options.facts.version = "test";
    engine_ = std::make_unique<engine::Engine>(ledger_, SystemClock(), engine::EngineOptions{},
                                               [](const absl::Status&) {});
    engine_->Start();
    auto server = GrpcServer::Start(ledger_, *engine_, SystemClock(), SystemRandom(), options);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    channel_ = Connect(server_->addresses().front());
    stub_ = graven::v1::AuditLogService::NewStub(channel_);
    compat_ = ::AuditLogService::NewStub(channel_);
  }

  void TearDown() override { StopServer(); }

  void StopServer() {
    if (server_ == nullptr) return;
    server_->Stop(5000);
    engine_->Stop();
    server_.reset();
  }

  grpc::Status Append(const AppendRequest& request, AppendResponse* response) {
    grpc::ClientContext context;
    return stub_->Append(&context, request, response);
  }

  grpc::Status AppendOne(const std::string& id, AppendResponse* response) {
    AppendRequest request;
    *request.add_events() = engine::MakeEvent(id);
    return Append(request, response);
  }

  graven::v1::GetStatusResponse Status() {
    grpc::ClientContext context;
    graven::v1::GetStatusResponse response;
    EXPECT_TRUE(stub_->GetStatus(&context, {}, &response).ok());
    return response;
  }

  engine::LedgerOnSimulatedDisk on_disk_;
  engine::LedgerWithRoom ledger_{*on_disk_.ledger};
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<GrpcServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<graven::v1::AuditLogService::Stub> stub_;
  std::unique_ptr<::AuditLogService::Stub> compat_;
};

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

TEST_F(GrpcServerTest, WhatIsDurableIsReadableAtOnce) {
  Serve();
  for (int i = 0; i < 100; ++i) {
    AppendResponse response;
    ASSERT_TRUE(AppendOne("id-" + std::to_string(i), &response).ok());
    grpc::ClientContext by_index, by_proof;
    graven::v1::GetRecordRequest get;
    get.set_index(response.receipts(0).index());
    graven::v1::GetRecordResponse got;
    const grpc::Status status = stub_->GetRecord(&by_index, get, &got);
    ASSERT_TRUE(status.ok()) << status.error_message();
    graven::v1::GetInclusionProofRequest ask;
    ask.set_index(response.receipts(0).index());
    graven::v1::GetInclusionProofResponse proof;
    ASSERT_TRUE(stub_->GetInclusionProof(&by_proof, ask, &proof).ok());
    EXPECT_EQ(proof.leaf_hash(), response.receipts(0).record_hash());
  }
  grpc::ClientContext context;
  graven::v1::GetRecordRequest beyond;
  beyond.set_index(100);
  graven::v1::GetRecordResponse none;
  const grpc::Status status = stub_->GetRecord(&context, beyond, &none);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ReasonOf(status), "INDEX_NOT_FOUND");
}

TEST_F(GrpcServerTest, ProofThatCannotBeIsAnInvalidRequestWithItsField) {
  Serve();
  for (int i = 0; i < 3; ++i) {
    AppendResponse response;
    ASSERT_TRUE(AppendOne("id-" + std::to_string(i), &response).ok());
  }
  grpc::ClientContext inclusion, consistency;
  graven::v1::GetInclusionProofRequest ask;
  ask.set_index(2);
  ask.set_tree_size(2);
  graven::v1::GetInclusionProofResponse proof;
  grpc::Status status = stub_->GetInclusionProof(&inclusion, ask, &proof);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonOf(status), "REQUEST_INVALID");
  EXPECT_EQ(FieldOf(status), "index");
  graven::v1::GetConsistencyProofRequest shrink;
  shrink.set_old_size(3);
  shrink.set_new_size(2);
  graven::v1::GetConsistencyProofResponse shrunk;
  status = stub_->GetConsistencyProof(&consistency, shrink, &shrunk);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonOf(status), "REQUEST_INVALID");
  EXPECT_EQ(FieldOf(status), "old_size");
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

TEST_F(GrpcServerTest, TailSaysAtOnceThatItFollowsAndThenFollows) {
  Serve();
  grpc::ClientContext context;
  graven::v1::TailRequest request;
  request.set_limit(20);
  auto reader = stub_->Tail(&context, request);
  graven::v1::TailResponse batch;
  ASSERT_TRUE(reader->Read(&batch));
  EXPECT_EQ(batch.records_size(), 0);
  std::thread writer([&] {
    for (int i = 0; i < 20; ++i) {
      AppendResponse response;
      EXPECT_TRUE(AppendOne("id-" + std::to_string(i), &response).ok());
    }
  });
  uint64_t next = 0;
  while (reader->Read(&batch)) {
    for (const auto& view : batch.records()) {
      EXPECT_EQ(record::Decode(view.record())->index.value, next++);
    }
    EXPECT_EQ(batch.next_index(), next);
    EXPECT_GE(batch.published_size(), next);
  }
  writer.join();
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(next, 20u);
}

TEST_F(GrpcServerTest, TailStopsAtTheEndAndRefusesToStartBeyondIt) {
  Serve();
  AppendResponse response;
  ASSERT_TRUE(AppendOne("a", &response).ok());
  graven::v1::TailRequest request;
  request.set_stop_at_end(true);
  grpc::ClientContext context;
  auto reader = stub_->Tail(&context, request);
  graven::v1::TailResponse batch;
  int records = 0;
  while (reader->Read(&batch)) records += batch.records_size();
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(records, 1);

  grpc::ClientContext beyond_context;
  request.set_from_index(2);
  auto beyond = stub_->Tail(&beyond_context, request);
  EXPECT_FALSE(beyond->Read(&batch));
  EXPECT_EQ(beyond->Finish().error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(GrpcServerTest, MinimalContractChainsItsEntries) {
  Serve();
  std::string last;
  for (int i = 0; i < 5; ++i) {
    grpc::ClientContext context;
    ::AuditLogEntry entry;
    entry.set_actor("bob");
    entry.set_action("login");
    entry.set_timestamp("2026-01-02T03:04:05+01:00");
    entry.set_hash(last);
    ::Response response;
    const grpc::Status status = compat_->SendAuditLog(&context, entry, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.index(), static_cast<uint64_t>(i));
    last = response.hash();
  }
  grpc::ClientContext stale_context;
  ::AuditLogEntry stale;
  stale.set_actor("bob");
  stale.set_action("login");
  stale.set_timestamp("2026-01-02T03:04:05Z");
  stale.set_hash(std::string(64, '0'));
  ::Response response;
  EXPECT_EQ(compat_->SendAuditLog(&stale_context, stale, &response).error_code(),
            grpc::StatusCode::ABORTED);
  AppendResponse typed;
  ASSERT_TRUE(AppendOne("typed", &typed).ok());

  // Readers of graven.v1 see the entries as events.
  graven::v1::TailRequest follow;
  follow.set_stop_at_end(true);
  follow.set_want_parsed(true);
  grpc::ClientContext tail_context;
  auto tail = stub_->Tail(&tail_context, follow);
  graven::v1::TailResponse batch;
  std::vector<graven::v1::Event> events;
  while (tail->Read(&batch)) {
    for (const auto& view : batch.records()) events.push_back(view.event());
  }
  ASSERT_EQ(events.size(), 6u);
  EXPECT_EQ(events[0].action(), "login");
  EXPECT_EQ(events[0].actor().id(), "bob");
  EXPECT_EQ(events[0].occurred_at().seconds(), 1'767'319'445);
  EXPECT_EQ(events[0].event_id().size(), 36u);
  EXPECT_EQ(events[5].SerializeAsString(), engine::MakeEvent("typed").SerializeAsString());
  grpc::ClientContext get_context;
  graven::v1::GetRecordRequest get;
  get.set_index(0);
  get.set_want_parsed(true);
  graven::v1::GetRecordResponse got;
  ASSERT_TRUE(stub_->GetRecord(&get_context, get, &got).ok());
  EXPECT_EQ(got.record().event().SerializeAsString(), events[0].SerializeAsString());

  grpc::ClientContext context;
  auto reader = compat_->StreamAuditLogs(&context, ::Empty());
  ::AuditLogEntry entry;
  std::vector<::AuditLogEntry> entries;
  while (entries.size() < 6 && reader->Read(&entry)) entries.push_back(entry);
  context.TryCancel();
  ASSERT_EQ(entries.size(), 6u);
  EXPECT_EQ(entries[0].hash(),
            HexEncode(record::GenesisHash(on_disk_.ledger->FindLog("").origin())));
  EXPECT_EQ(entries[0].timestamp(), "2026-01-02T03:04:05+01:00");
  EXPECT_EQ(entries[0].event_id().size(), 36u);
  EXPECT_EQ(entries[5].hash(), last);
  EXPECT_EQ(entries[5].actor(), "alice");
}

TEST_F(GrpcServerTest, CancelledTailersAreGone) {
  Serve();
  for (int round = 0; round < 5; ++round) {
    std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
    std::vector<std::unique_ptr<grpc::ClientReader<graven::v1::TailResponse>>> readers;
    for (int i = 0; i < 20; ++i) {
      contexts.push_back(std::make_unique<grpc::ClientContext>());
      readers.push_back(stub_->Tail(contexts.back().get(), {}));
      graven::v1::TailResponse first;
      ASSERT_TRUE(readers.back()->Read(&first));
    }
    EXPECT_GE(Status().tailers(), 20u);
    for (auto& context : contexts) context->TryCancel();
    for (auto& reader : readers) {
      EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
    }
  }
  for (int i = 0; i < 1000 && Status().tailers() > 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(Status().tailers(), 0u);
  EXPECT_EQ(engine_->hub().waiters(), 0u);
}

TEST_F(GrpcServerTest, WrongOrMissingTokenIsUnauthenticatedAndTheRightOneIsWrittenDown) {
  GrpcServerOptions options;
  options.authentication.tokens = {{HexEncode(Sha256("secret")), "billing"}};
  Serve(options);
  AppendResponse response;
  grpc::Status status = AppendOne("a", &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(ReasonOf(status), "TOKEN_MISSING");
  AppendRequest request;
  *request.add_events() = engine::MakeEvent("a");
  {
    grpc::ClientContext context;
    context.AddMetadata("authorization", "Bearer wrong");
    status = stub_->Append(&context, request, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
    EXPECT_EQ(ReasonOf(status), "TOKEN_UNKNOWN");
  }
  {
    grpc::ClientContext context;
    context.AddMetadata("authorization", "Bearer secret");
    EXPECT_TRUE(stub_->Append(&context, request, &response).ok());
  }
  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer secret");
  graven::v1::GetRecordRequest get;
  get.set_index(0);
  graven::v1::GetRecordResponse got;
  ASSERT_TRUE(stub_->GetRecord(&context, get, &got).ok());
  EXPECT_EQ(record::Decode(got.record().record())->written_by, "billing");
}

TEST_F(GrpcServerTest, FailedSyncIsUnavailableAndThenNothingIsTakenAnyMore) {
  Serve();
  AppendResponse response;
  ASSERT_TRUE(AppendOne("before", &response).ok());
  io::Fault fault;
  fault.operation = io::Operation::kSync;
  fault.path_part = "journal";
  fault.kind = io::FaultKind::kError;
  on_disk_.disk.AddFault(fault);
  grpc::Status status = AppendOne("during", &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(status), "OUTCOME_UNKNOWN");
  EXPECT_EQ(on_disk_.disk.Counts().errors, 1u);
  status = AppendOne("after", &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(status), "WRITES_STOPPED");
  EXPECT_EQ(Status().state(), graven::v1::SERVER_STATE_WRITES_STOPPED);
}

// Every request that was acknowledged is there after a stop under load.
TEST_F(GrpcServerTest, StopAnswersWhatWasAcceptedAndEndsLongCalls) {
  Serve();
  std::atomic<uint64_t> acknowledged = 0;
  std::vector<std::thread> clients;
  for (int c = 0; c < 3; ++c) {
    clients.emplace_back([&, c] {
      auto stub = graven::v1::AuditLogService::NewStub(Connect(server_->addresses().front()));
      grpc::ClientContext context;
      auto stream = stub->AppendStream(&context);
      std::thread reader([&] {
        AppendStreamResponse response;
        while (stream->Read(&response)) {
          for (const auto& range : response.ranges()) acknowledged += range.record_count();
        }
      });
      AppendStreamRequest request;
      for (int i = 0;; ++i) {
        request.clear_events();
        *request.add_events() = engine::MakeEvent(std::to_string(c) + "/" + std::to_string(i));
        if (!stream->Write(request)) break;
      }
      reader.join();
      EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
    });
  }
  grpc::ClientContext tail_context;
  auto tail = stub_->Tail(&tail_context, {});
  graven::v1::TailResponse batch;
  ASSERT_TRUE(tail->Read(&batch));
  while (acknowledged < 2000) std::this_thread::yield();
  std::thread tailer([&] {
    while (tail->Read(&batch)) {
    }
  });
  server_->Stop(10'000);
  for (std::thread& client : clients) client.join();
  tailer.join();
  EXPECT_EQ(tail->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  engine_->Stop();
  const ledger::LogRef log = on_disk_.ledger->FindLog("");
  EXPECT_GE(on_disk_.ledger->DurableSize(log).value, acknowledged.load());
  EXPECT_EQ(on_disk_.ledger->GetPublished(log)->size, on_disk_.ledger->DurableSize(log));
  server_.reset();
}

TEST_F(GrpcServerTest, HealthIsServingUntilTheStop) {
  Serve();
  auto health = grpc::health::v1::Health::NewStub(channel_);
  grpc::health::v1::HealthCheckResponse response;
  grpc::ClientContext check, unknown, watch;
  grpc::health::v1::HealthCheckRequest request;
  ASSERT_TRUE(health->Check(&check, request, &response).ok());
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVING);
  request.set_service("nobody");
  EXPECT_EQ(health->Check(&unknown, request, &response).error_code(), grpc::StatusCode::NOT_FOUND);
  request.set_service("graven.v1.AuditLogService");
  auto watcher = health->Watch(&watch, request);
  ASSERT_TRUE(watcher->Read(&response));
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVING);
  std::thread stopper([&] { server_->Stop(5000); });
  ASSERT_TRUE(watcher->Read(&response));
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::NOT_SERVING);
  EXPECT_FALSE(watcher->Read(&response));
  stopper.join();
  engine_->Stop();
  server_.reset();
}

TEST_F(GrpcServerTest, SecondServerOnThePortIsRefused) {
  Serve();
  engine::Engine engine(*on_disk_.ledger, SystemClock(), {}, nullptr);
  GrpcServerOptions options;
  options.listen = {{server_->addresses().front(), nullptr}};
  auto second = GrpcServer::Start(*on_disk_.ledger, engine, SystemClock(), SystemRandom(), options);
  ASSERT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(std::string(second.status().message()).find(server_->addresses().front()),
            std::string::npos);
}

TEST_F(GrpcServerTest, LogsAreCreatedListedInPagesAndNamedOnce) {
  Serve();
  for (const char* name : {"b", "a"}) {
    grpc::ClientContext context;
    graven::v1::CreateLogRequest request;
    request.set_name(name);
    graven::v1::CreateLogResponse response;
    ASSERT_TRUE(stub_->CreateLog(&context, request, &response).ok());
    EXPECT_EQ(response.log().name(), name);
    grpc::ClientContext again;
    const grpc::Status status = stub_->CreateLog(&again, request, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::ALREADY_EXISTS);
    EXPECT_EQ(ReasonOf(status), "LOG_EXISTS");
  }
  graven::v1::ListLogsRequest request;
  request.set_page_size(2);
  std::vector<std::string> names;
  do {
    grpc::ClientContext context;
    graven::v1::ListLogsResponse response;
    ASSERT_TRUE(stub_->ListLogs(&context, request, &response).ok());
    for (const auto& log : response.logs()) names.push_back(log.name());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(names, (std::vector<std::string>{"a", "b", "default"}));
}

}  // namespace
}  // namespace graven::service
