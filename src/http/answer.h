#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http/compression.h"
#include "http/exchange.h"
#include "http/message.h"
#include "http/server.h"

namespace graven::http {

// A response made ready on the thread of whoever gave it: compressed, with its ETag, or turned into
// a 304.
struct Answer {
  Response response;
  std::vector<Header> headers;  // Content-Encoding, ETag, Vary
};

// `request`: what is answered. A response without an ETag that may be kept gets one from its bytes
// (RFC 9110 section 8.8.3): another one for each coding.
Answer MakeAnswer(const Request& request, Response response);

// One request that the site has, and the way back to its connection.
class Exchange final : public Responder::Sink {
 public:
  Exchange(Request the_request, std::shared_ptr<Mailbox> mailbox)
      : request(std::move(the_request)),
        arrival(std::make_shared<Arrival<Answer>>(std::move(mailbox))) {}

  void Send(Response response) override {
    if (!gone()) arrival->Fill(MakeAnswer(request, std::move(response)));
  }
  bool gone() const override { return gone_.load(std::memory_order_relaxed); }
  void SetGone() { gone_.store(true, std::memory_order_relaxed); }

  const Request request;
  const std::shared_ptr<Arrival<Answer>> arrival;

 private:
  std::atomic<bool> gone_{false};
};

// The status line and all headers, with the empty line behind them. `body_bytes`: nothing for a
// chunked body; `seconds`: since the epoch, of the Date.
std::string FormatHead(const Answer& answer, const std::vector<Header>& security_headers,
                       std::optional<size_t> body_bytes, bool keep_alive, int64_t seconds);

}  // namespace graven::http
