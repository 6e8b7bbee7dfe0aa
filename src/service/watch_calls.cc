#include "service/watch_calls.h"

#include <vector>

namespace graven::service {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

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

 private:
  void OnAccepted(bool ok) {
    if (!ok) return Remove();
    started_ = true;
    if (!calls_.stopped_) calls_.ArmOne();
    if (calls_.calls_.size() > calls_.calls_max_) {
      busy_ = true;
      writer_.Finish(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "too many watchers"),
                     static_cast<Tag*>(&finished_tag_));
      return;
    }
    Say();
  }

  void Say() {
    busy_ = true;
    said_stopping_ = calls_.stopped_;
    HealthCheckResponse response;
    response.set_status(calls_.health_.StatusOf(request_.service()));
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
  void Remove() { calls_.calls_.erase(this); }

  CallEnvironment& environment_;
  WatchCalls& calls_;
  grpc::ServerContext context_;
  HealthCheckRequest request_;
  grpc::ServerAsyncWriter<HealthCheckResponse> writer_;
  CallTag<WatchCall> accepted_tag_, written_tag_, finished_tag_, done_tag_;
  bool started_ = false;
  bool busy_ = false;  // an operation is under way
  bool said_stopping_ = false;
  bool done_ = false;
};

WatchCalls::WatchCalls(CallEnvironment& environment, HealthServer& health, size_t calls_max)
    : environment_(environment), health_(health), calls_max_(calls_max) {}

WatchCalls::~WatchCalls() = default;

void WatchCalls::Start() { ArmOne(); }

void WatchCalls::ArmOne() {
  auto call = std::make_unique<WatchCall>(environment_, *this);
  WatchCall* armed = call.get();
  calls_.emplace(armed, std::move(call));
  armed->Arm();
}

void WatchCalls::Stop() {
  stopped_ = true;
  for (auto& [call, owned] : calls_) call->Stop();
}

}  // namespace graven::service
