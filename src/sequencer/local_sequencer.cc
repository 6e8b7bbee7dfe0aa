#include "sequencer/local_sequencer.h"

#include <fmt/format.h>

namespace graven::sequencer {

absl::Status LocalSequencer::Submit(Request* request) {
  std::lock_guard lock(mutex_);
  if (closed_) return absl::UnavailableError("the server is stopping");
  if (bytes_ > 0 && bytes_ + request->bytes > bytes_max_) {
    return absl::ResourceExhaustedError(
        fmt::format("the append queue holds {} bytes; at most {}", bytes_, bytes_max_));
  }
  bytes_ += request->bytes;
  queue_.push_back(request);
  return absl::OkStatus();
}

void LocalSequencer::Take(size_t bytes_max, std::vector<Request*>* batch) {
  std::lock_guard lock(mutex_);
  size_t taken = 0;
  while (!queue_.empty()) {
    Request* next = queue_.front();
    if (taken > 0 && taken + next->bytes > bytes_max) break;
    taken += next->bytes;
    batch->push_back(next);
    queue_.pop_front();
  }
  bytes_ -= taken;
}

void LocalSequencer::Close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
}

size_t LocalSequencer::queued_bytes() const {
  std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace graven::sequencer
