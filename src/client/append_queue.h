#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "base/hash.h"
#include "client/append_result.h"
#include "graven/v1/audit_log_service.pb.h"
#include "grpcpp/support/slice.h"

namespace graven::client {

// One append that somebody waits for: some events of a request, neighbours.
struct Waiter {
  AppendCallback done;
  uint32_t events = 0;
};

// One request of a stream, from the append that opened it to its answer.
struct PendingRequest {
  // The events' wire form, until it is closed; then `wire` holds it, and the precondition.
  std::string open_bytes;
  grpc::Slice wire;
  size_t bytes = 0;
  uint32_t events = 0;
  absl::InlinedVector<Waiter, 1> waiters;
  // Takes more events yet: of a batch that nobody has sent.
  bool open = false;
  // Sent before, on a stream that broke: its events may be stored already.
  bool sent_before = false;
  int64_t opened_ns = 0;
  int64_t first_refused_ns = 0;
};

using RequestPtr = std::unique_ptr<PendingRequest>;

// The unanswered requests of an appender in the order in which they go out: first those sent on the
// current stream, then those to be sent, the open batch last. Pure book-keeping: no I/O, no clock,
// no thread; the caller holds its lock.
class AppendQueue {
 public:
  struct Limits {
    size_t requests;
    size_t bytes;
    size_t batch_events;
    size_t batch_bytes;
  };
  // What a reply answers. Callbacks are the caller's to run, without its lock.
  struct Answer {
    RequestPtr request;
    absl::StatusOr<Appended> result;
  };

  explicit AppendQueue(const Limits& limits) : limits_(limits) {}

  // Whether an event of so many bytes may join the last request, and if not, whether there is room
  // for another one. Something always fits an empty queue.
  bool CanJoin(size_t bytes) const;
  bool HasRoom(size_t bytes) const;

  // Adds an event's wire form to the open request; true when that filled it. REQUIRES: CanJoin.
  bool Join(std::string_view event, AppendCallback done);
  void Push(RequestPtr request);

  // The next one to send, if any.
  PendingRequest* NextToSend() { return sent_ < queue_.size() ? queue_[sent_].get() : nullptr; }
  // The next one is on its way. Closes it.
  void MarkSent();

  // Takes a reply of the stream: answers in order. kInternal when the reply contradicts what was
  // sent; the stream is then not to be believed.
  absl::Status Take(const v1::AppendStreamResponse& reply, std::vector<Answer>* answers);

  // Puts a refused request, or the parts of one, before all that has not been sent.
  void SendAgain(RequestPtr request);

  // The stream broke: everything is to be sent again.
  void Rewind();

  // Empties the queue.
  std::deque<RequestPtr> TakeAll();

  // Batches wait for no more events.
  void CloseBatch();

  bool empty() const { return queue_.empty(); }
  size_t in_flight() const { return sent_; }

 private:
  RequestPtr PopFront();
  absl::Status TakeRange(const v1::AppendedRange& range, std::vector<Answer>* answers);

  const Limits limits_;
  std::deque<RequestPtr> queue_;
  size_t sent_ = 0;        // of the queue's front, sent on the current stream
  size_t sent_again_ = 0;  // behind those, put there by SendAgain
  size_t bytes_ = 0;
  uint64_t answered_ = 0;  // on the current stream
};

// Closes the request: nothing joins it any more, and `wire` is complete.
void CloseRequest(PendingRequest* request);

}  // namespace graven::client
