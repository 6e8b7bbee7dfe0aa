#include "http/server.h"

#include <gmock/gmock.h>

#include <string>
#include <thread>

#include "fmt/format.h"
#include "http/server_fixture_test.h"

namespace graven::http {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST_F(ServerTest, AmbiguousBodiesAreRefused) {
  Start();
  const auto post = [&](std::string_view headers, std::string_view body) {
    return Ask(fmt::format("POST /x HTTP/1.1\r\nHost: localhost\r\n{}\r\n{}", headers, body));
  };
  const std::string smuggled = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
  for (const char* headers :
       {"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 4\r\nContent-Length: 4\r\n", "Content-Length: 4\r\nContent-Length: 5\r\n",
        "Content-Length: 4, 4\r\n", "Content-Length: 0\r\nContent-Length: 0\r\n",
        "Content-Length: +4\r\n", "Content-Length: 0x4\r\n",
        "Content-Length: 99999999999999999999\r\n", "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n", "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: \x0b"
        "chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
        "Transfer-Encoding : chunked\r\n"}) {
    const std::string response = post(headers, smuggled);
    EXPECT_THAT(response, testing::AnyOf(StartsWith("HTTP/1.1 400 "), StartsWith("HTTP/1.1 501 ")))
        << headers;
    EXPECT_THAT(response, Not(HasSubstr("HTTP/1.1 200"))) << headers;
    EXPECT_THAT(response, HasSubstr("\r\nConnection: close\r\n")) << headers;
  }
  EXPECT_EQ(site_.handled, 0);
  // An HTTP/1.0 request with a transfer coding too.
  EXPECT_THAT(
      Ask("POST /x HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
      StartsWith("HTTP/1.1 400 "));
}

TEST_F(ServerTest, ChunkedBodyIsTakenAndABrokenOneRefused) {
  Start();
  const std::string head =
      "POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_THAT(Ask(head + "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), HasSubstr("got 5"));
  EXPECT_THAT(Ask(head + "zz\r\nabc\r\n0\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Ask(head + "fffffffffffffffff\r\nabc"), StartsWith("HTTP/1.1 400 "));
}

TEST_F(ServerTest, BodyAboveTheLimitIs413BeforeItIsSent) {
  Start();
  RawClient client(url());
  client.Send("POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100001\r\n\r\n");
  const std::string response = client.ReadResponse();
  EXPECT_THAT(response, StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(response, HasSubstr("the body is 100001 bytes; at most 100000"));
  std::string chunked = "POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 101; ++i) chunked += "3e8\r\n" + std::string(1000, 'a') + "\r\n";
  EXPECT_THAT(Ask(chunked), StartsWith("HTTP/1.1 413 "));
  EXPECT_EQ(site_.handled, 0);
}

TEST_F(ServerTest, ExpectContinueIsTold) {
  Start();
  RawClient client(url());
  client.Send(
      "POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.ReadResponse(), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("abc");
  EXPECT_THAT(client.ReadResponse(), HasSubstr("got 3"));
  EXPECT_THAT(Get("/x", "Host: localhost\r\nExpect: miracles\r\n"), StartsWith("HTTP/1.1 417 "));
}

TEST_F(ServerTest, TargetsThatCanBeReadTwoWaysAre400) {
  Start();
  for (const char* target :
       {"/a/../b", "/./a", "/a//b", "/a/..", "/%2e%2e/b", "/%61", "/a%zz", "/a%", "/a%00", "/a\\b",
        "http://localhost/a", "*", "a", "/a#b", "/a|b"}) {
    EXPECT_THAT(Get(target), StartsWith("HTTP/1.1 400 ")) << target;
  }
  EXPECT_EQ(site_.handled, 0);
  EXPECT_THAT(Get("/a%2Fb?q=%22x%22"), HasSubstr("hello /a%2Fb"));
}

TEST_F(ServerTest, LongTargetsAre414AndManyHeaders431) {
  Start();
  EXPECT_THAT(Get("/" + std::string(5000, 'a')), StartsWith("HTTP/1.1 414 "));
  EXPECT_THAT(Get("/" + std::string(50'000, 'a')), StartsWith("HTTP/1.1 414 "));
  std::string headers = "Host: localhost\r\n";
  for (int i = 0; i < 2000; ++i) headers += fmt::format("X-{}: {}\r\n", i, i);
  EXPECT_THAT(Get("/a", headers), StartsWith("HTTP/1.1 431 "));
}

TEST_F(ServerTest, SlowHeadsAndBodiesAre408) {
  ServerOptions options;
  options.limits.head_ms = 100;
  options.limits.body_ms = 100;
  Start(options);
  RawClient head(url());
  head.Send("GET /x HTTP/1.1\r\nHost:");
  EXPECT_THAT(head.ReadAll(), StartsWith("HTTP/1.1 408 "));
  RawClient body(url());
  body.Send("POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab");
  EXPECT_THAT(body.ReadAll(), StartsWith("HTTP/1.1 408 "));
  EXPECT_EQ(site_.handled, 0);
}

TEST_F(ServerTest, FullQueueIs503AndOthersGoOnAfterwards) {
  ServerOptions options;
  options.limits.workers = 1;
  options.limits.queued_requests = 1;
  Start(options);
  RawClient first(url()), second(url());
  first.Send("GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n");
  site_.AwaitHanging(1);
  second.Send("GET /second HTTP/1.1\r\nHost: localhost\r\n\r\n");
  Await([&] { return server_->counters().requests == 2; });
  const std::string refused = Get("/third");
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(refused, HasSubstr("\r\nRetry-After: 1\r\n"));
  EXPECT_EQ(server_->counters().refused_overload, 1u);
  site_.Release();
  EXPECT_THAT(first.ReadResponse(), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(second.ReadResponse(), HasSubstr("hello /second"));
}

TEST_F(ServerTest, SiteThatTakesTooLongIs503AndItsLateAnswerIsDropped) {
  ServerOptions options;
  options.limits.answer_ms = 50;
  Start(options);
  RawClient client(url());
  client.Send("GET /keep HTTP/1.1\r\nHost: localhost\r\n\r\n");
  Responder responder = site_.AwaitKept();
  EXPECT_THAT(client.ReadAll(), StartsWith("HTTP/1.1 503 "));
  EXPECT_TRUE(responder.gone());
  std::move(responder).Send(TextResponse(200, "late"));
  EXPECT_THAT(Get("/x"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(ServerTest, SlowBodiesMakeRoomForOthers) {
  ServerOptions options;
  options.limits.bodies_bytes = 150'000;
  Start(options);
  const std::string head = "POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n";
  RawClient slow(url());
  slow.Send(head + std::string(99'999, 'a'));
  Await([&] { return server_->counters().bodies_bytes == 99'999; });
  EXPECT_THAT(Ask(head + std::string(100'000, 'a')), HasSubstr("got 100000"));
  EXPECT_EQ(slow.ReadAll(), "");
  EXPECT_EQ(server_->counters().connections_evicted, 1u);
  Await([&] { return server_->counters().bodies_bytes == 0; });
}

TEST_F(ServerTest, BodiesThatTheSiteHasAreNotTakenFromIt) {
  ServerOptions options;
  options.limits.bodies_bytes = 150'000;
  Start(options);
  const auto post = [](std::string_view path) {
    return fmt::format("POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n{}",
                       path, std::string(100'000, 'a'));
  };
  RawClient holder(url());
  holder.Send(post("/hang"));
  site_.AwaitHanging(1);
  EXPECT_THAT(Ask(post("/x")), StartsWith("HTTP/1.1 503 "));
  site_.Release();
  EXPECT_THAT(holder.ReadResponse(), HasSubstr("got 100000"));
  EXPECT_THAT(Ask(post("/x")), HasSubstr("got 100000"));
}

TEST_F(ServerTest, ReadersThatDoNotReadMakeRoomForOthers) {
  ServerOptions options;
  options.limits.answers_bytes = 40 << 20;
  Start(options);
  // More than the buffers of the two sockets take.
  std::vector<std::unique_ptr<RawClient>> deaf;
  for (int i = 0; i < 6; ++i) {
    deaf.push_back(std::make_unique<RawClient>(url()));
    deaf.back()->Send("GET /huge HTTP/1.1\r\nHost: localhost\r\n\r\n");
    ASSERT_TRUE(deaf.back()->ReadUntil("aaaa"));
  }
  EXPECT_THAT(Get("/x"), HasSubstr("hello /x"));
  EXPECT_EQ(server_->counters().connections_evicted, 4u);
}

TEST_F(ServerTest, SilentConnectionsMakeRoom) {
  ServerOptions options;
  options.limits.connections = 20;
  Start(options);
  std::vector<std::unique_ptr<RawClient>> silent;
  for (int i = 0; i < 100; ++i) {
    silent.push_back(std::make_unique<RawClient>(url()));
    if (i % 2 == 0) silent.back()->Send("GET /x HTTP/1.1\r\nHost: loc");
  }
  EXPECT_THAT(Get("/x"), HasSubstr("hello /x"));
  EXPECT_GE(server_->counters().connections_evicted, 80u);
  EXPECT_LE(server_->counters().connections, 21u);
}

}  // namespace
}  // namespace graven::http
