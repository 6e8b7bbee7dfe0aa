#include "http/message.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "base/absl_views.h"

namespace graven::http {

std::optional<std::string_view> Request::Find(std::string_view name) const {
  std::optional<std::string_view> found;
  for (const Header& header : headers) {
    if (header.name != name) continue;
    if (found) return std::nullopt;
    found = header.value;
  }
  return found;
}

std::optional<Refusal> CheckFraming(const Request& request, bool is_http_1_0) {
  size_t lengths = 0, codings = 0;
  for (const Header& header : request.headers) {
    if (header.name == "content-length") {
      ++lengths;
      if (!std::all_of(header.value.begin(), header.value.end(),
                       [](char c) { return c >= '0' && c <= '9'; })) {
        return Refusal{400, "REQUEST_INVALID", "Content-Length is no number"};
      }
    }
    if (header.name == "transfer-encoding") {
      ++codings;
      if (LowerAscii(header.value) != "chunked") {
        return Refusal{501, "REQUEST_INVALID", "the only transfer coding taken is chunked"};
      }
    }
  }
  if (lengths + codings > 1 || (codings > 0 && is_http_1_0)) {
    return Refusal{400, "REQUEST_INVALID", "the length of the body is said more than once"};
  }
  return std::nullopt;
}

Response TextResponse(int status, std::string_view text) {
  Response response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = text;
  if (!text.ends_with('\n')) response.body += '\n';
  return response;
}

std::string LowerAscii(std::string_view text) { return absl::AsciiStrToLower(ToAbsl(text)); }

std::string_view ReasonPhrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 204:
      return "No Content";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "";
  }
}

}  // namespace graven::http
