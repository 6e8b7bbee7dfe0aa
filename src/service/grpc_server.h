#pragma once

#include <grpcpp/security/server_credentials.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/random.h"
#include "engine/authenticator.h"
#include "engine/engine.h"
#include "ledger/ledger.h"
#include "record/rules.h"
#include "search/searches.h"
#include "service/append_stream_call.h"
#include "service/sync_calls.h"
#include "service/unary_append_calls.h"

// gRPC in, ledger call, gRPC out. One completion queue and one thread for appends and long calls,
// which is also the writer: it drains the queue, appends and syncs once, and answers all that it
// drained. The rare unary calls are on the sync API of the same services. No callback API and no
// default health service: one registered method of either halves the unary throughput of this gRPC
// version.
namespace graven::service {

struct GrpcListen {
  // As gRPC has it: "127.0.0.1:7465", "[::1]:0", "unix:/run/graven.sock".
  std::string address;
  // Null: insecure.
  std::shared_ptr<grpc::ServerCredentials> credentials;
};

struct GrpcServerOptions {
  std::vector<GrpcListen> listen;
  ServerFacts facts;
  engine::AuthenticationOptions authentication;
  record::RuleContext rules;
  UnaryPoolOptions unary;
  StreamLimits streams;
  size_t tailers_max = 1024;
  size_t watchers_max = 256;
  // What searches share with other doors; must outlive the server. Null: one of its own.
  search::Searches* searches = nullptr;
  // Of gRPC's own buffers.
  size_t grpc_memory_bytes = size_t{512} << 20;
  int sync_threads_max = 64;
  int streams_per_connection_max = 1024;
};

class GrpcServer {
 public:
  // Listens and serves. `engine` has been started; it, the ledger and the rest must outlive the
  // server. kInvalidArgument: authentication. kUnavailable: an address cannot be listened on; says
  // which.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(ledger::Ledger& ledger,
                                                           engine::Engine& engine, Clock& clock,
                                                           Random& random,
                                                           const GrpcServerOptions& options);
  virtual ~GrpcServer() = default;

  // The addresses really bound, in the order of the options.
  virtual const std::vector<std::string>& addresses() const = 0;

  // Open calls that follow a log, and the published records that the slowest has still to be sent.
  // Any thread.
  virtual uint64_t tailers() const = 0;
  virtual uint64_t tailer_lag_records() const = 0;

  // Lets the loop make a round: something was submitted from outside. Any thread, until Stop is
  // called; cheap when called often.
  virtual void WakeWriter() = 0;

  // Takes no more calls, answers what was accepted, ends the long calls (kUnavailable, STOPPING),
  // and returns when the loop has ended. Calls that are still there after `patience_ms` are
  // cancelled.
  virtual void Stop(int64_t patience_ms) = 0;
};

}  // namespace graven::service
