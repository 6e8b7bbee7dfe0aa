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

TEST_F(ServerTest, RequestIsAnsweredAndTheConnectionKept) {
  Start();
  RawClient client(url());
  for (const char* path : {"/a", "/b"}) {
    ASSERT_TRUE(client.Send(fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", path)));
    const std::string response = client.ReadResponse();
    EXPECT_THAT(response, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_EQ(BodyOf(response), fmt::format("hello {}", path));
  }
}

TEST_F(ServerTest, PipelinedRequestsAreAnsweredInOrder) {
  Start();
  const std::string one = "GET /1 HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const std::string two = "GET /2 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  const std::string answers = Ask(one + two);
  EXPECT_LT(answers.find("hello /1"), answers.find("hello /2"));
  EXPECT_NE(answers.find("hello /2"), std::string::npos);
}

TEST_F(ServerTest, HeadHasTheLengthAndNoBody) {
  Start();
  const std::string response = Ask("HEAD /x HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(response, HasSubstr("Content-Length: 8\r\n"));
  EXPECT_EQ(BodyOf(response), "");
}

TEST_F(ServerTest, OtherMethodsAre405WithAllow) {
  Start();
  for (const char* method : {"PUT", "DELETE", "TRACE", "OPTIONS", "BREW"}) {
    const std::string response =
        Ask(fmt::format("{} /x HTTP/1.1\r\nHost: localhost\r\n\r\n", method));
    EXPECT_THAT(response, StartsWith("HTTP/1.1 405 ")) << method;
    EXPECT_THAT(response, HasSubstr("\r\nAllow: GET, HEAD, POST\r\n"));
  }
  EXPECT_EQ(site_.handled, 0);
}

TEST_F(ServerTest, EveryResponseHasTheSecurityHeaders) {
  Start();
  for (const std::string& response :
       {Get("/x"), Get("/missing"), Get("//"), Get("/x", "Host: evil.example\r\n"),
        Ask("rubbish\r\n\r\n")}) {
    EXPECT_THAT(response, StartsWith("HTTP/1.1 "));
    EXPECT_THAT(response, HasSubstr("\r\nContent-Security-Policy: default-src 'none'; "
                                    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"));
    EXPECT_THAT(response, HasSubstr("\r\nCross-Origin-Opener-Policy: same-origin\r\n"));
    EXPECT_THAT(response, HasSubstr("\r\nCross-Origin-Resource-Policy: same-origin\r\n"));
    EXPECT_THAT(response, HasSubstr("\r\nReferrer-Policy: no-referrer\r\n"));
    EXPECT_THAT(response, HasSubstr("\r\nX-Content-Type-Options: nosniff\r\n"));
    EXPECT_THAT(response, Not(HasSubstr("Access-Control-")));
  }
}

TEST_F(ServerTest, HostsOfNobodyHereAre421) {
  Start();
  for (const char* host : {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example",
                           "0.0.0.0", "192.168.0.1", "notlocalhost", "evil.example:80"}) {
    EXPECT_THAT(Get("/x", fmt::format("Host: {}\r\n", host)), StartsWith("HTTP/1.1 421 ")) << host;
  }
  for (const char* headers :
       {"", "Host: localhost\r\nHost: localhost\r\n", "Host: a b\r\n", "Host: \r\n",
        "Host: localhost:99999999\r\n", "Host: [::1\r\n", "Host: user@localhost\r\n"}) {
    EXPECT_THAT(Get("/x", headers), StartsWith("HTTP/1.1 400 ")) << headers;
  }
  EXPECT_EQ(site_.handled, 0);
  for (const char* host :
       {"localhost", "LocalHost:1234", "127.0.0.1:1", "127.9.9.9", "[::1]:80", "localhost."}) {
    EXPECT_THAT(Get("/x", fmt::format("Host: {}\r\n", host)), StartsWith("HTTP/1.1 200 ")) << host;
  }
}

TEST_F(ServerTest, ConfiguredHostIsLetIn) {
  ServerOptions options;
  options.browser.allowed_hosts = {"Audit.example.com"};
  Start(options);
  EXPECT_THAT(Get("/x", "Host: audit.example.com:8443\r\n"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Get("/x", "Host: example.com\r\n"), StartsWith("HTTP/1.1 421 "));
  // Its own pages, behind a proxy that ends TLS, and those of another port.
  const std::string host = "Host: audit.example.com\r\n";
  EXPECT_THAT(Get("/x", host + "Origin: https://audit.example.com\r\n"),
              StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Get("/x", host + "Origin: https://audit.example.com:8443\r\n"),
              StartsWith("HTTP/1.1 403 "));
}

TEST_F(ServerTest, OtherSitesAreRefusedButMayLinkToPages) {
  Start();
  const auto get = [&](std::string_view target, std::string_view more) {
    return Get(target, fmt::format("Host: localhost\r\n{}", more));
  };
  for (const char* site : {"cross-site", "same-site", "unheard-of"}) {
    EXPECT_THAT(get("/x", fmt::format("Sec-Fetch-Site: {}\r\n", site)),
                StartsWith("HTTP/1.1 403 "));
    const std::string navigation =
        fmt::format("Sec-Fetch-Site: {}\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: ", site);
    EXPECT_THAT(get("/page", navigation + "document\r\n"), StartsWith("HTTP/1.1 200 "));
    EXPECT_THAT(get("/x", navigation + "document\r\n"), StartsWith("HTTP/1.1 403 "));
    EXPECT_THAT(get("/page", navigation + "iframe\r\n"), StartsWith("HTTP/1.1 403 "));
    // What would say whether there is such a thing is refused like the rest.
    EXPECT_THAT(get("/missing", fmt::format("Sec-Fetch-Site: {}\r\n", site)),
                StartsWith("HTTP/1.1 403 "));
  }
  for (const char* site : {"same-origin", "none"}) {
    EXPECT_THAT(get("/x", fmt::format("Sec-Fetch-Site: {}\r\n", site)),
                StartsWith("HTTP/1.1 200 "));
  }
  EXPECT_THAT(get("/x", "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site\r\n"),
              StartsWith("HTTP/1.1 400 "));
  // Browsers send no Fetch Metadata to an address that is not trustworthy, but an Origin.
  for (const char* origin :
       {"http://evil.example", "null", "http://localhost:1", "https://localhost"}) {
    EXPECT_THAT(get("/x", fmt::format("Origin: {}\r\n", origin)), StartsWith("HTTP/1.1 403 "));
  }
  EXPECT_THAT(get("/x", "Origin: http://localhost\r\n"), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(server_->counters().refused_browser, 3u * 4 + 1 + 4);
}

TEST_F(ServerTest, ConfiguredOriginMayRead) {
  ServerOptions options;
  options.browser.cors_origins = {"https://dash.example"};
  Start(options);
  const std::string response = Get(
      "/x", "Host: localhost\r\nOrigin: https://dash.example\r\nSec-Fetch-Site: cross-site\r\n");
  EXPECT_THAT(response, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(response, HasSubstr("\r\nAccess-Control-Allow-Origin: https://dash.example\r\n"));
  EXPECT_THAT(response, HasSubstr("\r\nVary: Origin\r\n"));
  EXPECT_THAT(Ask("OPTIONS /x HTTP/1.1\r\nHost: localhost\r\nOrigin: https://dash.example\r\n"
                  "Access-Control-Request-Method: POST\r\n\r\n"),
              StartsWith("HTTP/1.1 204 "));
  EXPECT_THAT(Get("/x", "Host: localhost\r\nOrigin: https://other.example\r\n"),
              StartsWith("HTTP/1.1 403 "));
}

TEST_F(ServerTest, PrefixIsTheConfiguredOneOnly) {
  ServerOptions options;
  options.path_prefix = "/graven";
  Start(options);
  EXPECT_THAT(Get("/graven/x"), HasSubstr("hello /x"));
  EXPECT_THAT(Get("/graven"), HasSubstr("hello /"));
  for (const char* target : {"/x", "/gravenx", "/", "/GRAVEN/x"}) {
    EXPECT_THAT(Get(target), StartsWith("HTTP/1.1 404 ")) << target;
  }
  EXPECT_THAT(Get("/x", "Host: localhost\r\nX-Forwarded-Prefix: /graven\r\n"),
              StartsWith("HTTP/1.1 404 "));
  EXPECT_TRUE(url().ends_with("/graven"));
}

TEST_F(ServerTest, WrongOptionsAreNamed) {
  ServerOptions options;
  options.listen = {"127.0.0.1:0"};
  options.path_prefix = "graven/";
  EXPECT_EQ(Server::Start(site_, options).status().code(), absl::StatusCode::kInvalidArgument);
  options.path_prefix = "";
  options.tls.emplace().certificate_chain_pem = "no certificate";
  EXPECT_EQ(Server::Start(site_, options).status().code(), absl::StatusCode::kInvalidArgument);
  options.tls.reset();
  options.listen = {"127.0.0.1"};
  EXPECT_EQ(Server::Start(site_, options).status().code(), absl::StatusCode::kInvalidArgument);
  Start();
  options.listen = {url().substr(7)};
  const absl::Status taken = Server::Start(site_, options).status();
  EXPECT_EQ(taken.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(taken.message()), HasSubstr(options.listen[0]));
}

TEST_F(ServerTest, CompressedWhereAcceptedAndNotModifiedWhereKnown) {
  Start();
  const std::string plain = Get("/large");
  EXPECT_THAT(plain, Not(HasSubstr("Content-Encoding")));
  EXPECT_THAT(plain, HasSubstr("\r\nVary: Accept-Encoding\r\n"));
  for (const auto& [name, coding] :
       {std::pair{"gzip", Coding::kGzip}, std::pair{"zstd", Coding::kZstd}}) {
    const std::string packed =
        Get("/large", fmt::format("Host: localhost\r\nAccept-Encoding: {}\r\n", name));
    EXPECT_THAT(packed, HasSubstr(fmt::format("\r\nContent-Encoding: {}\r\n", name)));
    EXPECT_LT(BodyOf(packed).size(), 2000u);
    EXPECT_EQ(Decompress(coding, BodyOf(packed), 200'000), std::string(100'000, 'a'));
    const size_t tag = packed.find("\r\nETag: ") + 8;
    const std::string etag = packed.substr(tag, packed.find("\r\n", tag) - tag);
    EXPECT_EQ(plain.find(etag), std::string::npos) << "one tag for two representations";
    const std::string known =
        Get("/large", fmt::format("Host: localhost\r\nIf-None-Match: \"x\", {}\r\n", etag));
    EXPECT_THAT(known, StartsWith("HTTP/1.1 304 "));
    EXPECT_THAT(known, HasSubstr(etag));
    EXPECT_EQ(BodyOf(known), "");
  }
}

TEST_F(ServerTest, HeaderValueThatWouldEndTheHeaderIsLeftOut) {
  Start();
  const std::string response = Get("/header");
  EXPECT_THAT(response, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(response, Not(HasSubstr("Set-Cookie")));
}

TEST_F(ServerTest, ForgottenRequestIs500) {
  Start();
  EXPECT_THAT(Get("/forget"), StartsWith("HTTP/1.1 500 "));
}

TEST_F(ServerTest, AnswerMayComeFromAnotherThreadLater) {
  Start();
  RawClient client(url());
  client.Send("GET /keep HTTP/1.1\r\nHost: localhost\r\n\r\n");
  Responder responder = site_.AwaitKept();
  std::thread([&] { std::move(responder).Send(TextResponse(200, "late")); }).join();
  EXPECT_THAT(client.ReadResponse(), HasSubstr("late"));
}

TEST_F(ServerTest, SourceIsSentInChunksToItsEnd) {
  Start();
  RawClient client(url());
  client.Send("GET /source HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const std::string response = client.ReadAll();
  EXPECT_THAT(response, HasSubstr("\r\nTransfer-Encoding: chunked\r\n"));
  EXPECT_EQ(BodyOf(response), "5\r\nxxxxx\r\n5\r\nxxxxx\r\n5\r\nxxxxx\r\n0\r\n\r\n");
  Await([&] { return site_.facts->destroyed.load(); });
}

TEST_F(ServerTest, SourceIsNotAskedFasterThanThePeerReads) {
  Start();
  RawClient client(url());
  client.Send("GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ASSERT_TRUE(client.ReadUntil("xxxx"));
  int before = -1;
  // The sockets' buffers take some; then it stands still.
  Await([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return std::exchange(before, site_.facts->asked.load()) == site_.facts->asked.load();
  });
  EXPECT_LT(site_.facts->asked, 1000);
  client.Close();
  Await([&] { return site_.facts->destroyed.load(); });
}

TEST_F(ServerTest, SourceEndsWhenItsPeerLeaves) {
  Start();
  RawClient client(url());
  client.Send("GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ASSERT_TRUE(client.ReadUntil("xxxxx"));
  Await([&] { return site_.facts->asked == 2; });
  client.Close();
  Await([&] { return site_.facts->destroyed.load(); });
  EXPECT_GE(site_.facts->cancelled, 1);
}

TEST_F(ServerTest, StopLetsRequestsFinishAndEndsTheRest) {
  Start();
  RawClient idle(url()), half(url()), busy(url()), live(url());
  idle.Send("GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(idle.ReadResponse(), HasSubstr("hello"));
  half.Send("GET /x HTTP");
  live.Send("GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ASSERT_TRUE(live.ReadUntil("xxxxx"));
  busy.Send("GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n");
  site_.AwaitHanging(1);
  std::thread stopper([&] { server_->Stop(500); });
  EXPECT_EQ(idle.ReadAll(), "");
  live.ReadAll();
  site_.Release();
  const std::string last = busy.ReadAll();
  EXPECT_THAT(last, HasSubstr("hello /hang"));
  EXPECT_THAT(last, HasSubstr("\r\nConnection: close\r\n"));
  stopper.join();
  EXPECT_EQ(half.ReadAll(), "");
  EXPECT_EQ(server_->counters().connections, 0u);
  EXPECT_FALSE(RawClient(url()).connected());
}

TEST_F(ServerTest, UnixSocketIsServed) {
  ServerOptions options;
  options.listen = {fmt::format("unix:{}/http.sock", ::testing::TempDir())};
  unlink(options.listen[0].c_str() + 5);
  Start(options);
  EXPECT_EQ(url(), options.listen[0]);
  EXPECT_THAT(Get("/x", "Host: whatever.example\r\n"), HasSubstr("hello /x"));
}

}  // namespace
}  // namespace graven::http
