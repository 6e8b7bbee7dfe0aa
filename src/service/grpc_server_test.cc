// Reads, tailers, identities, health, the stop.
#include "service/grpc_server.h"

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/encoding.h"
#include "base/sha256.h"
#include "record/record.h"
#include "service/grpc_server_fixture_test.h"

namespace graven::service {
namespace {

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
  std::atomic<int> never_taken = 0;
  std::vector<std::thread> clients;
  for (int c = 0; c < 3; ++c) {
    clients.emplace_back([&, c] {
      auto stub = graven::v1::AuditLogService::NewStub(Connect(server_->addresses().front()));
      grpc::ClientContext context;
      auto stream = stub->AppendStream(&context);
      uint64_t acknowledged_here = 0;
      std::thread reader([&] {
        AppendStreamResponse response;
        while (stream->Read(&response)) {
          for (const auto& range : response.ranges()) {
            acknowledged += range.record_count();
            acknowledged_here += range.record_count();
          }
        }
      });
      AppendStreamRequest request;
      for (int i = 0;; ++i) {
        request.clear_events();
        *request.add_events() = engine::MakeEvent(std::to_string(c) + "/" + std::to_string(i));
        if (!stream->Write(request)) break;
      }
      reader.join();
      const grpc::Status end = stream->Finish();
      // A stream that the server had not taken when it closed is ended by gRPC itself, which calls
      // that cancelled (docs/errors.md).
      const bool was_taken = acknowledged_here > 0 || end.error_code() != grpc::CANCELLED;
      if (!was_taken) ++never_taken;
      EXPECT_EQ(end.error_code(), was_taken ? grpc::UNAVAILABLE : grpc::CANCELLED)
          << acknowledged_here << " acknowledged; " << end.error_message();
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
  EXPECT_LT(never_taken, 3);
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

TEST_F(GrpcServerTest, WatchersHearOfAFullDiskAndOfSpaceAgain) {
  Serve();
  auto health = grpc::health::v1::Health::NewStub(channel_);
  grpc::health::v1::HealthCheckRequest appends, reads;
  appends.set_service("graven.v1.AuditLogService.Append");
  reads.set_service("graven.v1.AuditLogService");
  grpc::health::v1::HealthCheckResponse response;
  grpc::ClientContext watch;
  auto watcher = health->Watch(&watch, appends);
  using Response = grpc::health::v1::HealthCheckResponse;
  ASSERT_TRUE(watcher->Read(&response));
  EXPECT_EQ(response.status(), Response::SERVING);
  ledger_.write_state = ledger::WriteState::kDiskFull;
  ASSERT_TRUE(watcher->Read(&response));
  EXPECT_EQ(response.status(), Response::NOT_SERVING);
  for (auto [request, expected] :
       {std::pair(&appends, Response::NOT_SERVING), std::pair(&reads, Response::SERVING)}) {
    grpc::ClientContext check;
    ASSERT_TRUE(health->Check(&check, *request, &response).ok());
    EXPECT_EQ(response.status(), expected);
  }
  ledger_.write_state = ledger::WriteState::kActive;
  ASSERT_TRUE(watcher->Read(&response));
  EXPECT_EQ(response.status(), Response::SERVING);
  watch.TryCancel();
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

TEST_F(GrpcServerTest, LongWordsOfAWitnessAreCutBetweenCharacters) {
  GrpcServerOptions options;
  std::string said = "x";
  for (int i = 0; i < 300; ++i) said += "\xC3\xA9";
  options.facts.witnesses = [&] { return std::vector<engine::WitnessFacts>{{"one", 3, 1, said}}; };
  Serve(options);
  grpc::ClientContext context;
  graven::v1::GetStatusResponse status;
  ASSERT_TRUE(stub_->GetStatus(&context, graven::v1::GetStatusRequest(), &status).ok());
  ASSERT_EQ(status.witnesses_size(), 1);
  EXPECT_EQ(status.witnesses(0).logs_cosigned(), 3u);
  EXPECT_EQ(status.witnesses(0).problem(), said.substr(0, 511));
}

}  // namespace
}  // namespace graven::service
