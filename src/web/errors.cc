#include "web/errors.h"

#include <algorithm>
#include <optional>

#include "base/encoding.h"
#include "engine/error_details.h"
#include "fmt/format.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "json/object_text.h"

namespace graven::web {
namespace {

constexpr std::string_view kEventsField = "events[";
// Long enough for a queue to drain, short enough for a person.
constexpr std::string_view kRetryAfterSeconds = "1";

struct Names {
  absl::StatusCode code;
  std::string_view name;
  int http_status;
};

constexpr Names kNames[] = {
    {absl::StatusCode::kOk, "OK", 200},
    {absl::StatusCode::kUnknown, "UNKNOWN", 500},
    {absl::StatusCode::kInvalidArgument, "INVALID_ARGUMENT", 400},
    {absl::StatusCode::kDeadlineExceeded, "DEADLINE_EXCEEDED", 504},
    {absl::StatusCode::kNotFound, "NOT_FOUND", 404},
    {absl::StatusCode::kAlreadyExists, "ALREADY_EXISTS", 409},
    {absl::StatusCode::kPermissionDenied, "PERMISSION_DENIED", 403},
    {absl::StatusCode::kResourceExhausted, "RESOURCE_EXHAUSTED", 429},
    {absl::StatusCode::kFailedPrecondition, "FAILED_PRECONDITION", 400},
    {absl::StatusCode::kAborted, "ABORTED", 409},
    {absl::StatusCode::kOutOfRange, "OUT_OF_RANGE", 400},
    {absl::StatusCode::kUnimplemented, "UNIMPLEMENTED", 501},
    {absl::StatusCode::kInternal, "INTERNAL", 500},
    {absl::StatusCode::kUnavailable, "UNAVAILABLE", 503},
    {absl::StatusCode::kDataLoss, "DATA_LOSS", 500},
    {absl::StatusCode::kUnauthenticated, "UNAUTHENTICATED", 401},
    // Has no status that a server would send.
    {absl::StatusCode::kCancelled, "CANCELLED", 503},
};

constexpr Names kUnknown = {absl::StatusCode::kUnknown, "UNKNOWN", 500};

const Names& NamesOf(absl::StatusCode code) {
  const auto* found = std::find_if(std::begin(kNames), std::end(kNames),
                                   [code](const Names& names) { return names.code == code; });
  return found == std::end(kNames) ? kUnknown : *found;
}

// The details that travel with the status.
struct Details {
  google::rpc::ErrorInfo info;
  google::rpc::BadRequest bad;
  std::optional<google::rpc::RetryInfo> retry;
};

Details DetailsOf(const absl::Status& status) {
  Details details;
  google::rpc::Status whole;
  whole.ParseFromString(engine::EncodeRpcStatus(status));
  for (const google::protobuf::Any& any : whole.details()) {
    if (any.Is<google::rpc::ErrorInfo>()) any.UnpackTo(&details.info);
    if (any.Is<google::rpc::BadRequest>()) any.UnpackTo(&details.bad);
    if (any.Is<google::rpc::RetryInfo>()) any.UnpackTo(&details.retry.emplace());
  }
  return details;
}

// "events[3].actor.id" is the field "actor.id" of the event on that line.
struct Located {
  std::string field;
  uint64_t line = 0;  // 0: not of a line
};

Located Locate(const std::string& path, const std::vector<uint64_t>& event_lines) {
  if (!path.starts_with(kEventsField)) return {path, 0};
  const size_t end = path.find(']');
  if (end == path.npos) return {path, 0};
  const auto number =
      ParseDecimal(std::string_view(path).substr(kEventsField.size(), end - kEventsField.size()));
  Located located;
  // Behind the bracket stands a dot, or nothing.
  located.field = path.substr(std::min(end + 2, path.size()));
  if (number && *number < event_lines.size()) located.line = event_lines[*number];
  return located;
}

int64_t RetryMs(const google::rpc::RetryInfo& retry) {
  return retry.retry_delay().seconds() * 1000 + retry.retry_delay().nanos() / 1'000'000;
}

std::string ViolationsJson(const google::rpc::BadRequest& bad,
                           const std::vector<uint64_t>& event_lines) {
  json::ArrayText violations;
  for (const auto& violation : bad.field_violations()) {
    const Located located = Locate(violation.field(), event_lines);
    json::ObjectText one;
    one.Text("field", located.field);
    one.Text("description", violation.description());
    if (located.line != 0) one.Uint64("line", located.line);
    violations.Raw(one.Finish());
  }
  return violations.Finish();
}

http::Response JsonError(int http_status) {
  http::Response response;
  response.status = http_status;
  response.content_type = "application/json";
  if (http_status == 401) response.headers.push_back({"WWW-Authenticate", "Bearer"});
  return response;
}

}  // namespace

int HttpStatusOf(absl::StatusCode code) { return NamesOf(code).http_status; }

absl::StatusCode CodeOfHttpStatus(int status) {
  switch (status) {
    case 405:
      return absl::StatusCode::kUnimplemented;
    case 408:
      return absl::StatusCode::kDeadlineExceeded;
    case 421:
      return absl::StatusCode::kPermissionDenied;
    case 500:
      return absl::StatusCode::kInternal;
    default:
      break;
  }
  const auto* found =
      std::find_if(std::begin(kNames), std::end(kNames),
                   [status](const Names& one) { return one.http_status == status; });
  return found == std::end(kNames) ? absl::StatusCode::kInvalidArgument : found->code;
}

http::Response ErrorResponse(const absl::Status& status, const std::vector<uint64_t>& event_lines) {
  const Details details = DetailsOf(status);
  Located first;
  if (details.bad.field_violations_size() > 0) {
    first = Locate(details.bad.field_violations(0).field(), event_lines);
  }
  json::ObjectText body;
  body.Text("code", NamesOf(status.code()).name);
  body.Text("reason", details.info.reason());
  body.Text("field", first.field);
  body.Text("message", engine::WireMessage(status));
  if (first.line != 0) body.Uint64("line", first.line);
  if (details.bad.field_violations_size() > 0) {
    body.Raw("violations", ViolationsJson(details.bad, event_lines));
  }
  http::Response response = JsonError(HttpStatusOf(status.code()));
  if (details.retry) {
    const int64_t ms = RetryMs(*details.retry);
    body.Text("retryDelay", fmt::format("{}.{:03}s", ms / 1000, ms % 1000));
    // Whole seconds (RFC 9110 section 10.2.3).
    response.headers.push_back({"Retry-After", fmt::format("{}", (ms + 999) / 1000)});
  }
  response.body = body.Finish() + "\n";
  return response;
}

http::Response ErrorResponse(int http_status, absl::StatusCode code, std::string_view reason,
                             std::string_view message) {
  http::Response response = JsonError(http_status);
  if (http_status == 429 || http_status == 503) {
    response.headers.push_back({"Retry-After", std::string(kRetryAfterSeconds)});
  }
  json::ObjectText body;
  body.Text("code", NamesOf(code).name).Text("reason", reason);
  body.Text("field", "").Text("message", message);
  response.body = body.Finish() + "\n";
  return response;
}

}  // namespace graven::web
