#include "client/call_status.h"

#include <algorithm>

#include "absl/strings/cord.h"
#include "base/absl_views.h"
#include "base/encoding.h"
#include "fmt/format.h"
#include "google/rpc/error_details.pb.h"

namespace graven::client {
namespace {

constexpr std::string_view kDetailsUrl = "type.googleapis.com/google.rpc.Status";

template <typename Detail>
std::optional<Detail> FindDetail(const google::rpc::Status& status) {
  for (const auto& any : status.details()) {
    Detail detail;
    if (any.Is<Detail>() && any.UnpackTo(&detail)) return detail;
  }
  return std::nullopt;
}

template <typename Detail>
std::optional<Detail> FindDetail(const absl::Status& status) {
  const auto payload = status.GetPayload(ToAbsl(kDetailsUrl));
  google::rpc::Status details;
  if (!payload || !details.ParseFromString(std::string(*payload))) return std::nullopt;
  return FindDetail<Detail>(details);
}

std::string WithDetails(std::string text, const google::rpc::Status& details) {
  if (const auto bad = FindDetail<google::rpc::BadRequest>(details)) {
    for (const auto& violation : bad->field_violations()) {
      std::string line = violation.field().empty()
                             ? violation.description()
                             : fmt::format("{}: {}", violation.field(), violation.description());
      if (text.find(line) == std::string::npos) text += "; " + line;
    }
  }
  if (const auto info = FindDetail<google::rpc::ErrorInfo>(details);
      info && !info->reason().empty()) {
    text += fmt::format(" [{}]", info->reason());
  }
  return text;
}

absl::Status Make(int code, std::string text, const google::rpc::Status* details) {
  if (details != nullptr) text = WithDetails(std::move(text), *details);
  absl::Status status(static_cast<absl::StatusCode>(code), text);
  if (details != nullptr && !status.ok()) {
    status.SetPayload(ToAbsl(kDetailsUrl), absl::Cord(details->SerializeAsString()));
  }
  return status;
}

}  // namespace

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  google::rpc::Status details;
  const bool has_details =
      !status.error_details().empty() && details.ParseFromString(status.error_details());
  return Make(status.error_code(), status.error_message(), has_details ? &details : nullptr);
}

absl::Status FromRpcStatus(const google::rpc::Status& status) {
  return Make(status.code(), status.message(), &status);
}

absl::Status EndedByServer(absl::Status status) {
  if (!absl::IsCancelled(status)) return status;
  return absl::UnavailableError(
      "the server ended the call; it is stopping, or the connection broke");
}

std::string ErrorReason(const absl::Status& status) {
  const auto info = FindDetail<google::rpc::ErrorInfo>(status);
  return info ? info->reason() : std::string();
}

std::optional<LogIndex> BadRecord(const absl::Status& status) {
  const auto info = FindDetail<google::rpc::ErrorInfo>(status);
  if (!info || !absl::IsDataLoss(status)) return std::nullopt;
  const auto found = info->metadata().find("index");
  if (found == info->metadata().end()) return std::nullopt;
  const auto index = ParseDecimal(found->second);
  return index ? std::optional<LogIndex>(LogIndex(*index)) : std::nullopt;
}

std::vector<FieldViolation> Violations(const absl::Status& status) {
  std::vector<FieldViolation> violations;
  if (const auto bad = FindDetail<google::rpc::BadRequest>(status)) {
    for (const auto& violation : bad->field_violations()) {
      violations.push_back({violation.field(), violation.description()});
    }
  }
  return violations;
}

std::optional<absl::Duration> RetryDelay(const absl::Status& status) {
  const auto info = FindDetail<google::rpc::RetryInfo>(status);
  if (!info || !info->has_retry_delay()) return std::nullopt;
  const absl::Duration delay =
      absl::Seconds(info->retry_delay().seconds()) + absl::Nanoseconds(info->retry_delay().nanos());
  return std::clamp(delay, absl::ZeroDuration(), absl::Minutes(5));
}

bool IsRetryable(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status) ||
         absl::IsDeadlineExceeded(status);
}

}  // namespace graven::client
