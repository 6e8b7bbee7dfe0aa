#include "client/appender.h"

#include <atomic>
#include <set>
#include <string>
#include <vector>

#include "client/call_status.h"
#include "client/client.h"
#include "client/fake_server_test.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace graven::client {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(60);

v1::Event MakeEvent(int number, const std::string& action = "test.append") {
  v1::Event event;
  event.set_event_id("event-" + std::to_string(number));
  event.mutable_actor()->set_id("tester");
  event.set_action(action);
  event.mutable_occurred_at()->set_seconds(1'700'000'000 + number);
  return event;
}

// A server, a client and a count of answers.
class AppenderTest : public ::testing::Test {
 protected:
  void Start(Misbehaviour misbehaviour, const AppenderOptions& options = {},
             const RetryPolicy& retry = {}) {
    server_ = std::make_unique<FakeServer>(std::move(misbehaviour));
    Connect(server_->address(), options, retry);
  }

  void Connect(const std::string& address, const AppenderOptions& options, RetryPolicy retry) {
    retry.backoff_first = absl::Milliseconds(5);
    auto client = Client::Connect({.address = address, .retry = retry});
    ASSERT_TRUE(client.ok()) << client.status();
    client_ = *std::move(client);
    auto appender = Appender::Open(*client_, options);
    ASSERT_TRUE(appender.ok()) << appender.status();
    appender_ = *std::move(appender);
  }

  AppendCallback Count() {
    return [this](const absl::StatusOr<Appended>& answer) {
      ++answers_;
      if (answer.ok()) {
        ++accepted_;
        if (answer->duplicate_count > 0) ++duplicates_;
      } else {
        last_error_ = answer.status();
      }
    };
  }

  void AppendMany(int count) {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(appender_->Append(MakeEvent(i), Count()).ok());
  }

  // Each of `count` events once, in the order in which they were appended.
  void ExpectOnceInOrder(int count) {
    const std::vector<std::string> ids = server_->ids();
    ASSERT_EQ(ids.size(), static_cast<size_t>(count));
    for (int i = 0; i < count; ++i) ASSERT_EQ(ids[i], "event-" + std::to_string(i));
  }

  std::unique_ptr<FakeServer> server_;
  std::unique_ptr<Client> client_;
  std::atomic<int> answers_ = 0;
  std::atomic<int> accepted_ = 0;
  std::atomic<int> duplicates_ = 0;
  absl::Status last_error_;
  std::unique_ptr<Appender> appender_;  // goes first: its thread uses the rest
};

TEST_F(AppenderTest, EachEventIsStoredOnceInOrderAndAnswered) {
  Start({});
  AppendMany(5000);
  ASSERT_TRUE(appender_->Drain(kPatience).ok());
  EXPECT_EQ(accepted_, 5000);
  EXPECT_EQ(duplicates_, 0);
  ExpectOnceInOrder(5000);
  EXPECT_EQ(appender_->counts().streams_opened, 1u);
}

TEST_F(AppenderTest, AnswerNamesTheIndexOfItsEvent) {
  Start({}, {.batch_events_max = 10});
  std::vector<uint64_t> indexes(100, ~uint64_t{0});
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(appender_
                    ->Append(MakeEvent(i),
                             [&indexes, i](const absl::StatusOr<Appended>& answer) {
                               if (answer.ok()) indexes[i] = answer->first_index.value;
                             })
                    .ok());
  }
  ASSERT_TRUE(appender_->Close(kPatience).ok());
  for (int i = 0; i < 100; ++i) EXPECT_EQ(indexes[i], static_cast<uint64_t>(i));
}

TEST_F(AppenderTest, StreamDroppedBeforeAnsweringIsResumedWithoutLossOrDouble) {
  Start({.drop_stream_after_requests = 100,
         .drops_max = 7,
         .drop_before_answering = true,
         .answer_every = 1000});
  AppendMany(3000);
  ASSERT_TRUE(appender_->Close(kPatience).ok());
  EXPECT_EQ(server_->seen().drops, 7);
  EXPECT_EQ(accepted_, 3000);
  EXPECT_GT(duplicates_, 0);  // what was stored and not answered was sent again
  EXPECT_GT(appender_->counts().requests_sent_again, 0u);
  EXPECT_EQ(appender_->counts().streams_opened, 8u);
  ExpectOnceInOrder(3000);
}

TEST_F(AppenderTest, StreamDroppedAfterAnsweringGoesOnWhereItWas) {
  Start({.drop_stream_after_requests = 20, .drops_max = 5, .drop_before_answering = false},
        {.batch_events_max = 16});
  AppendMany(3000);
  ASSERT_TRUE(appender_->Close(kPatience).ok());
  EXPECT_EQ(server_->seen().drops, 5);
  EXPECT_EQ(accepted_, 3000);
  ExpectOnceInOrder(3000);
}

