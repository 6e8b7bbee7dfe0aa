#pragma once

#include <condition_variable>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "webhook/outbox.h"

namespace graven::webhook {

// A thread that drives an Outbox. Add may be called from any.
class Sender {
 public:
  explicit Sender(std::unique_ptr<Outbox> outbox);
  // Stops without waiting for what is still to be delivered: it waits on the disk.
  ~Sender();
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  // As Outbox::Add.
  absl::Status Add(std::string_view json);

  // Gives what waits a last chance of so long. True when nothing waits any more.
  bool Drain(std::chrono::milliseconds patience);

  Outbox& outbox() { return *outbox_; }

 private:
  void Run();

  const std::unique_ptr<Outbox> outbox_;
  Mutex mutex_;
  std::condition_variable_any wake_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  bool added_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace graven::webhook
