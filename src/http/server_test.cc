#include "http/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "fmt/format.h"
#include "http/compression.h"
#include "http/raw_client_test.h"

namespace graven::http {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// Gives `pieces` pieces, each when the one before is out; waits for Cancel behind the last if it
// `lasts`.
class CountingSource final : public BodySource {
 public:
  struct Facts {
    std::atomic<int> asked{0};
    std::atomic<int> cancelled{0};
    std::atomic<bool> destroyed{false};
  };
  CountingSource(std::shared_ptr<Facts> facts, int pieces, size_t piece_bytes, bool lasts)
      : facts_(std::move(facts)), pieces_(pieces), piece_bytes_(piece_bytes), lasts_(lasts) {}
  ~CountingSource() override { facts_->destroyed = true; }

  void Next(Give give) override {
    if (facts_->asked++ < pieces_) return give(std::string(piece_bytes_, 'x'));
    if (!lasts_) return give(std::string());
    std::lock_guard lock(mutex_);
    if (cancelled_) {
      give(absl::CancelledError());
    } else {
      owed_ = std::move(give);
    }
  }
  void Cancel() override {
    std::lock_guard lock(mutex_);
    facts_->cancelled++;
    cancelled_ = true;
    if (owed_) std::exchange(owed_, nullptr)(absl::CancelledError());
  }

 private:
  const std::shared_ptr<Facts> facts_;
  const int pieces_;
  const size_t piece_bytes_;
  const bool lasts_;
  std::mutex mutex_;
  bool cancelled_ = false;
  Give owed_;
};

class TestSite final : public Site {
 public:
  Admission Admit(const Request& head) override {
    Admission admission;
    if (head.method != "GET" && head.method != "POST") {
      admission.refusal = TextResponse(405, "GET or POST");
      admission.refusal->headers.push_back({"Allow", "GET, HEAD, POST"});
      return admission;
    }
    if (head.path == "/missing") admission.refusal = TextResponse(404, "not here");
    admission.page = head.path == "/page";
    admission.body_bytes_max = head.method == "POST" ? 100'000 : 0;
    return admission;
  }

  void Handle(const Request& request, Responder responder) override {
    ++handled;
    if (request.path == "/forget") return;
    if (request.path == "/hang") {
      std::unique_lock lock(mutex_);
      ++hanging;
      wake_.notify_all();
      wake_.wait(lock, [this] { return released_; });
      --hanging;
    }
    if (request.path == "/keep") {
      std::lock_guard lock(mutex_);
      kept_.push_back(std::move(responder));
      wake_.notify_all();
      return;
    }
    Response response;
    response.content_type = "text/plain";
    response.body = "hello " + request.path;
    if (request.method == "POST") response.body = fmt::format("got {}", request.body.size());
    if (request.path == "/large") {
      response.body = std::string(100'000, 'a');
      response.compressible = true;
      response.cache_control = "no-cache";
    }
    if (request.path == "/huge") response.body = std::string(16 << 20, 'a');
    if (request.path == "/source") {
      response.source = std::make_unique<CountingSource>(facts, 3, 5, false);
    }
    if (request.path == "/live")
      response.source = std::make_unique<CountingSource>(facts, 1, 5, true);
    if (request.path == "/endless") {
      response.source = std::make_unique<CountingSource>(facts, 1'000'000, 100'000, false);
    }
    if (request.path == "/header") response.headers.push_back({"X-Evil", "a\r\nSet-Cookie: b"});
    std::move(responder).Send(std::move(response));
  }

  void AwaitHanging(int count) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return hanging == count; });
  }
  Responder AwaitKept() {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return !kept_.empty(); });
    Responder first = std::move(kept_.front());
    kept_.pop_front();
    return first;
  }
  void Release() {
    std::lock_guard lock(mutex_);
    released_ = true;
    wake_.notify_all();
  }

  std::atomic<int> handled{0};
  std::shared_ptr<CountingSource::Facts> facts = std::make_shared<CountingSource::Facts>();

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  int hanging = 0;
  bool released_ = false;
  std::deque<Responder> kept_;
};

class ServerTest : public ::testing::Test {
 protected:
  void Start(ServerOptions options = {}) {
    if (options.listen.empty()) options.listen = {"127.0.0.1:0"};
    auto started = Server::Start(site_, std::move(options));
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
  }
  void TearDown() override { site_.Release(); }

  const std::string& url() { return server_->addresses()[0]; }

  // What comes for these bytes until the server closes.
  std::string Ask(std::string_view bytes) {
    RawClient client(url());
    EXPECT_TRUE(client.connected());
    client.Send(bytes);
    client.FinishSending();
    return client.ReadAll();
  }
  std::string Get(std::string_view target, std::string_view headers = "Host: localhost\r\n") {
    return Ask(fmt::format("GET {} HTTP/1.1\r\n{}\r\n", target, headers));
  }
  // Until `true`, or the test's time is up.
  template <class Condition>
  void Await(Condition condition) {
    for (int i = 0; i < 20'000 && !condition(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_TRUE(condition());
  }

  TestSite site_;
  std::unique_ptr<Server> server_;
};

std::string BodyOf(const std::string& response) {
  const size_t end = response.find("\r\n\r\n");
  return end == std::string::npos ? "" : response.substr(end + 4);
}

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
