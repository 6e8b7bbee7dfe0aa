#include "web/errors.h"

#include <string>

#include "absl/status/status.h"
#include "engine/error_details.h"
#include "json/object_text.h"

namespace graven::web {
namespace {

// Long enough for a queue to drain, short enough for a person.
constexpr std::string_view kRetryAfterSeconds = "1";

std::string CodeName(absl::StatusCode code) { return absl::StatusCodeToString(code); }

}  // namespace

int HttpStatusOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return 200;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return 400;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kAborted:
      return 409;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kUnimplemented:
      return 501;
    // Writing has stopped, or this process is going: nothing that the caller did.
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kCancelled:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

absl::StatusCode CodeOfHttpStatus(int status) {
  switch (status) {
    case 401:
      return absl::StatusCode::kUnauthenticated;
    case 403:
    case 421:
      return absl::StatusCode::kPermissionDenied;
    case 404:
      return absl::StatusCode::kNotFound;
    case 405:
    case 501:
      return absl::StatusCode::kUnimplemented;
    case 408:
    case 504:
      return absl::StatusCode::kDeadlineExceeded;
    case 429:
      return absl::StatusCode::kResourceExhausted;
    case 500:
      return absl::StatusCode::kInternal;
    case 503:
      return absl::StatusCode::kUnavailable;
    default:
      return absl::StatusCode::kInvalidArgument;
  }
}

http::Response ErrorResponse(int http_status, absl::StatusCode code, std::string_view reason,
                             std::string_view message) {
  http::Response response;
  response.status = http_status;
  response.content_type = "application/json";
  json::ObjectText object;
  object.Text("code", CodeName(code)).Text("reason", reason).Text("message", message);
  response.body = object.Finish() + "\n";
  if (http_status == 429) {
    response.headers.push_back({"Retry-After", std::string(kRetryAfterSeconds)});
  }
  if (http_status == 401) response.headers.push_back({"WWW-Authenticate", "Bearer"});
  return response;
}

http::Response ErrorResponse(const absl::Status& status) {
  return ErrorResponse(HttpStatusOf(status.code()), status.code(), engine::ReasonOf(status),
                       engine::WireMessage(status));
}

}  // namespace graven::web
