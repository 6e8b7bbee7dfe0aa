#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace graven::http {

// A few threads behind a bounded queue: what the site may block in.
class WorkerQueue {
 public:
  WorkerQueue(size_t threads, size_t jobs_max);
  ~WorkerQueue() { Stop(); }

  // False: the queue is full or has been stopped, and the job is untouched.
  bool TrySubmit(std::function<void()>&& job);

  // Ends the threads after the jobs that they are in; drops the others.
  void Stop();

 private:
  void Run();

  const size_t jobs_max_;
  Mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<std::function<void()>> jobs_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace graven::http
