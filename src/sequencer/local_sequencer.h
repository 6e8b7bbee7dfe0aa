#pragma once

#include <deque>
#include <mutex>

#include "sequencer/sequencer.h"

namespace graven::sequencer {

// The order of arrival, in memory: the sequencer of a server that stands alone. Durability comes
// from the journal.
class LocalSequencer final : public Sequencer {
 public:
  // At most `bytes_max` bytes wait at any time; a single request always fits into an empty queue.
  explicit LocalSequencer(size_t bytes_max) : bytes_max_(bytes_max) {}

  absl::Status Submit(Request* request) override;
  void Take(size_t bytes_max, std::vector<Request*>* batch) override;
  void Close() override;
  size_t queued_bytes() const override;

 private:
  const size_t bytes_max_;
  mutable std::mutex mutex_;
  std::deque<Request*> queue_;
  size_t bytes_ = 0;
  bool closed_ = false;
};

}  // namespace graven::sequencer
