#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "graven/v1/audit_log_service.grpc.pb.h"
#include "grpcpp/server.h"

namespace graven::client {

// What the server of the tests does wrong, and how often it did.
struct Misbehaviour {
  int drop_stream_after_requests = 0;  // > 0: each stream breaks after taking so many...
  int drops_max = 0;                   // ... that many times
  bool drop_before_answering = true;   // what was taken is stored, and nobody is told
  int answer_every = 1;                // acknowledgements cover so many requests
  int refuse_unary_times = 0;          // RESOURCE_EXHAUSTED with RetryInfo
  int refuse_streamed_times = 0;       // the same for requests of a stream
  int lose_unary_answers = 0;          // stores, and answers UNAVAILABLE
  std::string poison_action;           // an event with this action is refused
  bool never_answer_stream = false;
  bool acknowledge_too_much = false;
  grpc::Status refuse_streams;       // not OK: every stream ends with it at once
  int break_tail_after_batches = 0;  // > 0: break_tail_with, once
  grpc::StatusCode break_tail_with = grpc::StatusCode::UNAVAILABLE;
  int refuse_tails = 0;  // so many end with break_tail_with before the first batch

  int drops = 0;
  int unary_refusals = 0;
  int streamed_refusals = 0;
  int lost_answers = 0;
  int poisoned = 0;
  int tail_breaks = 0;
  int tail_refusals = 0;
};

// The contract in memory, for one process: a log per name, duplicates by id. Listens on a port of
// its own choice.
class FakeServer final : public v1::AuditLogService::Service {
 public:
  explicit FakeServer(Misbehaviour misbehaviour = {});
  ~FakeServer() override;

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  // The ids of a log in order.
  std::vector<std::string> ids(const std::string& log = "default");
  Misbehaviour seen();
  std::string last_token();

  grpc::Status Append(grpc::ServerContext* context, const v1::AppendRequest* request,
                      v1::AppendResponse* response) override;
  grpc::Status AppendStream(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::AppendStreamResponse, v1::AppendStreamRequest>* stream) override;
  grpc::Status Tail(grpc::ServerContext* context, const v1::TailRequest* request,
                    grpc::ServerWriter<v1::TailResponse>* writer) override;
  grpc::Status GetRecord(grpc::ServerContext* context, const v1::GetRecordRequest* request,
                         v1::GetRecordResponse* response) override;
  grpc::Status GetStatus(grpc::ServerContext* context, const v1::GetStatusRequest* request,
                         v1::GetStatusResponse* response) override;

 private:
  struct Stored {
    uint64_t index = 0;
    bool duplicate = false;
  };
  // All or none.
  grpc::Status Store(const std::string& log,
                     const google::protobuf::RepeatedPtrField<v1::Event>& events,
                     std::vector<Stored>* stored);
  void Note(grpc::ServerContext* context);
  bool TakeFault(int Misbehaviour::*left, int Misbehaviour::*fired);
  void Answer(const v1::AppendStreamRequest& request, const std::string& log, uint64_t number,
              v1::AppendStreamResponse* reply);

  absl::Mutex mutex_;
  Misbehaviour misbehaviour_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::vector<std::string>> logs_ ABSL_GUARDED_BY(mutex_);
  std::string last_token_ ABSL_GUARDED_BY(mutex_);
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace graven::client
