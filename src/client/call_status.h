#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/log_index.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/status.h"

namespace graven::client {

// What the server said, as a Status: code and text, and behind the text the violations and the
// reason of its details, so that nothing is lost when only the text is shown. The details stay
// attached for the readers below.
absl::Status FromGrpcStatus(const grpc::Status& status);

// The same for the status of one refused request of a stream.
absl::Status FromRpcStatus(const google::rpc::Status& status);

// For a call that its caller did not cancel: a server that closes ends calls with CANCELLED, which
// is no different from being gone. That becomes kUnavailable.
absl::Status EndedByServer(absl::Status status);

// Of a DATA_LOSS: the first record that cannot be trusted, when the server knows.
std::optional<LogIndex> BadRecord(const absl::Status& status);

struct FieldViolation {
  std::string field;
  std::string description;
};

// The ErrorInfo reason ("QUEUE_FULL"), or empty.
std::string ErrorReason(const absl::Status& status);

// The BadRequest violations; the server names at most 16.
std::vector<FieldViolation> Violations(const absl::Status& status);

// How long the server asked to wait before the next try.
std::optional<absl::Duration> RetryDelay(const absl::Status& status);

// Whether the same call may succeed later without anybody changing anything: kUnavailable,
// kResourceExhausted and kDeadlineExceeded.
bool IsRetryable(const absl::Status& status);

}  // namespace graven::client
