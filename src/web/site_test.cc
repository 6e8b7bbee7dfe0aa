#include "web/site.h"
#include "web/kept_answers_test.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "base/encoding.h"
#include "base/sha256.h"
#include "web/errors.h"
#include "web/routes.h"

namespace graven::web {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Keeps what is sent.
Route Echo(std::string method, std::string pattern) {
  return {std::move(method), std::move(pattern), Directly([](const Call& call) {
            std::string text = call.identity + ":";
            for (const std::string& one : call.parameters) text += "[" + one + "]";
            for (const auto& [name, value] : call.query) text += "<" + name + "=" + value + ">";
            return http::TextResponse(200, text);
          })};
}

Routes MakeRoutes() {
  Routes routes;
  routes.Add(Echo("GET", "/"));
  routes.Add(Echo("GET", "/logs"));
  routes.Add(Echo("GET", "/logs/{log}/checkpoint"));
  routes.Add(Echo("GET", "/logs/{log}/tile/{tile...}"));
  Route post = Echo("POST", "/logs/{log}/events");
  post.body_bytes_max = 1000;
  post.content_types = {"application/json", "application/jsonl"};
  routes.Add(std::move(post));
  routes.Add(Echo("GET", "/logs/{log}/events"));
  Route open = Echo("GET", "/healthz");
  open.open = true;
  routes.Add(std::move(open));
  routes.Add({"GET", "/broken", Directly([](const Call&) -> absl::StatusOr<http::Response> {
                return absl::DataLossError("record 7 is damaged");
              })});
  return routes;
}

LogSite MakeSite(engine::AuthenticationOptions options = {}) {
  return LogSite(MakeRoutes(), *engine::Authenticator::Create(options));
}

http::Request MakeRequest(std::string method, std::string path, std::string query = "") {
  http::Request request;
  request.method = std::move(method);
  request.path = std::move(path);
  request.query = std::move(query);
  return request;
}

std::string Handle(LogSite& site, const http::Request& request) {
  const auto sink = std::make_shared<Kept>();
  site.Handle(request, http::Responder(sink));
  EXPECT_EQ(sink->sent.size(), 1u);
  return sink->sent.empty() ? "" : sink->sent[0].body;
}

TEST(Routes, SegmentsNamesAndRestsAreFound) {
  const Routes routes = MakeRoutes();
  EXPECT_THAT(routes.Find("GET", "/logs/a%20b/checkpoint").parameters, ElementsAre("a b"));
  EXPECT_THAT(routes.Find("GET", "/logs/a/tile/0/x001/000.p/3").parameters,
              ElementsAre("a", "0/x001/000.p/3"));
  EXPECT_NE(routes.Find("GET", "/").route, nullptr);
  for (const char* path :
       {"/logs/", "/logs//checkpoint", "/logs/a/checkpoint/", "/logs/a/tile/", "/logs/a/tile",
        "/LOGS", "/logs/a", "/checkpoint", "//", "/logs/a/checkpoint/b"}) {
    EXPECT_EQ(routes.Find("GET", path).route, nullptr) << path;
    EXPECT_EQ(routes.Find("GET", path).allowed, "") << path;
  }
}

TEST(Routes, OtherMethodsAreNamed) {
  const Routes routes = MakeRoutes();
  EXPECT_EQ(routes.Find("POST", "/logs").allowed, "GET, HEAD");
  EXPECT_EQ(routes.Find("DELETE", "/logs/a/events").allowed, "POST, GET, HEAD");
}

TEST(Routes, RowThatIsThereTwiceOrMalformedIsOurMistake) {
  Routes routes = MakeRoutes();
  EXPECT_DEATH(routes.Add(Echo("GET", "/logs")), "");
  EXPECT_DEATH(routes.Add(Echo("PUT", "/other")), "");
}

TEST(LogSite, RouteThatIsNotThereIs404AndAnotherMethod405) {
  LogSite site = MakeSite();
  EXPECT_EQ(site.Admit(MakeRequest("GET", "/nothere")).refusal->status, 404);
  const auto refused = site.Admit(MakeRequest("POST", "/logs"));
  ASSERT_TRUE(refused.refusal);
  EXPECT_EQ(refused.refusal->status, 405);
  EXPECT_EQ(refused.refusal->headers.back().value, "GET, HEAD");
}

TEST(LogSite, ContentThatAFormCanSendIs415) {
  LogSite site = MakeSite();
  http::Request request = MakeRequest("POST", "/logs/a/events");
  EXPECT_EQ(site.Admit(request).refusal->status, 415);
  for (const char* type : {"text/plain", "application/x-www-form-urlencoded", "multipart/form-data",
                           "text/plain; application/json", "application/json, text/plain", ""}) {
    request.headers = {{"content-type", type}};
    EXPECT_EQ(site.Admit(request).refusal->status, 415) << type;
  }
  for (const char* type :
       {"application/json", "Application/JSON ; charset=utf-8", "application/jsonl"}) {
    request.headers = {{"content-type", type}};
    EXPECT_FALSE(site.Admit(request).refusal) << type;
    EXPECT_EQ(site.Admit(request).body_bytes_max, 1000u);
  }
}

TEST(LogSite, TokenIsAskedForButOnOpenRoutes) {
  engine::AuthenticationOptions options;
  options.tokens.push_back({HexEncode(Sha256("secret")), "auditor"});
  LogSite site = MakeSite(options);
  http::Request request = MakeRequest("GET", "/logs");
  EXPECT_EQ(site.Admit(request).refusal->status, 401);
  EXPECT_FALSE(site.Admit(MakeRequest("GET", "/healthz")).refusal);
  request.headers = {{"authorization", "Bearer wrong"}};
  EXPECT_EQ(site.Admit(request).refusal->status, 401);
  // Not by the way of Handle either.
  EXPECT_THAT(Handle(site, request), HasSubstr("TOKEN_UNKNOWN"));
  request.headers = {{"authorization", "Bearer secret"}};
  EXPECT_FALSE(site.Admit(request).refusal);
  EXPECT_EQ(Handle(site, request), "auditor:\n");
  // Two, of which a proxy may have looked at the other.
  request.headers.push_back({"authorization", "Bearer other"});
  EXPECT_EQ(site.Admit(request).refusal->status, 401);
}

TEST(LogSite, ParametersAndQueryReachTheHandler) {
  LogSite site = MakeSite();
  EXPECT_EQ(Handle(site, MakeRequest("GET", "/logs/a/events", "first=1&b=%22")),
            "anonymous:[a]<first=1><b=\">\n");
  EXPECT_THAT(Handle(site, MakeRequest("GET", "/logs", "a=1&a=2")),
              HasSubstr("\"INVALID_ARGUMENT\""));
}

TEST(LogSite, StatusOfAHandlerBecomesJson) {
  LogSite site = MakeSite();
  EXPECT_EQ(Handle(site, MakeRequest("GET", "/broken")),
            "{\"code\":\"DATA_LOSS\",\"reason\":\"RECORD_DAMAGED\",\"field\":\"\",\"message\":"
            "\"record 7 is "
            "damaged\"}\n");
}

TEST(Errors, EveryCodeHasAStatusOfItsOwnKind) {
  for (int code = 1; code <= 16; ++code) {
    const int status = HttpStatusOf(static_cast<absl::StatusCode>(code));
    EXPECT_GE(status, 400);
    EXPECT_NE(http::ReasonPhrase(status), "");
  }
  EXPECT_EQ(HttpStatusOf(absl::StatusCode::kNotFound), 404);
  EXPECT_EQ(HttpStatusOf(absl::StatusCode::kResourceExhausted), 429);
  EXPECT_EQ(HttpStatusOf(absl::StatusCode::kDataLoss), 500);
}

}  // namespace
}  // namespace graven::web
