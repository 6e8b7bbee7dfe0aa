#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "http/message.h"

// Errors as HTTP says them: a status code, and a body of JSON that says what gRPC's clients get
// from google.rpc.Status: {"code", "reason", "field", "message"}, and where there is more to say
// "violations", "line", "retryDelay". Pure functions.
namespace graven::web {

// google.rpc.Code as HTTP has it (the comments of google/rpc/code.proto): 404 of kNotFound, and so
// on; docs/errors.md has the table.
int HttpStatusOf(absl::StatusCode code);
// Of an error that the HTTP server itself answers with.
absl::StatusCode CodeOfHttpStatus(int status);

// The whole answer, with the reason, field violations and time to wait that the status carries.
// `event_lines`: of a body of JSON Lines the line of each event, from 1.
http::Response ErrorResponse(const absl::Status& status,
                             const std::vector<uint64_t>& event_lines = {});

// The same for what no status stands for.
http::Response ErrorResponse(int http_status, absl::StatusCode code, std::string_view reason,
                             std::string_view message);

}  // namespace graven::web
