#include "service/watch_calls.h"

#include <vector>

namespace graven::service {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

namespace {
constexpr int64_t kTickMs = 200;
}  // namespace

class WatchCall {
 public:
  WatchCall(CallEnvironment& environment, WatchCalls& calls)
      : environment_(environment),
        calls_(calls),
        writer_(&context_),
        accepted_tag_(this, &WatchCall::OnAccepted),
        written_tag_(this, &WatchCall::OnWritten),
        finished_tag_(this, &WatchCall::OnFinished),
        done_tag_(this, &WatchCall::OnDone) {}

  void Arm() {
    context_.AsyncNotifyWhenDone(static_cast<Tag*>(&done_tag_));
    calls_.health_.RequestWatch(&context_, &request_, &writer_, environment_.queue,
                                environment_.queue, static_cast<Tag*>(&accepted_tag_));
  }

  void Stop() {
    if (started_ && !busy_ && !done_) Say();
  }

  // Says how it is, when that is not what was said last.
  void Look() {
    if (started_ && !busy_ && !done_ && Status() != said_) Say();
  }

 private:
  void OnAccepted(bool ok) {
    if (!ok) return Remove();
    started_ = true;
    ++calls_.watching_;
    if (!calls_.stopped_) calls_.ArmOne();
    if (calls_.calls_.size() > calls_.calls_max_) {
      busy_ = true;
      writer_.Finish(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "too many watchers"),
                     static_cast<Tag*>(&finished_tag_));
      return;
    }
    calls_.state_ = calls_.health_.write_state();
    Say();
    calls_.WatchState();
  }

  HealthCheckResponse::ServingStatus Status() const {
    return calls_.health_.StatusOf(request_.service(), calls_.state_);
  }

  void Say() {
    busy_ = true;
    said_stopping_ = calls_.stopped_;
    said_ = Status();
    HealthCheckResponse response;
    response.set_status(said_);
    writer_.Write(response, static_cast<Tag*>(&written_tag_));
  }

  void OnWritten(bool ok) {
    busy_ = false;
    if (done_ || !ok) {
      RemoveIfDone();
    } else if (said_stopping_) {
      busy_ = true;
      writer_.Finish(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the server is stopping"),
                     static_cast<Tag*>(&finished_tag_));
    } else if (calls_.stopped_) {
      Say();
    } else {
      Look();  // what changed while this was being written
    }
  }

  void OnFinished(bool) {
    busy_ = false;
    RemoveIfDone();
  }

  void OnDone(bool) {
    done_ = true;
    RemoveIfDone();
  }

  void RemoveIfDone() {
    if (done_ && !busy_) Remove();
  }
  void Remove() {
    if (started_) --calls_.watching_;
    calls_.calls_.erase(this);
  }

  CallEnvironment& environment_;
  WatchCalls& calls_;
  grpc::ServerContext context_;
  HealthCheckRequest request_;
  grpc::ServerAsyncWriter<HealthCheckResponse> writer_;
  CallTag<WatchCall> accepted_tag_, written_tag_, finished_tag_, done_tag_;
  bool started_ = false;
  bool busy_ = false;  // an operation is under way
  bool said_stopping_ = false;
  HealthCheckResponse::ServingStatus said_ = HealthCheckResponse::UNKNOWN;
  bool done_ = false;
};

WatchCalls::WatchCalls(CallEnvironment& environment, HealthServer& health, size_t calls_max)
    : environment_(environment),
      health_(health),
      calls_max_(calls_max),
      tick_tag_(this, &WatchCalls::OnTick) {}

WatchCalls::~WatchCalls() = default;

void WatchCalls::Start() { ArmOne(); }

void WatchCalls::ArmOne() {
  auto call = std::make_unique<WatchCall>(environment_, *this);
  WatchCall* armed = call.get();
  calls_.emplace(armed, std::move(call));
  armed->Arm();
}

void WatchCalls::WatchState() {
  if (stopped_ || ticking_ || watching_ == 0) return;
  ticking_ = true;
  tick_.Set(environment_.queue,
            gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(kTickMs, GPR_TIMESPAN)),
            static_cast<Tag*>(&tick_tag_));
}

void WatchCalls::OnTick(bool) {
  ticking_ = false;
  if (stopped_) return;
  state_ = health_.write_state();
  for (auto& [call, owned] : calls_) call->Look();
  WatchState();
}

void WatchCalls::Stop() {
  stopped_ = true;
  if (ticking_) tick_.Cancel();
  for (auto& [call, owned] : calls_) call->Stop();
}

}  // namespace graven::service
