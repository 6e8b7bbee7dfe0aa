#include "web/site.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/status_macros.h"
#include "base/text_safety.h"
#include "engine/error_details.h"
#include "web/errors.h"

namespace graven::web {
namespace {

// "application/json" of "Application/JSON; charset=utf-8".
std::string MediaType(std::string_view content_type) {
  content_type = content_type.substr(0, content_type.find(';'));
  while (content_type.ends_with(' ') || content_type.ends_with('\t')) content_type.remove_suffix(1);
  std::string lower(content_type);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

bool TakesContent(const Route& route, const http::Request& head) {
  if (route.method != "POST" || route.content_types.empty()) return true;
  const std::string sent = MediaType(head.Find("content-type").value_or(""));
  return std::find(route.content_types.begin(), route.content_types.end(), sent) !=
         route.content_types.end();
}

}  // namespace

http::Admission LogSite::Admit(const http::Request& head) {
  http::Admission admission;
  const Routes::Match match = routes_.Find(head.method, head.path);
  if (match.route == nullptr) {
    if (match.allowed.empty()) {
      admission.refusal = Error(404, "ROUTE_NOT_FOUND", "nothing is served there");
    } else {
      admission.refusal =
          Error(405, "METHOD_NOT_ALLOWED", fmt::format("this path takes {}", match.allowed));
      admission.refusal->headers.push_back({"Allow", match.allowed});
    }
    return admission;
  }
  admission.page = match.route->page;
  admission.body_bytes_max = match.route->body_bytes_max;
  if (!match.route->open) {
    if (const absl::StatusOr<std::string> identity = Identify(head); !identity.ok()) {
      admission.refusal = ErrorResponse(identity.status());
      return admission;
    }
  }
  if (!TakesContent(*match.route, head)) {
    admission.refusal = Error(
        415, "CONTENT_TYPE_UNKNOWN",
        fmt::format("Content-Type must be {}", fmt::join(match.route->content_types, " or ")));
  }
  return admission;
}

void LogSite::Handle(const http::Request& request, http::Responder responder) {
  Routes::Match match = routes_.Find(request.method, request.path);
  Call call{request, std::move(match.parameters), {}, std::string(engine::kAnonymous)};
  absl::StatusOr<http::Parameters> query = http::ParseQuery(request.query);
  if (!query.ok()) {
    return std::move(responder).Send(
        ErrorResponse(engine::WithReason(query.status(), engine::reason::kRequestInvalid)));
  }
  call.query = *std::move(query);
  if (!match.route->open) {
    absl::StatusOr<std::string> identity = Identify(request);
    if (!identity.ok()) return std::move(responder).Send(ErrorResponse(identity.status()));
    call.identity = *std::move(identity);
  }
  match.route->handle(call, std::move(responder));
}

http::Response LogSite::Error(int status, std::string_view reason, std::string_view message) {
  return ErrorResponse(status, CodeOfHttpStatus(status), reason, message);
}

absl::StatusOr<std::string> LogSite::Identify(const http::Request& request) const {
  engine::CallerFacts caller;
  caller.certificate_name = request.peer.certificate_name;
  caller.authorization = request.Find("authorization");
  std::string storage;
  ASSIGN_OR_RETURN(const std::string_view identity, authenticator_.Identify(caller, &storage));
  return std::string(identity);
}

}  // namespace graven::web
