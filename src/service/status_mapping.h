#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace graven::service {

// The same for gRPC: code, message, and the google.rpc.Status of engine/error_details.h.
grpc::Status ToGrpcStatus(const absl::Status& status);

}  // namespace graven::service
