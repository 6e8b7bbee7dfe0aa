// The ceiling: a server of the same contract that reads and throws away. One completion queue, one
// thread, raw bytes, acknowledgements drained and cumulative as the real server's. No validation,
// no parsing, no hashing, no storage. What a client sees here is what gRPC itself costs.
//
// usage: bench_discard_server --ready-file FILE [--listen ADDR] [--drain-unary]

#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "base/encoding.h"
#include "fmt/format.h"
#include "graven/v1/audit_log_service.grpc.pb.h"
#include "grpcpp/grpcpp.h"

namespace graven::bench {
namespace {

using Service = v1::AuditLogService::WithRawMethod_Append<
    v1::AuditLogService::WithRawMethod_AppendStream<v1::AuditLogService::Service>>;

// gRPC handles one socket per poll: a single empty poll does not mean that nothing waits.
constexpr int kEmptyPollsMax = 4;
constexpr int kArmedCalls = 256;

grpc::ByteBuffer ToBuffer(const google::protobuf::Message& message) {
  grpc::Slice slice(message.SerializeAsString());
  return grpc::ByteBuffer(&slice, 1);
}

// An answer of the size of a real one.
grpc::ByteBuffer UnaryAnswer() {
  v1::AppendResponse response;
  response.set_level(v1::RECEIPT_LEVEL_DURABLE);
  v1::Receipt* receipt = response.add_receipts();
  receipt->set_log("default");
  receipt->set_index(1'000'000);
  receipt->set_record_hash(std::string(32, 'h'));
  receipt->mutable_received_at()->set_seconds(1'700'000'000);
  receipt->mutable_received_at()->set_nanos(123'456'789);
  receipt->set_event_id("01890a5d-ac96-774b-bcce-b302099a8057");
  return ToBuffer(response);
}

// How many events the first request of a stream holds; the others are taken to hold as many.
uint64_t CountEvents(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return 0;
  std::string bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  uint64_t events = 0;
  std::string_view in = bytes;
  while (!in.empty()) {
    uint64_t tag = 0;
    uint64_t value = 0;
    if (!GetVarint(&in, &tag) || !GetVarint(&in, &value)) return events;
    if (tag >> 3 == 2) ++events;
    if ((tag & 7) == 2) in.remove_prefix(std::min<uint64_t>(value, in.size()));
  }
  return events;
}

class Server;

// What a completion's tag points to.
struct Event {
  virtual ~Event() = default;
  virtual void Done(Server* server, bool ok) = 0;
};

struct UnaryCall final : Event {
  explicit UnaryCall(Server* server);
  void Done(Server* server, bool ok) override;

  grpc::ServerContext context;
  grpc::ByteBuffer request;
  grpc::ServerAsyncResponseWriter<grpc::ByteBuffer> writer{&context};
  bool answered = false;
};

struct StreamCall {
  explicit StreamCall(Server* server);
  void Acknowledge();
  void OnRead(Server* server, bool ok);

  template <void (StreamCall::*kMethod)(Server*, bool)>
  struct Tag final : Event {
    explicit Tag(StreamCall* c) : call(c) {}
    void Done(Server* server, bool ok) override { (call->*kMethod)(server, ok); }
    StreamCall* call;
  };
  void OnStart(Server* server, bool ok);
  void OnWrite(Server*, bool) { writing = false; }
  void OnFinish(Server* server, bool);

  grpc::ServerContext context;
  grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer> stream{&context};
  grpc::ByteBuffer request;
  Tag<&StreamCall::OnStart> start_tag{this};
  Tag<&StreamCall::OnRead> read_tag{this};
  Tag<&StreamCall::OnWrite> write_tag{this};
  Tag<&StreamCall::OnFinish> finish_tag{this};
  uint64_t events_per_request = 0;
  uint64_t taken = 0;
  uint64_t acknowledged = 0;
  bool writing = false;
  bool ended = false;
  bool finishing = false;
};

class Server {
 public:
  Server(const std::string& address, bool drain_unary) : drain_unary_(drain_unary) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port_);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.RegisterService(&service_);
    builder.SetMaxReceiveMessageSize(4 << 20);
    queue_ = builder.AddCompletionQueue();
    server_ = builder.BuildAndStart();
    for (int i = 0; i < kArmedCalls; ++i) new UnaryCall(this);
    new StreamCall(this);
  }

  int port() const { return server_ == nullptr ? 0 : port_; }
  Service& service() { return service_; }
  grpc::ServerCompletionQueue* queue() { return queue_.get(); }
  const grpc::ByteBuffer& unary_answer() const { return unary_answer_; }
  bool drain_unary() const { return drain_unary_; }
  void Unanswered(UnaryCall* call) { unary_.push_back(call); }
  std::set<StreamCall*>& streams() { return streams_; }

