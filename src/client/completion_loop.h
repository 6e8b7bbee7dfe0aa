#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/alarm.h"
#include "grpcpp/completion_queue.h"

namespace graven::client {

// Monotonic nanoseconds, as SystemClock().SteadyNs() gives them.
inline constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

// One thread that drives one completion queue on behalf of one handler. Everything that the handler
// does happens on that thread; others only hand work over and call Wake.
class CompletionLoop {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    // An operation that was started with `tag` has ended.
    virtual void OnCompletion(void* tag, bool ok) = 0;
    // Called after every completion, wake-up and deadline. Returns the moment at which it must be
    // called again even if nothing happens, or kNever.
    virtual int64_t Step() = 0;
    // No operation is outstanding and none will be started: the loop may end.
    virtual bool Finished() = 0;
  };

  // The handler outlives the loop.
  explicit CompletionLoop(Handler* handler) : handler_(handler) {}
  // REQUIRES: Join was called, or Start was not.
  ~CompletionLoop();

  void Start();
  // Makes Step run soon. Any thread; after the end too.
  void Wake();
  // Waits until the handler is Finished and the thread has ended. Not on the loop's thread.
  void Join();

  bool OnLoopThread() const { return std::this_thread::get_id() == loop_thread_.load(); }
  grpc::CompletionQueue* queue() { return &queue_; }

 private:
  void Run();
  void ShutDownQueue();

  Handler* const handler_;
  grpc::CompletionQueue queue_;
  std::atomic<std::thread::id> loop_thread_ = std::thread::id();
  std::atomic<bool> wake_pending_ = false;
  absl::Mutex mutex_;
  std::thread thread_;
  bool queue_open_ ABSL_GUARDED_BY(mutex_) = true;
  grpc::Alarm alarm_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace graven::client
