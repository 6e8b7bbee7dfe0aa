#include "view/relay.h"

#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/hostile_server_test.h"
#include "http/raw_client_test.h"

namespace graven::view {
namespace {

using http::HostileServer;
using http::RawClient;
using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using Connection = HostileServer::Connection;

// The relay alone behind a server of ours.
class RelaySite final : public http::Site {
 public:
  explicit RelaySite(RelayOptions options) : relay_(*Relay::Make(std::move(options))) {
    relay_->AddRoutes(&routes_);
    server_ = *http::Server::Start(*this, {.listen = {"127.0.0.1:0"}});
  }
  ~RelaySite() override {
    relay_->Stop();
    server_->Stop(1000);
  }

  http::Admission Admit(const http::Request& head) override {
    http::Admission admission;
    if (routes_.Find(head.method, head.path).route == nullptr)
      admission.refusal = http::TextResponse(404, "no");
    return admission;
  }
  void Handle(const http::Request& request, http::Responder responder) override {
    routes_.Find(request.method, request.path)
        .route->handle({request, {}, {}, ""}, std::move(responder));
  }

  std::string Get(std::string_view target, std::string_view headers = "") {
    RawClient client(url());
    client.Send(fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{}\r\n",
                            target, headers));
    return client.ReadAll();
  }
  const std::string& url() const { return server_->addresses()[0]; }
  Relay& relay() { return *relay_; }

