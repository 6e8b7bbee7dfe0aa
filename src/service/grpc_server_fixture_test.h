// A server of gRPC over a real ledger on a simulated disk, and what its tests ask it with.
#pragma once

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/engine_fixture_test.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "service/grpc_server.h"

namespace graven::service {

using graven::v1::AppendRequest;
using graven::v1::AppendResponse;
using graven::v1::AppendStreamRequest;
using graven::v1::AppendStreamResponse;

// A client channel of its own connection.
inline std::shared_ptr<grpc::Channel> Connect(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

inline std::string ReasonOf(const grpc::Status& status) {
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return "unparsable";
  for (const auto& detail : details.details()) {
    google::rpc::ErrorInfo info;
    if (detail.UnpackTo(&info)) return info.reason();
  }
  return "none";
}

// The field of the first violation.
inline std::string FieldOf(const grpc::Status& status) {
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
inline grpc::Status CallWithBytes(const std::shared_ptr<grpc::Channel>& channel,
                                  const std::string& method,
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

}  // namespace graven::service