TEST_F(AppenderTest, LateAcknowledgementsFillTheWindowAndNothingIsLost) {
  Start({.answer_every = 64}, {.window_requests = 64});
  AppendMany(64 * 20);
  ASSERT_TRUE(appender_->Drain(kPatience).ok());
  EXPECT_EQ(accepted_, 64 * 20);
  ExpectOnceInOrder(64 * 20);
}

TEST_F(AppenderTest, RefusedInTheMiddleIsAnsweredWithItsViolationsAndTheStreamGoesOn) {
  Start({.poison_action = "poison"});
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(appender_->Append(MakeEvent(i, i == 77 ? "poison" : "fine"), Count()).ok());
  }
  ASSERT_TRUE(appender_->Drain(kPatience).ok());
  EXPECT_EQ(server_->seen().poisoned, 1);
  EXPECT_EQ(answers_, 200);
  EXPECT_EQ(accepted_, 199);
  EXPECT_EQ(last_error_.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorReason(last_error_), "INVALID_EVENT");
  ASSERT_EQ(Violations(last_error_).size(), 1u);
  EXPECT_EQ(Violations(last_error_)[0].field, "events[0].action");
  EXPECT_EQ(server_->ids().size(), 199u);
  EXPECT_EQ(appender_->counts().streams_opened, 1u);
}

TEST_F(AppenderTest, InnocentEventsOfARefusedBatchAreStored) {
  Start({.poison_action = "poison"}, {.batch_events_max = 20, .batch_delay_max = absl::Seconds(5)});
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(appender_->Append(MakeEvent(i, i == 42 ? "poison" : "fine"), Count()).ok());
  }
  ASSERT_TRUE(appender_->Drain(kPatience).ok());
  EXPECT_EQ(server_->seen().poisoned, 2);  // in its batch, and then alone
  EXPECT_EQ(answers_, 100);
  EXPECT_EQ(accepted_, 99);
  const std::vector<std::string> ids = server_->ids();
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 99u);
  EXPECT_EQ(ids.size(), 99u);
}

TEST_F(AppenderTest, RefusedGroupIsAllOrNone) {
  Start({.poison_action = "poison"});
  const std::vector<v1::Event> bad = {MakeEvent(0), MakeEvent(1, "poison"), MakeEvent(2)};
  const std::vector<v1::Event> good = {MakeEvent(3), MakeEvent(4)};
  ASSERT_TRUE(appender_->AppendGroup(bad, Count()).ok());
  ASSERT_TRUE(appender_->AppendGroup(good, Count()).ok());
  ASSERT_TRUE(appender_->Drain(kPatience).ok());
  EXPECT_EQ(answers_, 2);
  EXPECT_EQ(accepted_, 1);
  EXPECT_EQ(server_->ids(), (std::vector<std::string>{"event-3", "event-4"}));
}

TEST_F(AppenderTest, OverloadedRequestsAreSentAgainAfterTheNamedTime) {
  Start({.refuse_streamed_times = 30});
  AppendMany(500);
  ASSERT_TRUE(appender_->Drain(kPatience).ok());
  EXPECT_EQ(server_->seen().streamed_refusals, 30);
  EXPECT_EQ(accepted_, 500);
  EXPECT_EQ(server_->ids().size(), 500u);
  EXPECT_EQ(duplicates_, 0);
}

TEST_F(AppenderTest, DuplicatesInsideABatchAreToldApart) {
  Start({}, {.batch_events_max = 4, .batch_delay_max = absl::Seconds(5)});
  ASSERT_TRUE(appender_->Append(MakeEvent(0), Count()).ok());
  ASSERT_TRUE(appender_->Drain(kPatience).ok());
  std::vector<uint64_t> indexes;
  std::vector<uint64_t> duplicates;
  const auto note = [&](const absl::StatusOr<Appended>& answer) {
    ASSERT_TRUE(answer.ok());
    indexes.push_back(answer->first_index.value);
    duplicates.push_back(answer->duplicate_count);
  };
  const std::vector<v1::Event> filler = {MakeEvent(10)};
  ASSERT_TRUE(appender_->AppendGroup(filler, Count()).ok());  // keeps the stream busy
  for (int id : {1, 0, 2, 1}) ASSERT_TRUE(appender_->Append(MakeEvent(id), note).ok());
  ASSERT_TRUE(appender_->Drain(kPatience).ok());
  EXPECT_EQ(indexes, (std::vector<uint64_t>{2, 0, 3, 2}));
  EXPECT_EQ(duplicates, (std::vector<uint64_t>{0, 1, 0, 1}));
}