 private:
  std::unique_ptr<Relay> relay_;
  web::Routes routes_;
  std::unique_ptr<http::Server> server_;
};

std::string Reply(std::string_view type, std::string_view body, int status = 200) {
  return fmt::format("HTTP/1.1 {} Word\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n{}", status,
                     type, body.size(), body);
}

TEST(RelayTest, CallIsPassedOnAsItWasAskedAndNothingElseOfIt) {
  std::string seen;
  HostileServer server([&](Connection& connection) {
    seen = connection.ReadRequest();
    connection.Write(Reply("application/json; charset=utf-8", "{\"a\":1}"));
  });
  RelaySite site({.server = server.Url("/graven/")});
  const std::string reply =
      site.Get("/logs/default/search?q=a%3Ab&size=7",
               "Authorization: Bearer mine\r\nCookie: c=d\r\nX-Other: x\r\nCache-Control: "
               "no-cache\r\nIf-None-Match: \"e\"\r\n");
  EXPECT_THAT(seen, StartsWith("GET /graven/logs/default/search?q=a%3Ab&size=7 HTTP/1.1\r\n"));
  EXPECT_THAT(seen, HasSubstr("authorization: Bearer mine\r\n"));
  EXPECT_THAT(seen, HasSubstr("cache-control: no-cache\r\n"));
  EXPECT_THAT(seen, HasSubstr(fmt::format("Host: 127.0.0.1:{}\r\n", server.port())));
  for (const char* word : {"c=d", "X-Other", "localhost", "If-None-Match", "if-none-match"})
    EXPECT_THAT(seen, Not(HasSubstr(word)));
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(reply, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_THAT(reply, HasSubstr("Cache-Control: no-store\r\n"));
  EXPECT_THAT(reply, HasSubstr("\r\n\r\n{\"a\":1}"));
}

TEST(RelayTest, OwnTokenIsSentWhereThePageHasNone) {
  std::string seen;
  HostileServer server([&](Connection& connection) {
    seen = connection.ReadRequest();
    connection.Write(Reply("text/plain", "x"));
  });
  RelaySite site({.server = server.Url(), .token = "secret"});
  site.Get("/logs");
  EXPECT_THAT(seen, HasSubstr("authorization: Bearer secret\r\n"));
  site.Get("/logs", "Authorization: Bearer mine\r\n");
  EXPECT_THAT(seen, Not(HasSubstr("secret")));
}

TEST(RelayTest, ServersHeadersStayWithTheServer) {
  HostileServer server([](Connection& connection) {
    connection.ReadRequest();
    connection.Write(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nSet-Cookie: a=b\r\nCache-Control: "
        "max-age=9\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: 8\r\n\r\n<script>");
  });
  RelaySite site({.server = server.Url()});
  const std::string reply = site.Get("/logs");
  EXPECT_THAT(reply, HasSubstr("Content-Type: application/octet-stream\r\n"));
  EXPECT_THAT(reply, HasSubstr("Content-Security-Policy: default-src 'none'"));
  for (const char* word : {"Set-Cookie", "max-age", "Access-Control-Allow-Origin"})
    EXPECT_THAT(reply, Not(HasSubstr(word)));
}

TEST(RelayTest, ErrorOfTheServerIsItsOwnWord) {
  HostileServer server([](Connection& connection) {
    connection.ReadRequest();
    connection.Write(Reply("application/json", R"({"reason":"LOG_UNKNOWN"})", 404));
  });
  RelaySite site({.server = server.Url()});
  const std::string reply = site.Get("/logs/x");
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(reply, HasSubstr("LOG_UNKNOWN"));
}

TEST(RelayTest, WhatIsNoAnswerIsSaidToBeNone) {
  const std::string redirect =
      "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n";
  const std::string huge =
      fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", kRelayedBytesMax + 1);
  for (const std::string& bytes : {redirect, huge, std::string("nonsense\r\n\r\n"), std::string(),
                                   std::string("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")}) {
    HostileServer server([&](Connection& connection) {
      connection.ReadRequest();
      connection.Write(bytes);
    });
    RelaySite site({.server = server.Url()});
    const std::string reply = site.Get("/logs");
    EXPECT_THAT(reply, StartsWith("HTTP/1.1 502")) << bytes;
    EXPECT_THAT(reply, HasSubstr("SERVER_UNREACHABLE")) << bytes;
  }
}

TEST(RelayTest, ServerThatSaysNothingIsLeft) {
  HostileServer server([](Connection& connection) { connection.Hang(); });
  RelaySite site({.server = server.Url(), .patience = milliseconds(100)});
  const std::string reply = site.Get("/logs");
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 504"));
  EXPECT_THAT(reply, HasSubstr("SERVER_UNREACHABLE"));
}

TEST(RelayTest, StreamComesAsItIsSent) {
  std::atomic<bool> read{false};
  std::string seen;
  HostileServer server([&](Connection& connection) {
    seen = connection.ReadRequest();
    connection.Write(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: "
        "chunked\r\n\r\n5\r\nfirst\r\n");
    while (!read.load()) std::this_thread::yield();
    connection.Write("6\r\nsecond\r\n0\r\n\r\n");
  });
  RelaySite site({.server = server.Url()});
  RawClient client(site.url());
  client.Send(
      "GET /logs/default/live?from=3 HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 3\r\n\r\n");
  // What was sent is there before the rest is.
  ASSERT_TRUE(client.ReadUntil("first"));
  read = true;
  EXPECT_THAT(client.ReadAll(), HasSubstr("second\r\n0\r\n\r\n"));
  EXPECT_THAT(seen, StartsWith("GET /logs/default/live?from=3 HTTP/1.1\r\n"));
  EXPECT_THAT(seen, HasSubstr("last-event-id: 3\r\n"));
}

TEST(RelayTest, CutStreamIsSeenToBeCut) {
  HostileServer server([](Connection& connection) {
    connection.ReadRequest();
    connection.Write(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: "
        "chunked\r\n\r\n5\r\nfirst\r\n");
  });
  RelaySite site({.server = server.Url()});
  const std::string reply = site.Get("/logs/default/live");
  EXPECT_THAT(reply, HasSubstr("first"));
  EXPECT_THAT(reply, Not(HasSubstr("\r\n0\r\n\r\n")));
}

TEST(RelayTest, RefusedStreamSaysWhy) {
  HostileServer server([](Connection& connection) {
    connection.ReadRequest();
    connection.Write(Reply("application/json", R"({"reason":"ROUTE_NOT_FOUND"})", 404));
  });
  RelaySite site({.server = server.Url()});
  const std::string reply = site.Get("/logs/default/live");
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(reply, HasSubstr("ROUTE_NOT_FOUND"));
}

TEST(RelayTest, StreamOfAPageThatLeftIsLeftToo) {
  std::atomic<bool> over{false};
  HostileServer server([&](Connection& connection) {
    connection.ReadRequest();
    connection.Write(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: "
        "chunked\r\n\r\n5\r\nfirst\r\n");
    connection.Hang();
    over = true;
  });
  RelaySite site({.server = server.Url()});
  {
    RawClient client(site.url());
    client.Send("GET /logs/default/live HTTP/1.1\r\nHost: localhost\r\n\r\n");
    ASSERT_TRUE(client.ReadUntil("first"));
  }
  for (int i = 0; i < 20'000 && !over.load(); ++i) std::this_thread::sleep_for(milliseconds(1));
  EXPECT_TRUE(over.load());
}

TEST(RelayTest, StopEndsWhatIsUnderWay) {
  HostileServer server([](Connection& connection) { connection.Hang(); });
  RelaySite site({.server = server.Url()});
  std::thread stopper([&] {
    while (server.connections() == 0) std::this_thread::yield();
    site.relay().Stop();
  });
  EXPECT_THAT(site.Get("/logs"), HasSubstr("SERVER_UNREACHABLE"));
  stopper.join();
}

TEST(RelayTest, StatementIsWaitedForLongerThanOtherAnswers) {
  // The server searches all of the log for it, for a minute at most.
  HostileServer server([](Connection& connection) {
    const std::string request = connection.ReadRequest();
    std::this_thread::sleep_for(milliseconds(400));
    connection.Write(Reply("text/plain", request.substr(0, request.find('?'))));
  });
  RelaySite site({.server = server.Url(), .patience = milliseconds(100)});
  EXPECT_THAT(site.Get("/logs/default/search?q="), HasSubstr("504"));
  const std::string reply = site.Get("/logs/default/statement?q=");
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(reply, HasSubstr("/logs/default/statement"));
}

}  // namespace
}  // namespace graven::view
