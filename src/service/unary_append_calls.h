#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "compat/audit_log.grpc.pb.h"
#include "engine/append_loop.h"
#include "graven/v1/audit_log_service.grpc.pb.h"
#include "service/grpc_call.h"

// The unary appends of both contracts on the completion queue, raw. All on the loop's thread, but
// where a call waits for publication: its answer is then put together by a worker.
namespace graven::service {

// The services as this server serves them: the hot and the long calls raw on the completion queue,
// the rest on the sync API of the same service.
using GravenCalls = graven::v1::AuditLogService::WithRawMethod_Append<
    graven::v1::AuditLogService::WithRawMethod_AppendStream<
        graven::v1::AuditLogService::WithRawMethod_Tail<
            graven::v1::AuditLogService::WithRawMethod_Search<
                graven::v1::AuditLogService::WithRawMethod_GetFacets<
                    graven::v1::AuditLogService::WithRawMethod_GetHistogram<
                        graven::v1::AuditLogService::WithRawMethod_GetStatement<
                            graven::v1::AuditLogService::Service>>>>>>>;
using CompatCalls = ::AuditLogService::WithRawMethod_SendAuditLog<
    ::AuditLogService::WithRawMethod_StreamAuditLogs<::AuditLogService::Service>>;

class UnaryAppendPool;

// One call, used again and again: armed (waits for a client), working, finishing.
class UnaryAppendCall : public Tag, public engine::AppendOwner {
 public:
  UnaryAppendCall(CallEnvironment& environment, UnaryAppendPool& pool)
      : environment_(environment), pool_(pool) {}
  virtual ~UnaryAppendCall() = default;

  void Arm();
  void Proceed(bool ok) override;
  void Done(const ledger::RequestResult& result) override;

 protected:
  // Asks gRPC for the next call of this method.
  virtual void Request() = 0;
  // Makes the submission of `message`.
  virtual absl::Status Prepare(std::string_view message) = 0;
  // Answers an accepted request.
  virtual void Reply(std::span<const ledger::EventReceipt> receipts) = 0;

  void FinishWith(std::string_view response);
  // Lets go of the client's bytes.
  void ReleaseRequest();

  CallEnvironment& environment_;
  std::optional<grpc::ServerContext> context_;
  grpc::ByteBuffer request_;
  std::optional<grpc::ServerAsyncResponseWriter<grpc::ByteBuffer>> responder_;
  CallerIdentity identity_;
  engine::Submission submission_;

 private:
  enum class State { kArmed, kWorking, kFinishing };

  absl::Status Handle();
  void Refuse(const absl::Status& status);

  UnaryAppendPool& pool_;
  State state_ = State::kArmed;
  grpc::Slice bytes_;
};

struct UnaryPoolOptions {
  // So many calls of a method wait for clients.
  size_t armed = 256;
  // So many exist at most; more clients wait inside gRPC.
  size_t calls_max = 4096;
};

// The calls of one method.
class UnaryAppendPool {
 public:
  using Maker = std::function<std::unique_ptr<UnaryAppendCall>(UnaryAppendPool&)>;
  UnaryAppendPool(const UnaryPoolOptions& options, Maker make)
      : options_(options), make_(std::move(make)) {}

  // Arms the calls; before the loop starts.
  void Start();

  // Arms no more calls: the queue is about to be closed.
  void Stop() { stopped_ = true; }

  // For the calls: one was accepted; one is free.
  void Accepted();
  void Free(UnaryAppendCall* call);

 private:
  void ArmOne();

  const UnaryPoolOptions options_;
  const Maker make_;
  std::vector<std::unique_ptr<UnaryAppendCall>> calls_;
  std::vector<UnaryAppendCall*> idle_;
  size_t armed_ = 0;
  bool stopped_ = false;
};

UnaryAppendPool::Maker AppendCallMaker(CallEnvironment& environment, GravenCalls& service);
UnaryAppendPool::Maker SendAuditLogCallMaker(CallEnvironment& environment, CompatCalls& service);

}  // namespace graven::service
