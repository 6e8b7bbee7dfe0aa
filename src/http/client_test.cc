#include "http/client.h"

#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/hostile_server_test.h"

namespace graven::http {
namespace {

using absl::StatusCode;
using std::chrono::milliseconds;
using testing::HasSubstr;
using Connection = HostileServer::Connection;

constexpr std::string_view kHello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello";

FetchOptions Impatient() {
  FetchOptions options;
  options.connect_timeout = milliseconds(300);
  options.total_timeout = milliseconds(300);
  return options;
}

StatusCode CodeOf(const HostileServer& server, const FetchOptions& options = {}) {
  return Fetch({.url = server.Url()}, options).status().code();
}

TEST(HttpClientTest, ReplyComesBackWhole) {
  std::string seen;
  HostileServer server([&](Connection& connection) {
    seen = connection.ReadRequest();
    connection.Write(kHello);
  });
  const auto reply = Fetch({.method = "POST",
                            .url = server.Url("/x?y=z"),
                            .headers = {{"Content-Type", "text/plain"}},
                            .body = "body"});
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->status, 200);
  EXPECT_EQ(reply->body, "hello");
  EXPECT_EQ(reply->Header("x-a"), "b");
  EXPECT_EQ(reply->Header("x-b"), "");
  EXPECT_THAT(seen, HasSubstr("POST /x?y=z HTTP/1.1\r\n"));
  EXPECT_THAT(seen, HasSubstr("Content-Length: 4\r\n"));
  EXPECT_THAT(seen, HasSubstr("Content-Type: text/plain\r\n"));
}

TEST(HttpClientTest, OneConnectionServesManyCalls) {
  HostileServer server([](Connection& connection) {
    while (!connection.ReadRequest().empty()) connection.Write(kHello);
  });
  Client client{FetchOptions()};
  for (int i = 0; i < 5; ++i) ASSERT_EQ(client.Fetch({.url = server.Url()})->body, "hello");
  EXPECT_EQ(server.connections(), 1);
}

TEST(HttpClientTest, ClosedKeptConnectionIsOpenedAnewForAGet) {
  HostileServer server([](Connection& connection) {
    connection.ReadRequest();
    connection.Write(kHello);
  });
  Client client{FetchOptions()};
  ASSERT_TRUE(client.Fetch({.url = server.Url()}).ok());
  ASSERT_TRUE(client.Fetch({.url = server.Url()}).ok());
  EXPECT_EQ(server.connections(), 2);
}

TEST(HttpClientTest, RedirectIsAReplyAndNotFollowed) {
  HostileServer elsewhere([](Connection& connection) { connection.Write(kHello); });
  HostileServer server([&](Connection& connection) {
    connection.ReadRequest();
    connection.Write(fmt::format("HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
                                 elsewhere.Url()));
  });
  EXPECT_EQ(Fetch({.url = server.Url()})->status, 302);
  EXPECT_EQ(elsewhere.connections(), 0);
}

TEST(HttpClientTest, SilenceAfterTheConnectionRunsOutOfTime) {
  HostileServer server([](Connection& connection) { connection.Hang(); });
  EXPECT_EQ(CodeOf(server, Impatient()), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(server.connections(), 1);
}

TEST(HttpClientTest, SilenceInTheHeaderRunsOutOfTime) {
  HostileServer server([](Connection& connection) {
    connection.Write("HTTP/1.1 200 OK\r\nX-");
    connection.Hang();
  });
  EXPECT_EQ(CodeOf(server, Impatient()), StatusCode::kDeadlineExceeded);
}

TEST(HttpClientTest, SilenceInTheBodyRunsOutOfTime) {
  HostileServer server([](Connection& connection) {
    connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
    connection.Hang();
  });
  EXPECT_EQ(CodeOf(server, Impatient()), StatusCode::kDeadlineExceeded);
}

TEST(HttpClientTest, DripRunsOutOfTheTotalTime) {
  HostileServer server([](Connection& connection) {
    connection.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (connection.Write("1\r\nx\r\n")) std::this_thread::sleep_for(milliseconds(5));
  });
  EXPECT_EQ(CodeOf(server, Impatient()), StatusCode::kDeadlineExceeded);
}

TEST(HttpClientTest, SilenceInTheTlsHandshakeRunsOutOfTime) {
  HostileServer server([](Connection& connection) { connection.Hang(); });
  const auto url = fmt::format("https://127.0.0.1:{}/", server.port());
  EXPECT_EQ(Fetch({.url = url}, Impatient()).status().code(), StatusCode::kDeadlineExceeded);
}

TEST(HttpClientTest, SilenceOfTheResolverRunsOutOfTime) {
  FetchOptions options = Impatient();
  options.resolver = [](const std::string&) -> absl::StatusOr<std::vector<std::string>> {
    return absl::DeadlineExceededError("slow");
  };
  EXPECT_EQ(Fetch({.url = "http://slow.example/"}, options).status().code(),
            StatusCode::kDeadlineExceeded);
}

TEST(HttpClientTest, FloodOfBodyMeetsTheLimit) {
  HostileServer server([](Connection& connection) {
    connection.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    const std::string chunk = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
    while (connection.Write(chunk)) {
    }
  });
  FetchOptions options;
  options.body_bytes_max = 100'000;
  EXPECT_EQ(CodeOf(server, options), StatusCode::kResourceExhausted);
}

TEST(HttpClientTest, AnnouncedFloodIsRefusedBeforeItIsRead) {
  HostileServer server([](Connection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 9000000000000\r\n\r\n");
    connection.Hang();
  });
  EXPECT_EQ(CodeOf(server), StatusCode::kResourceExhausted);
}

TEST(HttpClientTest, FloodOfHeadersMeetsTheLimit) {
  HostileServer server([](Connection& connection) {
    connection.Write("HTTP/1.1 200 OK\r\n");
    while (connection.Write("X-Flood: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n")) {
    }
  });
  EXPECT_EQ(CodeOf(server), StatusCode::kResourceExhausted);
}

TEST(HttpClientTest, EndlessHeaderLineMeetsTheLimit) {
  HostileServer server([](Connection& connection) {
    while (connection.Write(std::string(4096, 'x'))) {
    }
  });
  EXPECT_NE(CodeOf(server), StatusCode::kOk);
  HostileServer named([](Connection& connection) {
    connection.Write("HTTP/1.1 200 OK\r\nX: ");
    while (connection.Write(std::string(4096, 'x'))) {
    }
  });
  EXPECT_EQ(CodeOf(named), StatusCode::kResourceExhausted);
}

TEST(HttpClientTest, BodyThatIsCutIsNoReply) {
  HostileServer server([](Connection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel");
  });
  EXPECT_EQ(CodeOf(server), StatusCode::kUnavailable);
}

TEST(HttpClientTest, NonsenseIsNoReply) {
  HostileServer server([](Connection& connection) {
    connection.ReadRequest();
    connection.Write("220 mail.example ESMTP\r\n\r\n");
  });
  EXPECT_EQ(CodeOf(server), StatusCode::kUnavailable);
}

TEST(HttpClientTest, InterimRepliesAreNotWaitedThrough) {
  HostileServer server([](Connection& connection) {
    connection.ReadRequest();
    while (connection.Write("HTTP/1.1 103 Early Hints\r\n\r\n")) {
    }
  });
  EXPECT_EQ(CodeOf(server), StatusCode::kUnavailable);
}

TEST(HttpClientTest, RefusedConnectionIsUnavailable) {
  std::string url;
  {
    HostileServer gone([](Connection&) {});
    url = gone.Url();
  }
  EXPECT_EQ(Fetch({.url = url}).status().code(), StatusCode::kUnavailable);
}

TEST(HttpClientTest, LoopbackIsNotConnectedToUnderTheRule) {
  HostileServer server([](Connection& connection) { connection.Write(kHello); });
  FetchOptions options;
  options.address_rule = AddressRule::kPublicOnly;
  EXPECT_EQ(CodeOf(server, options), StatusCode::kPermissionDenied);
  const auto by_name = fmt::format("http://localhost:{}/", server.port());
  EXPECT_EQ(Fetch({.url = by_name}, options).status().code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(server.connections(), 0);
}

TEST(HttpClientTest, NameThatPointsInsideIsNotConnectedTo) {
  HostileServer server([](Connection& connection) { connection.Write(kHello); });
  FetchOptions options;
  options.address_rule = AddressRule::kPublicOnly;
  // A name with a good address and one of ours is refused too.
  options.resolver = [](const std::string&) {
    return std::vector<std::string>{"192.88.98.1", "127.0.0.1"};
  };
  const auto url = fmt::format("http://rebinding.example:{}/", server.port());
  EXPECT_EQ(Fetch({.url = url}, options).status().code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(server.connections(), 0);
}

TEST(HttpClientTest, OperatorsAllowedHostIsConnectedTo) {
  HostileServer server([](Connection& connection) {
    connection.ReadRequest();
    connection.Write(kHello);
  });
  FetchOptions options;
  options.address_rule = AddressRule::kPublicOnly;
  options.allowed_hosts = {"127.0.0.1"};
  EXPECT_EQ(CodeOf(server, options), StatusCode::kOk);
}

TEST(HttpClientTest, NameIsResolvedOnceAndThatAddressIsUsed) {
  HostileServer server([](Connection& connection) {
    connection.ReadRequest();
    connection.Write(kHello);
  });
  int asked = 0;
  FetchOptions options;
  options.resolver = [&](const std::string&) {
    ++asked;
    return std::vector<std::string>{"127.0.0.1"};
  };
  const auto url = fmt::format("http://once.example:{}/", server.port());
  EXPECT_TRUE(Fetch({.url = url}, options).ok());
  EXPECT_EQ(asked, 1);
}

TEST(HttpClientTest, HeaderThatWouldSmuggleIsRefused) {
  for (const FetchRequest& request :
       {FetchRequest{.url = "http://h/", .headers = {{"X", "a\r\nHost: b"}}},
        FetchRequest{.url = "http://h/", .headers = {{"X: y\r\nZ", "a"}}},
        FetchRequest{.method = "GET / HTTP/1.1\r\n", .url = "http://h/"},
        FetchRequest{.url = "http://h/\r\n"}})
    EXPECT_EQ(Fetch(request).status().code(), StatusCode::kInvalidArgument);
}

TEST(HttpClientTest, CancelEndsACallUnderWayAndThoseAfter) {
  HostileServer server([](Connection& connection) { connection.Hang(); });
  Client client{FetchOptions()};
  std::thread other([&] {
    while (server.connections() == 0) std::this_thread::yield();
    client.Cancel();
  });
  EXPECT_EQ(client.Fetch({.url = server.Url()}).status().code(), StatusCode::kCancelled);
  other.join();
  EXPECT_EQ(client.Fetch({.url = server.Url()}).status().code(), StatusCode::kCancelled);
}

TEST(HttpClientTest, BodyWithoutEndIsReadAsItComes) {
  std::atomic<int> taken{0};
  HostileServer server([&](Connection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n");
    for (int i = 0; i < 3; ++i) {
      // The next piece is not sent before the one before was read.
      while (taken.load() < i) std::this_thread::yield();
      connection.Write("5\r\nhello\r\n");
    }
    connection.Write("0\r\n\r\n");
  });
  Client client{FetchOptions()};
  const auto head = client.Open({.url = server.Url()});
  ASSERT_TRUE(head.ok()) << head.status();
  EXPECT_EQ(head->status, 200);
  EXPECT_EQ(head->Header("x-a"), "b");
  for (int i = 0; i < 3; ++i) {
    const auto piece = client.ReadPiece(milliseconds(20'000));
    ASSERT_TRUE(piece.ok()) << piece.status();
    EXPECT_EQ(*piece, "hello");
    taken.fetch_add(1);
  }
  const auto end = client.ReadPiece(milliseconds(20'000));
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(*end, "");
  EXPECT_EQ(client.ReadPiece(milliseconds(1)).status().code(), StatusCode::kFailedPrecondition);
}

TEST(HttpClientTest, CutBodyIsNoEnd) {
  HostileServer server([](Connection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
  });
  Client client{FetchOptions()};
  ASSERT_TRUE(client.Open({.url = server.Url()}).ok());
  EXPECT_EQ(*client.ReadPiece(milliseconds(20'000)), "hello");
  EXPECT_EQ(client.ReadPiece(milliseconds(20'000)).status().code(), StatusCode::kUnavailable);
}

TEST(HttpClientTest, SilenceInABodyHasAnEnd) {
  HostileServer server([](Connection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    connection.Hang();
  });
  Client client{FetchOptions()};
  ASSERT_TRUE(client.Open({.url = server.Url()}).ok());
  EXPECT_EQ(client.ReadPiece(milliseconds(50)).status().code(), StatusCode::kDeadlineExceeded);
}

TEST(HttpClientTest, CancelEndsTheReadingOfABody) {
  HostileServer server([](Connection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    connection.Hang();
  });
  Client client{FetchOptions()};
  ASSERT_TRUE(client.Open({.url = server.Url()}).ok());
  std::thread other([&] { client.Cancel(); });
  EXPECT_EQ(client.ReadPiece(milliseconds(20'000)).status().code(), StatusCode::kCancelled);
  other.join();
}

}  // namespace
}  // namespace graven::http
