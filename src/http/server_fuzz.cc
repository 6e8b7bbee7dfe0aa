#include <memory>
#include <string>
#include <string_view>

#include "base/check.h"
#include "http/raw_client_test.h"
#include "http/server.h"

// Raw bytes as a connection of a real server: whatever comes, it answers or closes, no byte of a
// body becomes a request of its own that was not asked for, and the next connection is served.
namespace graven::http {
namespace {

class EchoSite final : public Site {
 public:
  Admission Admit(const Request& head) override {
    GRAVEN_CHECK(head.path.starts_with('/'));
    Admission admission;
    if (head.path == "/no") admission.refusal = TextResponse(404, "no");
    admission.body_bytes_max = head.method == "POST" ? 10'000 : 0;
    return admission;
  }
  void Handle(const Request& request, Responder responder) override {
    GRAVEN_CHECK(request.body.size() <= 10'000);
    Response response = TextResponse(200, request.path + request.query + request.body);
    response.compressible = true;
    response.cache_control = "no-cache";
    std::move(responder).Send(std::move(response));
  }
};

struct Fixture {
  EchoSite site;
  std::unique_ptr<Server> server;

  Fixture() {
    ServerOptions options;
    options.listen = {"127.0.0.1:0"};
    options.limits.workers = 1;
    auto started = Server::Start(site, options);
    GRAVEN_CHECK(started.ok());
    server = *std::move(started);
  }
};

}  // namespace
}  // namespace graven::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static graven::http::Fixture fixture;
  const std::string& url = fixture.server->addresses()[0];
  graven::http::RawClient client(url);
  client.Send(std::string_view(reinterpret_cast<const char*>(data), size));
  client.FinishSending();
  const std::string answer = client.ReadAll();
  GRAVEN_CHECK(answer.empty() || answer.starts_with("HTTP/1.1 "));
  graven::http::RawClient next(url);
  next.Send("GET /no HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  GRAVEN_CHECK(next.ReadAll().starts_with("HTTP/1.1 404 "));
  return 0;
}
