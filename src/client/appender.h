#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/hash.h"
#include "client/append_result.h"
#include "client/client.h"

namespace graven::client {

struct AppenderOptions {
  // Empty: the client's own log.
  std::string log;
  // Requests that may be unanswered, at most. Throughput of single events follows it: 1,024 is near
  // the top on one machine.
  size_t window_requests = 1024;
  // Bytes of unanswered requests, at most. They are held to be sent again.
  size_t window_bytes = 16 << 20;
  // Events that are put into one request, at most. 1: each event is a request of its own.
  size_t batch_events_max = 1;
  // A request grows to no more than this by batching.
  size_t batch_bytes_max = 256 << 10;
  // How long an event may wait for others to share a request with, while earlier requests are
  // unanswered; an idle stream sends at once. Waits are whole milliseconds, rounded up.
  absl::Duration batch_delay_max = absl::Milliseconds(2);
  // Answers carry the hash of each record.
  bool want_record_hashes = false;
  // A stream with unanswered requests and no answer for this long is given up and opened anew.
  absl::Duration answer_timeout = absl::Seconds(30);
  // What the destructor waits for unanswered requests.
  absl::Duration close_timeout = absl::Seconds(10);
};

// One handed-over append that somebody waits for. Copyable; all copies see the same answer.
class AppendTicket {
 public:
  // Blocks until the append is answered. Never on the library's own thread.
  absl::StatusOr<Appended> Wait() const;
  bool done() const;

 private:
  friend class Appender;
  struct State;
  std::shared_ptr<State> state_;
};

// A pipelined stream of appends that survives its connection.
//
// Thread-safe. One background thread sends, receives and calls back; callbacks may append again,
// and a producer that only appends from callbacks runs on that thread alone.
//
// Invariants: an accepted append is answered exactly once, at the close too. Every event has an id
// before it is first sent, and what a lost connection left unanswered is sent again with the same
// ids: nothing is lost, nothing doubled. Requests are sent in the order in which they were
// accepted; only after a refusal may the innocent events of a shared request come later than their
// followers. Memory is bounded by the window.
class Appender {
 public:
  // Does not wait for the server.
  static absl::StatusOr<std::unique_ptr<Appender>> Open(const Client& client,
                                                        AppenderOptions options = {});
  // Close(close_timeout).
  ~Appender();
  Appender(const Appender&) = delete;
  Appender& operator=(const Appender&) = delete;

  // Hands one event over, and waits while the window is full. When it returns an error the callback
  // is not called: kInvalidArgument (larger than a request may be), kFailedPrecondition (closed),
  // kResourceExhausted (the window is full, on the background thread, where it cannot wait), or
  // what ended the stream for good (kUnauthenticated, kPermissionDenied, kNotFound, ...).
  absl::Status Append(const v1::Event& event, AppendCallback done);
  // The same with the event's bytes as protobuf would serialise them; they reach the log as they
  // are, behind an id when they have none.
  absl::Status AppendBytes(std::string_view event, AppendCallback done);
  absl::StatusOr<AppendTicket> Append(const v1::Event& event);

  // As Append, but kResourceExhausted at once when the window is full. `done` is left as it was
  // then.
  absl::Status TryAppend(const v1::Event& event, AppendCallback& done);
  absl::Status TryAppendBytes(std::string_view event, AppendCallback& done);

  // Hands over a request of its own: all or none, consecutive. 1 to 8,192 events, 4 MiB together.
  // `expected_last_hash` is the precondition of AppendOptions.
  absl::Status AppendGroup(std::span<const v1::Event> events, AppendCallback done,
                           const std::optional<Hash>& expected_last_hash = std::nullopt);
  absl::Status AppendGroupBytes(std::span<const std::string_view> events, AppendCallback done,
                                const std::optional<Hash>& expected_last_hash = std::nullopt);

  // Waits until nothing is unanswered; batches do not wait for more meanwhile. Not on the
  // background thread. kDeadlineExceeded.
  absl::Status Drain(absl::Duration timeout);

  // Accepts nothing more, drains for at most `timeout`, then answers what is left with
  // kDeadlineExceeded and ends the background thread. The result is that of the drain. Not on the
  // background thread.
  absl::Status Close(absl::Duration timeout);

  struct Counts {
    uint64_t requests_sent = 0;
    uint64_t requests_sent_again = 0;
    uint64_t streams_opened = 0;
    uint64_t refused = 0;
  };
  Counts counts() const;

 private:
  class Stream;
  explicit Appender(std::unique_ptr<Stream> stream);

  std::unique_ptr<Stream> stream_;
};

}  // namespace graven::client