  void Run() {
    void* tag = nullptr;
    bool ok = false;
    while (queue_->Next(&tag, &ok)) {
      static_cast<Event*>(tag)->Done(this, ok);
      for (int empty = 0; empty < kEmptyPollsMax;) {
        if (queue_->AsyncNext(&tag, &ok, gpr_time_0(GPR_CLOCK_MONOTONIC)) !=
            grpc::CompletionQueue::GOT_EVENT) {
          ++empty;
          continue;
        }
        empty = 0;
        static_cast<Event*>(tag)->Done(this, ok);
      }
      AnswerAll();
    }
  }

 private:
  void AnswerAll() {
    for (UnaryCall* call : unary_) call->writer.Finish(unary_answer_, grpc::Status::OK, call);
    unary_.clear();
    for (StreamCall* call : streams_) call->Acknowledge();
  }

  const bool drain_unary_;
  const grpc::ByteBuffer unary_answer_ = UnaryAnswer();
  Service service_;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
  std::vector<UnaryCall*> unary_;
  std::set<StreamCall*> streams_;
};

UnaryCall::UnaryCall(Server* server) {
  server->service().RequestAppend(&context, &request, &writer, server->queue(), server->queue(),
                                  this);
}

void UnaryCall::Done(Server* server, bool ok) {
  if (answered || !ok) {
    delete this;
    return;
  }
  new UnaryCall(server);
  answered = true;
  if (server->drain_unary()) {
    server->Unanswered(this);
  } else {
    writer.Finish(server->unary_answer(), grpc::Status::OK, this);
  }
}

StreamCall::StreamCall(Server* server) {
  server->service().RequestAppendStream(&context, &stream, server->queue(), server->queue(),
                                        &start_tag);
}

void StreamCall::OnStart(Server* server, bool ok) {
  if (!ok) {
    delete this;
    return;
  }
  new StreamCall(server);
  server->streams().insert(this);
  stream.Read(&request, &read_tag);
}

void StreamCall::OnFinish(Server* server, bool) {
  server->streams().erase(this);
  delete this;
}

void StreamCall::OnRead(Server*, bool ok) {
  if (!ok) {
    ended = true;
    return;
  }
  if (events_per_request == 0) events_per_request = CountEvents(request);
  ++taken;
  stream.Read(&request, &read_tag);
}

// One cumulative acknowledgement of all that was read, unless the one before is being written yet.
void StreamCall::Acknowledge() {
  if (writing || finishing) return;
  if (taken == acknowledged) {
    if (!ended) return;
    finishing = true;
    stream.Finish(grpc::Status::OK, &finish_tag);
    return;
  }
  v1::AppendStreamResponse reply;
  reply.set_requests_done(taken);
  v1::AppendedRange* range = reply.add_ranges();
  range->set_first_request(acknowledged);
  range->set_request_count(taken - acknowledged);
  range->set_first_index(acknowledged * events_per_request);
  range->set_record_count((taken - acknowledged) * events_per_request);
  acknowledged = taken;
  writing = true;
  stream.Write(ToBuffer(reply), &write_tag);
}

// In one step, as the real server does it.
bool WriteReadyFile(const std::string& path, int port) {
  const std::string temporary = path + ".new";
  std::ofstream(temporary) << fmt::format("{{\"pid\": {}, \"grpc\": [\"127.0.0.1:{}\"]}}\n",
                                          getpid(), port);
  return std::rename(temporary.c_str(), path.c_str()) == 0;
}

int Main(int argc, char** argv) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  std::string ready_file;
  std::string address = "127.0.0.1:0";
  bool drain_unary = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--drain-unary") {
      drain_unary = true;
    } else if (argument == "--ready-file" && i + 1 < argc) {
      ready_file = argv[++i];
    } else if (argument == "--listen" && i + 1 < argc) {
      address = argv[++i];
    } else {
      std::fprintf(stderr, "unknown argument %s\n", argv[i]);
      return 2;
    }
  }
  Server server(address, drain_unary);
  if (server.port() == 0 || ready_file.empty() || !WriteReadyFile(ready_file, server.port())) {
    std::fprintf(stderr, "cannot listen on %s or write the ready file\n", address.c_str());
    return 3;
  }
  server.Run();
  return 0;
}

}  // namespace
}  // namespace graven::bench

int main(int argc, char** argv) { return graven::bench::Main(argc, argv); }
