#include "client/client.h"

#include <atomic>
#include <set>
#include <string>
#include <vector>

#include "client/async_client.h"
#include "client/call_status.h"
#include "client/fake_server_test.h"
#include "client/tail_stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace graven::client {
namespace {

using ::testing::HasSubstr;

v1::Event MakeEvent(const std::string& id, const std::string& action = "test.append") {
  v1::Event event;
  event.set_event_id(id);
  event.mutable_actor()->set_id("tester");
  event.set_action(action);
  event.mutable_occurred_at()->set_seconds(1'700'000'000);
  return event;
}

std::unique_ptr<Client> ConnectTo(const FakeServer& server, ClientOptions options = {}) {
  options.address = server.address();
  options.retry.backoff_first = absl::Milliseconds(5);
  auto client = Client::Connect(options);
  EXPECT_TRUE(client.ok()) << client.status();
  return *std::move(client);
}

TEST(ClientTest, LostAnswerIsRetriedAsADuplicateAndNotACopy) {
  FakeServer server({.lose_unary_answers = 2});
  auto client = ConnectTo(server);
  const auto response = client->Append(MakeEvent(""));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(server.seen().lost_answers, 2);
  EXPECT_TRUE(response->receipts(0).duplicate());
  EXPECT_EQ(server.ids().size(), 1u);
}

TEST(ClientTest, OverloadIsWaitedOutForTheNamedTime) {
  FakeServer server({.refuse_unary_times = 3});
  auto client = ConnectTo(server);
  const auto response = client->Append(MakeEvent("a"));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(server.seen().unary_refusals, 3);
  EXPECT_FALSE(response->receipts(0).duplicate());
}

TEST(ClientTest, OverloadThatLastsIsResourceExhaustedWithItsReason) {
  FakeServer server({.refuse_unary_times = 100});
  ClientOptions options;
  options.retry.attempts_max = 3;
  auto client = ConnectTo(server, options);
  const auto response = client->Append(MakeEvent("a"));
  EXPECT_EQ(response.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(response.status()), "QUEUE_FULL");
  EXPECT_EQ(RetryDelay(response.status()), absl::Milliseconds(20));
  EXPECT_EQ(server.seen().unary_refusals, 3);
}

TEST(ClientTest, BadEventIsInvalidArgumentThatNamesTheField) {
  FakeServer server({.poison_action = "poison"});
  auto client = ConnectTo(server);
  const auto response = client->Append(MakeEvent("a", "poison"));
  EXPECT_EQ(response.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(response.status().message()),
              HasSubstr("events[0].action: is poison [INVALID_EVENT]"));
  EXPECT_EQ(server.seen().poisoned, 1);
}

TEST(ClientTest, TokenIsSentWithEveryCall) {
  FakeServer server;
  ClientOptions options;
  options.token = "s3cret";
  auto client = ConnectTo(server, options);
  ASSERT_TRUE(client->GetStatus().ok());
  EXPECT_EQ(server.last_token(), "Bearer s3cret");
}

TEST(ClientTest, TokenInClearTextToAnotherMachineIsRefused) {
  EXPECT_EQ(Client::Connect({.address = "example.org:7465", .token = "t"}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Client::Connect({.address = "127.0.0.1.example.org:1", .token = "t"}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(Client::Connect({.address = "unix:graven.sock", .token = "t"}).ok());
}

TEST(ClientTest, UnreadableCertificateIsInvalidArgument) {
  ClientOptions options;
  options.tls.enabled = true;
  options.tls.ca_file = "no-such-file.pem";
  EXPECT_EQ(Client::Connect(options).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ClientTest, AbsentServerIsUnavailable) {
  ClientOptions options;
  options.address = "127.0.0.1:1";
  options.retry.attempts_max = 2;
  options.retry.backoff_first = absl::Milliseconds(1);
  auto client = Client::Connect(options);
  ASSERT_TRUE(client.ok());
  EXPECT_EQ((*client)->GetStatus().status().code(), absl::StatusCode::kUnavailable);
}

TEST(ClientTest, MissingRecordIsNotFound) {
  FakeServer server;
  auto client = ConnectTo(server);
  EXPECT_EQ(client->GetRecord(LogIndex(3)).status().code(), absl::StatusCode::kNotFound);
}

TEST(ClientTest, NoEventsIsInvalidArgument) {
  FakeServer server;
  auto client = ConnectTo(server);
  EXPECT_EQ(client->Append(std::span<const v1::Event>()).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(TailStreamTest, BrokenTailGoesOnWhereItWas) {
  FakeServer server({.break_tail_after_batches = 2});
  auto client = ConnectTo(server);
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(client->Append(MakeEvent("e" + std::to_string(i))).ok());
  }
  v1::TailRequest request;
  request.set_from_index(1);
  request.set_limit(17);
  auto tail = client->Tail(request);
  std::vector<std::string> read;
  for (;;) {
    auto batch = tail->Next();
    ASSERT_TRUE(batch.ok()) << batch.status();
    if (!batch->has_value()) break;
    for (const auto& record : (*batch)->records()) read.push_back(record.record());
  }
  EXPECT_EQ(server.seen().tail_breaks, 1);
  ASSERT_EQ(read.size(), 17u);
  for (int i = 0; i < 17; ++i) EXPECT_EQ(read[i], "e" + std::to_string(i + 1));
}

// How a server that stops ends calls that it did not take any more.
TEST(TailStreamTest, FollowingTailThatTheServerCancelsGoesOn) {
  FakeServer server({.break_tail_after_batches = 1,
                     .break_tail_with = grpc::StatusCode::CANCELLED,
                     .refuse_tails = 12});
  ClientOptions options;
  options.retry.backoff_max = absl::Milliseconds(5);
  auto client = ConnectTo(server, options);
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(client->Append(MakeEvent("e" + std::to_string(i))).ok());
  }
  v1::TailRequest request;
  request.set_limit(6);
  auto tail = client->Tail(request);
  int records = 0;
  for (;;) {
    auto batch = tail->Next();
    ASSERT_TRUE(batch.ok()) << batch.status();
    if (!batch->has_value()) break;
    records += (*batch)->records_size();
  }
  EXPECT_EQ(records, 6);
  EXPECT_EQ(server.seen().tail_breaks, 1);
  EXPECT_EQ(server.seen().tail_refusals, 12);  // more than attempts_max
}

TEST(TailStreamTest, ServerThatStaysAwayIsUnavailable) {
  FakeServer server({.break_tail_with = grpc::StatusCode::CANCELLED, .refuse_tails = 1'000'000});
  ClientOptions options;
  options.address = server.address();
  options.retry = {.attempts_max = 3,
                   .backoff_first = absl::Milliseconds(1),
                   .backoff_max = absl::Milliseconds(1),
                   .tail_again_for = absl::ZeroDuration()};
  auto client = Client::Connect(options);
  ASSERT_TRUE(client.ok());
  EXPECT_EQ((*client)->Tail({})->Next().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(server.seen().tail_refusals, 3);
}

TEST(TailStreamTest, CancelledTailIsCancelled) {
  FakeServer server;
  auto client = ConnectTo(server);
  auto tail = client->Tail({});
  tail->Cancel();
  EXPECT_EQ(tail->Next().status().code(), absl::StatusCode::kCancelled);
}

TEST(AsyncClientTest, ManyInFlightAreEachAnsweredOnce) {
  FakeServer server({.refuse_unary_times = 10, .lose_unary_answers = 10});
  auto client = ConnectTo(server);
  auto async = AsyncClient::Open(*client, 32);
  ASSERT_TRUE(async.ok());
  std::atomic<int> accepted = 0;
  for (int i = 0; i < 500; ++i) {
    AppendOptions options;
    options.log = i % 2 == 0 ? "even" : "odd";
    ASSERT_TRUE((*async)
                    ->Append(
                        MakeEvent(std::to_string(i)),
                        [&](const absl::StatusOr<v1::AppendResponse>& answer) {
                          if (answer.ok()) ++accepted;
                        },
                        options)
                    .ok());
  }
  ASSERT_TRUE((*async)->Close(absl::Seconds(60)).ok());
  EXPECT_EQ(server.seen().unary_refusals, 10);
  EXPECT_EQ(server.seen().lost_answers, 10);
  EXPECT_EQ(accepted, 500);
  for (const char* log : {"even", "odd"}) {
    const std::vector<std::string> ids = server.ids(log);
    EXPECT_EQ(ids.size(), 250u);
    EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 250u);
  }
}

TEST(AsyncClientTest, ErrorsReachTheCallback) {
  FakeServer server({.poison_action = "poison"});
  auto client = ConnectTo(server);
  auto async = AsyncClient::Open(*client);
  ASSERT_TRUE(async.ok());
  absl::Status status;
  ASSERT_TRUE((*async)
                  ->Append(MakeEvent("a", "poison"),
                           [&](const absl::StatusOr<v1::AppendResponse>& answer) {
                             status = answer.status();
                           })
                  .ok());
  ASSERT_TRUE((*async)->Drain(absl::Seconds(60)).ok());
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
}

TEST(AsyncClientTest, CloseAnswersWhatTheServerDoesNot) {
  ClientOptions options;
  options.address = "127.0.0.1:1";
  options.retry.attempts_max = 1000;
  options.retry.backoff_first = absl::Seconds(5);
  auto client = Client::Connect(options);
  ASSERT_TRUE(client.ok());
  auto async = AsyncClient::Open(**client);
  ASSERT_TRUE(async.ok());
  std::atomic<int> answers = 0;
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE((*async)
                    ->Append(MakeEvent("a"),
                             [&](const absl::StatusOr<v1::AppendResponse>& answer) {
                               if (absl::IsDeadlineExceeded(answer.status())) ++answers;
                             })
                    .ok());
  }
  EXPECT_EQ((*async)->Close(absl::Milliseconds(50)).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(answers, 10);
}

}  // namespace
}  // namespace graven::client
