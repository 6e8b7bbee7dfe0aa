#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "http/message.h"

namespace graven::web {

// 404 of kNotFound, and so on; docs/errors.md has the table.
int HttpStatusOf(absl::StatusCode code);
absl::StatusCode CodeOfHttpStatus(int status);

// {"code": "NOT_FOUND", "reason": "LOG_NOT_FOUND", "message": "..."}, with the reason that the
// status carries and the time to wait that it names.
http::Response ErrorResponse(const absl::Status& status);

// The same for what no status stands for.
http::Response ErrorResponse(int http_status, absl::StatusCode code, std::string_view reason,
                             std::string_view message);

}  // namespace graven::web
