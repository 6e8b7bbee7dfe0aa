#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "http/message.h"
#include "http/server.h"
#include "http/target.h"

// The table of what is served, closed once the server has started: rooms and files add their routes
// before, and what is in no row is 404.
namespace graven::web {

// One request that has found its route. Valid during the handler; the request itself until it is
// answered.
struct Call {
  const http::Request& request;
  // What stands for the names in the pattern, in order: of one segment decoded, of a rest as sent.
  std::vector<std::string> parameters;
  http::Parameters query;
  // For written_by: who is calling.
  std::string identity;
};

// Answers at once or keeps the responder.
using Handler = std::function<void(const Call& call, http::Responder responder)>;
// Answers at once; an error becomes ErrorResponse.
using DirectHandler = std::function<absl::StatusOr<http::Response>(const Call& call)>;
Handler Directly(DirectHandler handler);

struct Route {
  std::string method;  // "GET", which is HEAD too, or "POST"
  // Segments: "logs" is itself, "{log}" any one that is not empty, "{rest...}" at the end all that
  // is left, at least one. "/logs/{log}/tile/{rest...}".
  std::string pattern;
  Handler handle;
  // Of a POST.
  size_t body_bytes_max = 0;
  // Without parameters. The one of another is refused with 415: a page of another site can send
  // what a form can, but no JSON.
  std::vector<std::string> content_types = {"application/json"};
  // Anybody may call it, with and without an identity: it says nothing about the logs.
  bool open = false;
  // A page that browsers may come to by a link from anywhere.
  bool page = false;
};

class Routes {
 public:
  // REQUIRES: a well-formed pattern, of which there is no row with this method yet.
  void Add(Route route);

  struct Match {
    const Route* route = nullptr;
    std::vector<std::string> parameters;
    // When there is no route: the methods of this path, "GET, HEAD"; "" when there is no such path.
    std::string allowed;
  };
  // The first row, in the order of Add, that fits.
  Match Find(std::string_view method, std::string_view path) const;

 private:
  struct Row {
    Route route;
    std::vector<std::string> segments;
  };
  std::vector<Row> rows_;
};

}  // namespace graven::web
