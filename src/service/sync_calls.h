#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/published_reads.h"
#include "engine/witness_facts.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "service/grpc_call.h"
#include "service/unary_append_calls.h"

// The rare unary calls, on gRPC's sync API: its own threads, which may wait for publication or for
// the disk without holding up an append.
namespace graven::service {

struct ServerFacts {
  std::string version;
  int64_t started_at_ns = 0;
  // Asked at each GetStatus, on any thread; empty without witnesses.
  std::function<std::vector<engine::WitnessFacts>()> witnesses;
};

class GravenServer final : public GravenCalls {
 public:
  GravenServer(CallEnvironment& environment, ServerFacts facts)
      : environment_(environment),
        reads_(environment.ledger, environment.hub, environment.cosigned_hub),
        facts_(std::move(facts)) {}

  grpc::Status Read(grpc::ServerContext* context, const graven::v1::ReadRequest* request,
                    graven::v1::ReadResponse* response) override;
  grpc::Status GetRecord(grpc::ServerContext* context, const graven::v1::GetRecordRequest* request,
                         graven::v1::GetRecordResponse* response) override;
  grpc::Status GetCheckpoint(grpc::ServerContext* context,
                             const graven::v1::GetCheckpointRequest* request,
                             graven::v1::GetCheckpointResponse* response) override;
  grpc::Status GetInclusionProof(grpc::ServerContext* context,
                                 const graven::v1::GetInclusionProofRequest* request,
                                 graven::v1::GetInclusionProofResponse* response) override;
  grpc::Status GetConsistencyProof(grpc::ServerContext* context,
                                   const graven::v1::GetConsistencyProofRequest* request,
                                   graven::v1::GetConsistencyProofResponse* response) override;
  grpc::Status CreateLog(grpc::ServerContext* context, const graven::v1::CreateLogRequest* request,
                         graven::v1::CreateLogResponse* response) override;
  grpc::Status ListLogs(grpc::ServerContext* context, const graven::v1::ListLogsRequest* request,
                        graven::v1::ListLogsResponse* response) override;
  grpc::Status GetLog(grpc::ServerContext* context, const graven::v1::GetLogRequest* request,
                      graven::v1::GetLogResponse* response) override;
  grpc::Status GetStatus(grpc::ServerContext* context, const graven::v1::GetStatusRequest* request,
                         graven::v1::GetStatusResponse* response) override;

 private:
  absl::StatusOr<ledger::LogRef> FindLog(const std::string& name) const;
  absl::Status ReadRange(const graven::v1::ReadRequest& request,
                         graven::v1::ReadResponse* response) const;
  absl::Status ReadOne(const graven::v1::GetRecordRequest& request,
                       graven::v1::GetRecordResponse* response) const;

  CallEnvironment& environment_;
  const engine::PublishedReads reads_;
  const ServerFacts facts_;
};

// Check on the sync API, Watch on the completion queue (watch_calls.h).
using HealthCalls =
    grpc::health::v1::Health::WithAsyncMethod_Watch<grpc::health::v1::Health::Service>;

inline constexpr char kAppendHealth[] = "graven.v1.AuditLogService.Append";
// NOT_SERVING once the scrubber has found something: the server goes on, but somebody should look.
inline constexpr std::string_view kIntegrityService = "graven.v1.Integrity";

class HealthServer final : public HealthCalls {
 public:
  explicit HealthServer(CallEnvironment& environment) : environment_(environment) {}
  grpc::Status Check(grpc::ServerContext* context,
                     const grpc::health::v1::HealthCheckRequest* request,
                     grpc::health::v1::HealthCheckResponse* response) override;

  // Of a service by name, for a ledger in `state`. "" is the whole server, and like the services
  // themselves it serves as long as writing has not stopped for good; kAppendHealth serves only
  // while events are taken, which a full disk ends and free space brings back.
  grpc::health::v1::HealthCheckResponse::ServingStatus StatusOf(const std::string& service,
                                                                ledger::WriteState state) const;
  ledger::WriteState write_state() const { return environment_.ledger.status().write_state; }

 private:
  CallEnvironment& environment_;
};

}  // namespace graven::service
