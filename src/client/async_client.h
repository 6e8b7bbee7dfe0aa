#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/client.h"

namespace graven::client {

// Unary appends, many in flight: each with its own receipt, log and precondition.
//
// Thread-safe. One background thread drives one completion queue and calls back; callbacks may
// append again. (gRPC's callback API would give a fifth less.)
//
// Invariant: an accepted append is answered exactly once, at the close too.
class AsyncClient {
 public:
  using Callback = absl::AnyInvocable<void(const absl::StatusOr<v1::AppendResponse>&)>;

  // At most `in_flight_max` calls at a time. Does not wait for the server.
  static absl::StatusOr<std::unique_ptr<AsyncClient>> Open(const Client& client,
                                                           size_t in_flight_max = 128);
  // Close(10 s).
  ~AsyncClient();
  AsyncClient(const AsyncClient&) = delete;
  AsyncClient& operator=(const AsyncClient&) = delete;

  // Starts one append, tried again as the policy says; waits while in_flight_max are unanswered.
  // The callback gets what Client::Append would return. When an error is returned it is not called:
  // kFailedPrecondition (closed), kInvalidArgument (too large), kResourceExhausted (full, on the
  // background thread, where it cannot wait).
  absl::Status Append(const v1::Event& event, Callback done, const AppendOptions& options = {});
  absl::Status Append(std::span<const v1::Event> events, Callback done,
                      const AppendOptions& options = {});
  absl::Status AppendBytes(std::span<const std::string_view> events, Callback done,
                           const AppendOptions& options = {});

  // Waits until every call has been answered. kDeadlineExceeded.
  absl::Status Drain(absl::Duration timeout);

  // Accepts nothing more, drains, cancels what is left, ends the thread. Not on the background
  // thread.
  absl::Status Close(absl::Duration timeout);

 private:
  class Calls;
  explicit AsyncClient(std::unique_ptr<Calls> calls);

  std::unique_ptr<Calls> calls_;
};

}  // namespace graven::client
