#include "view/view.h"

#include "base/encoding.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/hostile_server_test.h"
#include "http/raw_client_test.h"
#include "io/simulated_file_system.h"
#include "view/signed_trees_test.h"

namespace graven::view {
namespace {

using absl::StatusCode;
using http::HostileServer;
using http::RawClient;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::string_view kIndex =
    "<!doctype html><meta name=\"graven-host\" content=\"server\" /><script src=\"assets/a.js\">";
constexpr std::string_view kJson = "Content-Type: application/json\r\n";

// A view of a server that answers as the test says.
class ViewTest : public testing::Test {
 protected:
  ViewTest() : memory_(*SeenMemory::Open(fs_, "view", parties_.policy, clock_, random_)) {}

  ViewOptions Options(const std::string& server) {
    ViewOptions options;
    options.relay.server = server;
    options.policy_text = parties_.policy_text;
    options.version = "1.2.3";
    options.page = {{"index.html", kIndex}, {"assets/a.js", "let a;"}};
    return options;
  }
  void Start(const std::string& server) { Start(Options(server)); }
  void Start(ViewOptions options) {
    auto view = View::Start(*memory_, std::move(options));
    ASSERT_TRUE(view.ok()) << view.status();
    view_ = *std::move(view);
  }

  std::string Send(std::string_view method, std::string_view path, std::string_view body = "",
                   std::string_view headers = "Host: localhost\r\n") {
    const std::string address = view_->address();
    // http://127.0.0.1:PORT/DOOR/
    const size_t door = address.find('/', 7);
    RawClient client(address.substr(0, door));
    client.Send(fmt::format(
        "{} {}{} HTTP/1.1\r\n{}Connection: close\r\nContent-Length: {}\r\n\r\n{}", method,
        address.substr(door, address.size() - door - 1), path, headers, body.size(), body));
    return client.ReadAll();
  }
  std::string Post(std::string_view path, std::string_view body) {
    return Send("POST", path, body, fmt::format("Host: localhost\r\n{}", kJson));
  }

