#include "client/completion_loop.h"

#include <algorithm>

#include "base/check.h"
#include "base/clock.h"

namespace graven::client {
namespace {

// gRPC waits in whole milliseconds: less than one would be a busy loop.
constexpr int64_t kWaitMinNs = 1'000'000;

gpr_timespec ToDeadline(int64_t moment) {
  if (moment == kNever) return gpr_inf_future(GPR_CLOCK_MONOTONIC);
  const int64_t wait = std::max(moment - SystemClock().SteadyNs(), kWaitMinNs);
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(wait, GPR_TIMESPAN));
}

}  // namespace

CompletionLoop::~CompletionLoop() {
  GRAVEN_CHECK(!thread_.joinable());
  ShutDownQueue();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

void CompletionLoop::Start() {
  thread_ = std::thread([this] { Run(); });
}

void CompletionLoop::Wake() {
  if (OnLoopThread()) return;  // Step follows whatever is running now
  if (wake_pending_.exchange(true)) return;
  absl::MutexLock lock(&mutex_);
  if (queue_open_) alarm_.Set(&queue_, gpr_time_0(GPR_CLOCK_MONOTONIC), this);
}

void CompletionLoop::Join() {
  GRAVEN_CHECK(!OnLoopThread());
  Wake();
  if (thread_.joinable()) thread_.join();
}

void CompletionLoop::ShutDownQueue() {
  absl::MutexLock lock(&mutex_);
  if (!queue_open_) return;
  queue_open_ = false;
  queue_.Shutdown();
}

void CompletionLoop::Run() {
  loop_thread_.store(std::this_thread::get_id());
  int64_t moment = kNever;
  gpr_timespec deadline = ToDeadline(moment);
  for (;;) {
    // Two reads of the clock for each completion would show: the deadline mostly stays the same.
    if (const int64_t next = handler_->Step(); next != moment) {
      moment = next;
      deadline = ToDeadline(moment);
    }
    if (handler_->Finished()) ShutDownQueue();
    void* tag = nullptr;
    bool ok = false;
    switch (queue_.AsyncNext(&tag, &ok, deadline)) {
      case grpc::CompletionQueue::SHUTDOWN:
        return;
      case grpc::CompletionQueue::TIMEOUT:
        moment = kNever;  // the same moment again means: wait once more
        deadline = ToDeadline(moment);
        break;
      case grpc::CompletionQueue::GOT_EVENT:
        if (tag == this) {
          wake_pending_.store(false);
        } else {
          handler_->OnCompletion(tag, ok);
        }
        break;
    }
  }
}

}  // namespace graven::client
