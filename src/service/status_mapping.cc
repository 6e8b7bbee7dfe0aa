#include "service/status_mapping.h"

#include <string>

#include "engine/error_details.h"

namespace graven::service {

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  // The numbers of both enumerations are those of google.rpc.Code.
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                      std::string(engine::WireMessage(status)), engine::EncodeRpcStatus(status));
}

}  // namespace graven::service