  const Parties parties_;
  HandClock clock_;
  SeededRandom random_{7};
  io::SimulatedFileSystem fs_{1};
  std::unique_ptr<SeenMemory> memory_;
  std::unique_ptr<View> view_;
};

TEST_F(ViewTest, PageIsToldThatItIsInAView) {
  Start("http://127.0.0.1:9/'<b>/");
  const std::string page = Send("GET", "/");
  EXPECT_THAT(page, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(page, HasSubstr("<meta name=\"graven-host\" content=\"view\" "
                              "data-server=\"http://127.0.0.1:9/&#39;&#60;b&#62;/\" />"));
  EXPECT_THAT(page, HasSubstr("require-trusted-types-for 'script'"));
  EXPECT_THAT(Send("GET", "/assets/a.js"), HasSubstr("let a;"));
  const std::string terms = Send("GET", "/view/terms");
  EXPECT_THAT(terms, HasSubstr("\"server\":\"http://127.0.0.1:9/'<b>\""));
  EXPECT_THAT(terms, HasSubstr(parties_.log.vkey()));
}

TEST_F(ViewTest, NothingIsThereWithoutTheSecret) {
  Start("http://127.0.0.1:9/");
  const std::string address = view_->address();
  const std::string base = address.substr(0, address.find('/', 7));
  for (const std::string path : {"/", "/view/terms", "/00000000000000000000000000000000/"}) {
    RawClient client(base);
    client.Send(
        fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path));
    EXPECT_THAT(client.ReadAll(), StartsWith("HTTP/1.1 404")) << path;
  }
}

TEST_F(ViewTest, StrangersHostAndOriginAreRefused) {
  Start("http://127.0.0.1:9/");
  EXPECT_THAT(Send("GET", "/view/terms", "", "Host: evil.example\r\n"), StartsWith("HTTP/1.1 421"));
  EXPECT_THAT(Send("POST", "/view/forget", R"({"log":"a","key":"k"})",
                   fmt::format("Host: localhost\r\nOrigin: http://evil.example\r\n{}", kJson)),
              StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(Send("GET", "/view/terms", "", "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n"),
              StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(Send("POST", "/view/forget", R"({"log":"a","key":"k"})",
                   "Host: localhost\r\nContent-Type: text/plain\r\n"),
              StartsWith("HTTP/1.1 415"));
}

TEST_F(ViewTest, MemoryIsRaisedOverHttpAndOnlyByWhatWasSigned) {
  Start("http://127.0.0.1:9/");
  const std::string key = parties_.log.vkey();
  std::string escaped;
  for (const char c : key) escaped += c == '+' ? "%2B" : std::string(1, c);
  EXPECT_THAT(Send("GET", "/view/seen?key=" + escaped), HasSubstr("{\"seen\":null}"));
  const auto body = [&](const Signer& signer, uint64_t size, std::string_view expected) {
    std::string note;
    for (const char c : signer.Note(size)) note += c == '\n' ? "\\n" : std::string(1, c);
    return fmt::format(R"({{"key":"{}","expected":{},"note":"{}"}})", key, expected, note);
  };
  EXPECT_THAT(Post("/view/seen", body(parties_.log, 5, "null")), HasSubstr("\"raised\":true"));
  EXPECT_THAT(Post("/view/seen", body(parties_.log, 7, "null")), HasSubstr("\"raised\":false"));
  const std::string five = fmt::format(R"({{"size":5,"root":"{}"}})", HexEncode(Signer::RootOf(5)));
  EXPECT_THAT(Post("/view/seen", body(parties_.other, 7, five)), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(Post("/view/seen", body(parties_.log, 4, five)), StartsWith("HTTP/1.1 409"));
  EXPECT_THAT(Post("/view/seen", "{"), HasSubstr("VIEW_MEMORY"));
  EXPECT_THAT(Send("GET", "/view/seen?key=" + escaped),
              HasSubstr(fmt::format("\"last\":{{\"size\":5,\"root\":\"{}\"",
                                    HexEncode(Signer::RootOf(5)))));
}

TEST_F(ViewTest, FindingComesBackUntilItIsForgotten) {
  Start("http://127.0.0.1:9/");
  const std::string named = fmt::format(R"({{"log":"default","key":"{}"}})", parties_.log.vkey());
  EXPECT_THAT(Post("/view/known", named), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Send("GET", "/view/known?log=default"), HasSubstr("\"inPolicy\":true"));
  const std::string finding =
      fmt::format(R"({{"log":"default","key":"{}","finding":{{"id":5,"at":6,"kind":"fork",)"
                  R"("sentence":"s","claimed":"c","computed":"d"}}}})",
                  parties_.log.vkey());
  EXPECT_THAT(Post("/view/findings", finding), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Send("GET", "/view/findings?log=default"), HasSubstr("\"sentence\":\"s\""));
  EXPECT_THAT(Send("GET", "/view/findings?log=other"), HasSubstr("{\"findings\":[]}"));
  EXPECT_THAT(Send("GET", "/view/findings?log=.."), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(Post("/view/forget", named), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Send("GET", "/view/findings?log=default"), HasSubstr("{\"findings\":[]}"));
  EXPECT_THAT(Send("GET", "/view/known?log=default"), HasSubstr("{\"known\":null}"));
}

TEST_F(ViewTest, OnlyReadingCallsAreEverSent) {
  std::atomic<int> asked{0};
  HostileServer server([&](HostileServer::Connection& connection) {
    while (!connection.ReadRequest().empty()) {
      ++asked;
      connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    }
  });
  Start(server.Url());
  EXPECT_THAT(Send("POST", "/logs/default/events", "{}"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(Post("/logs/default/checkpoint", "{}"), StartsWith("HTTP/1.1 405"));
  for (const char* path : {"/metrics", "/openapi.json", "/healthz", "/logs/default/tile/0/000",
                           "/view/seen/x", "/nothing"})
    EXPECT_THAT(Send("GET", path), StartsWith("HTTP/1.1 404")) << path;
  EXPECT_EQ(asked.load(), 0);
  EXPECT_THAT(Send("GET", "/logs/default/checkpoint"), HasSubstr("\r\n\r\nhi"));
  EXPECT_EQ(asked.load(), 1);
  view_.reset();  // and its open connection with it
}

TEST_F(ViewTest, ProgramWithoutThePageSaysSo) {
  ViewOptions options = Options("http://127.0.0.1:9/");
  options.page.clear();
  EXPECT_EQ(View::Start(*memory_, options).status().code(), StatusCode::kFailedPrecondition);
  options.page = {{"index.html", "<!doctype html>"}};
  EXPECT_EQ(View::Start(*memory_, options).status().code(), StatusCode::kFailedPrecondition);
}

TEST_F(ViewTest, OnlyThisMachineIsListenedTo) {
  for (const char* listen :
       {"0.0.0.0:0", "[::]:0", "192.0.2.1:0", "example.com:0", "unix:/x", "127.0.0.1", ""}) {
    ViewOptions options = Options("http://127.0.0.1:9/");
    options.listen = listen;
    EXPECT_EQ(View::Start(*memory_, options).status().code(), StatusCode::kInvalidArgument)
        << listen;
  }
  for (const char* listen : {"127.0.0.1:0", "127.9.9.9:1", "localhost:0", "[::1]:0"})
    EXPECT_TRUE(IsLoopback(listen)) << listen;
}

TEST_F(ViewTest, WrongServerIsRefused) {
  for (const char* server : {"", "127.0.0.1:7466", "ftp://h/", "http://u@h/", "http://h/?a=b"})
    EXPECT_EQ(View::Start(*memory_, Options(server)).status().code(), StatusCode::kInvalidArgument)
        << server;
}

}  // namespace
}  // namespace graven::view
