#pragma once

#include <grpcpp/completion_queue.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <atomic>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "engine/append_intake.h"
#include "engine/append_meter.h"
#include "engine/authenticator.h"
#include "engine/error_details.h"
#include "engine/publication_hub.h"
#include "engine/scrub_loop.h"
#include "engine/worker_pool.h"
#include "ledger/ledger.h"
#include "search/searches.h"
#include "sequencer/sequencer.h"

// What all calls on the completion queue share.
namespace graven::service {

// What a tag of the completion queue points to. Proceed runs on the loop's thread.
class Tag {
 public:
  virtual void Proceed(bool ok) = 0;

 protected:
  ~Tag() = default;
};

// A tag that calls a member: one for each operation of a call that may be under way.
template <typename Call>
class CallTag final : public Tag {
 public:
  CallTag(Call* call, void (Call::*method)(bool)) : call_(call), method_(method) {}
  void Proceed(bool ok) override { (call_->*method_)(ok); }

 private:
  Call* call_;
  void (Call::*method_)(bool);
};

// Counters for GetStatus. Any thread.
struct CallCounters {
  std::atomic<uint64_t> tailers = 0;
  std::atomic<uint64_t> searches = 0;
  std::atomic<uint64_t> requests_refused = 0;  // before they reached the ledger
  std::atomic<uint64_t> events_waiting = 0;    // for publication, of unary calls
};

// The parts of the server that a call needs. They outlive every call.
struct CallEnvironment {
  ledger::Ledger& ledger;
  sequencer::Sequencer& sequencer;
  engine::AppendIntake& intake;  // the loop's thread
  engine::PublicationHub& hub;
  engine::PublicationHub& cosigned_hub;
  engine::AppendMeter& meter;
  const engine::ScrubLoop& scrub;
  engine::WorkerPool& workers;
  const engine::Authenticator& authenticator;
  Clock& clock;
  search::Searches& searches;
  grpc::ServerCompletionQueue* queue = nullptr;
  CallCounters counters;
  std::atomic<bool> stopping = false;
};

// Who calls, with the memory of it.
struct CallerIdentity {
  std::string storage;
  engine::Caller caller;
};

// Identifies the caller. `context` must live as long as the identity is used.
// kUnauthenticated as the authenticator has it.
absl::Status Identify(const engine::Authenticator& authenticator,
                      const grpc::ServerContext& context, CallerIdentity* identity);

// The value of a metadata key, "" when there is none. A view into the context.
std::string_view Metadata(const grpc::ServerContext& context, const char* key);

// The bytes of a message in one piece: gRPC splits large ones. `slice` keeps them alive.
std::string_view MessageBytes(const grpc::ByteBuffer& message, grpc::Slice* slice);

inline grpc::ByteBuffer ToMessage(std::string_view bytes) {
  grpc::Slice slice(bytes.data(), bytes.size());
  return grpc::ByteBuffer(&slice, 1);
}

using engine::ExplainAppendError;
using engine::StoppingError;

}  // namespace graven::service
