#include "webhook/sender.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace graven::webhook {
namespace {

// After an error of the disk, and the longest sleep.
constexpr int64_t kIdleNs = 5'000'000'000;

}  // namespace

Sender::Sender(std::unique_ptr<Outbox> outbox)
    : outbox_(std::move(outbox)), thread_([this] { Run(); }) {}

Sender::~Sender() {
  {
    const MutexLock lock(&mutex_);
    stop_ = true;
  }
  outbox_->Cancel();
  wake_.notify_all();
  thread_.join();
}

absl::Status Sender::Add(std::string_view json) {
  absl::Status added = outbox_->Add(json);
  {
    const MutexLock lock(&mutex_);
    added_ = true;
  }
  wake_.notify_all();
  return added;
}

bool Sender::Drain(std::chrono::milliseconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (outbox_->DueInNs() >= 0) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

void Sender::Run() {
  while (true) {
    const bool disk_ok = outbox_->Step().ok();
    const int64_t due = outbox_->DueInNs();
    const int64_t sleep_ns = due < 0 || !disk_ok ? kIdleNs : std::min(due, kIdleNs);
    const auto until = std::chrono::steady_clock::now() + std::chrono::nanoseconds(sleep_ns);
    const MutexLock lock(&mutex_);
    while (!stop_ && !added_ && wake_.wait_until(mutex_, until) != std::cv_status::timeout) {
    }
    if (stop_) return;
    added_ = false;
  }
}

}  // namespace graven::webhook
