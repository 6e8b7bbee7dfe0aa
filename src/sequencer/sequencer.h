#pragma once

#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "sequencer/request.h"

namespace graven::sequencer {

// Puts requests in order, and nothing else: it does not look into them. All logs of a server share
// one order, so that one batch is one append and one sync. Owns no thread and reads no clock.
class Sequencer {
 public:
  virtual ~Sequencer() = default;

  // Queues `request`, which must live until it has been taken and answered. Any thread.
  // kResourceExhausted: the queue holds as many bytes as it may; nothing was queued.
  // kUnavailable: closed; nothing was queued.
  virtual absl::Status Submit(Request* request) = 0;

  // Appends to `batch` what is next in order, at most `bytes_max` bytes but at least one request if
  // any waits. A request is always whole within one batch. One thread.
  virtual void Take(size_t bytes_max, std::vector<Request*>* batch) = 0;

  // Refuses whatever is submitted from now on; what was accepted is still to be taken. Any thread.
  virtual void Close() = 0;

  // Bytes that wait. Any thread.
  virtual size_t queued_bytes() const = 0;
};

}  // namespace graven::sequencer
