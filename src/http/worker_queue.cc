#include "http/worker_queue.h"

#include <sys/resource.h>

#include <exception>
#include <utility>

#include "base/thread_name.h"

namespace graven::http {
namespace {

constexpr int kWorkerNice = 5;

}  // namespace

WorkerQueue::WorkerQueue(size_t threads, size_t jobs_max) : jobs_max_(jobs_max) {
  for (size_t i = 0; i < threads; ++i) {
    NameThread(threads_.emplace_back([this] { Run(); }), "graven-http-wk");
  }
}

bool WorkerQueue::TrySubmit(std::function<void()>&& job) {
  {
    MutexLock lock(&mutex_);
    if (stopping_ || jobs_.size() >= jobs_max_) return false;
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
  return true;
}

void WorkerQueue::Stop() {
  std::deque<std::function<void()>> dropped;
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    dropped.swap(jobs_);
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void WorkerQueue::Run() {
  // Compressing for whoever asks must not take the processor from those who write. Best effort: of
  // the calling thread alone, as Linux has it.
  (void)setpriority(PRIO_PROCESS, 0, kWorkerNice);
  while (true) {
    std::function<void()> job;
    {
      MutexLock lock(&mutex_);
      while (!stopping_ && jobs_.empty()) wake_.wait(mutex_);
      if (stopping_) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    try {
      job();
    } catch (const std::exception&) {
      // A library's, most likely for want of memory. Whoever waits for the job is told when what it
      // holds is let go of.
    }
  }
}

}  // namespace graven::http
