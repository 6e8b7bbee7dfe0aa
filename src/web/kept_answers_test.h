#pragma once

#include <utility>
#include <vector>

#include "http/server.h"

namespace graven::web {

// A requester that keeps what it is answered.
class Kept final : public http::Responder::Sink {
 public:
  void Send(http::Response response) override { sent.push_back(std::move(response)); }
  bool gone() const override { return false; }
  std::vector<http::Response> sent;
};

}  // namespace graven::web