TEST_F(AppenderTest, FullWindowIsResourceExhaustedForThoseWhoDoNotWait) {
  Start({.never_answer_stream = true},
        {.window_requests = 3, .close_timeout = absl::ZeroDuration()});
  AppendMany(3);
  AppendCallback fourth = Count();
  EXPECT_EQ(appender_->TryAppend(MakeEvent(3), fourth).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(fourth != nullptr);
}

TEST_F(AppenderTest, WindowOfBytesIsKept) {
  Start({.never_answer_stream = true},
        {.window_bytes = 1000, .close_timeout = absl::ZeroDuration()});
  v1::Event large = MakeEvent(0);
  large.set_outcome_reason(std::string(600, 'x'));
  ASSERT_TRUE(appender_->Append(large, Count()).ok());
  AppendCallback second = Count();
  EXPECT_EQ(appender_->TryAppend(large, second).code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(AppenderTest, CloseAnswersEverybodyWhenTheServerIsSilent) {
  Start({.never_answer_stream = true});
  AppendMany(100);
  EXPECT_EQ(appender_->Close(absl::Milliseconds(100)).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(answers_, 100);
  EXPECT_EQ(last_error_.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(appender_->Append(MakeEvent(0), Count()).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(AppenderTest, SilentStreamIsReplaced) {
  Start({.never_answer_stream = true}, {.answer_timeout = absl::Milliseconds(50)},
        {.give_up_after = absl::Milliseconds(400)});
  AppendMany(10);
  ASSERT_TRUE(appender_->Drain(kPatience).ok());
  EXPECT_EQ(answers_, 10);
  EXPECT_EQ(last_error_.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(last_error_.message()), HasSubstr("no answer within"));
  EXPECT_GT(appender_->counts().streams_opened, 2u);
  EXPECT_EQ(server_->ids().size(), 10u);
}

TEST_F(AppenderTest, UnknownLogEndsTheAppenderForGood) {
  Start({.refuse_streams = {grpc::StatusCode::NOT_FOUND, "no such log"}});
  AppendMany(3);
  ASSERT_TRUE(appender_->Drain(kPatience).ok());
  EXPECT_EQ(answers_, 3);
  EXPECT_EQ(last_error_.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(appender_->Append(MakeEvent(9), Count()).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(appender_->counts().streams_opened, 1u);
}

TEST_F(AppenderTest, AcknowledgementOfWhatWasNotSentIsNotBelieved) {
  Start({.acknowledge_too_much = true});
  AppendMany(1);
  ASSERT_TRUE(appender_->Drain(kPatience).ok());
  EXPECT_EQ(appender_->Append(MakeEvent(1), Count()).code(), absl::StatusCode::kInternal);
}

TEST_F(AppenderTest, AbsentServerIsUnavailableAfterGivingUp) {
  Connect("127.0.0.1:1", {}, {.give_up_after = absl::Milliseconds(200)});
  AppendMany(5);
  ASSERT_TRUE(appender_->Drain(kPatience).ok());
  EXPECT_EQ(answers_, 5);
  EXPECT_EQ(last_error_.code(), absl::StatusCode::kUnavailable);
}

TEST_F(AppenderTest, TicketHoldsTheAnswer) {
  Start({});
  auto ticket = appender_->Append(MakeEvent(0));
  ASSERT_TRUE(ticket.ok());
  const absl::StatusOr<Appended> answer = ticket->Wait();
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->first_index, LogIndex(0));
  EXPECT_EQ(answer->count, 1u);
}

TEST_F(AppenderTest, CallbackMayAppend) {
  Start({});
  std::function<void(int)> chain = [&](int number) {
    const absl::Status status =
        appender_->Append(MakeEvent(number), [&, number](const absl::StatusOr<Appended>& answer) {
          if (answer.ok()) ++accepted_;
          if (number < 99) chain(number + 1);
        });
    EXPECT_TRUE(status.ok()) << status;
  };
  chain(0);
  ASSERT_TRUE(appender_->Drain(kPatience).ok());
  EXPECT_EQ(accepted_, 100);
  ExpectOnceInOrder(100);
}

TEST_F(AppenderTest, EventsWithoutIdGetOne) {
  Start({});
  v1::Event event = MakeEvent(0);
  event.clear_event_id();
  ASSERT_TRUE(appender_->Append(event, Count()).ok());
  ASSERT_TRUE(appender_->AppendBytes(event.SerializeAsString(), Count()).ok());
  ASSERT_TRUE(appender_->AppendBytes(MakeEvent(7).SerializeAsString(), Count()).ok());
  ASSERT_TRUE(appender_->Drain(kPatience).ok());
  const std::vector<std::string> ids = server_->ids();
  ASSERT_EQ(ids.size(), 3u);
  EXPECT_EQ(ids[0].size(), 36u);
  EXPECT_EQ(ids[1].size(), 36u);
  EXPECT_NE(ids[0], ids[1]);
  EXPECT_EQ(ids[2], "event-7");
}

TEST_F(AppenderTest, TooLargeARequestIsRefusedBeforeItIsSent) {
  Start({});
  v1::Event event = MakeEvent(0);
  event.set_outcome_reason(std::string(5 << 20, 'x'));
  EXPECT_EQ(appender_->Append(event, Count()).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(answers_, 0);
}

}  // namespace
}  // namespace graven::client
