#include "client/append_queue.h"

#include <functional>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace graven::client {
namespace {

RequestPtr MakeRequest(uint32_t events) {
  auto request = std::make_unique<PendingRequest>();
  request->open_bytes = std::string(events, 'e');
  request->bytes = events;
  request->events = events;
  request->waiters.push_back({[](const absl::StatusOr<Appended>&) {}, events});
  return request;
}

// Requests of 1, 2 and 3 events are under way, one of 4 waits.
class AppendQueueTest : public ::testing::Test {
 protected:
  AppendQueueTest() : queue_({.requests = 4, .bytes = 100, .batch_events = 1, .batch_bytes = 100}) {
    for (uint32_t events : {1, 2, 3, 4}) queue_.Push(MakeRequest(events));
    for (int i = 0; i < 3; ++i) queue_.MarkSent();
  }

  static void AddRange(v1::AppendStreamResponse* reply, uint64_t first, uint64_t requests,
                       uint64_t first_index, uint64_t records) {
    v1::AppendedRange* range = reply->add_ranges();
    range->set_first_request(first);
    range->set_request_count(requests);
    range->set_first_index(first_index);
    range->set_record_count(records);
  }

  static void AddRefusal(v1::AppendStreamResponse* reply, uint64_t request, int code) {
    v1::RefusedRequest* refused = reply->add_refused();
    refused->set_request(request);
    refused->mutable_status()->set_code(code);
  }

  absl::Status Take(const v1::AppendStreamResponse& reply) { return queue_.Take(reply, &answers_); }

  AppendQueue queue_;
  std::vector<AppendQueue::Answer> answers_;
};

TEST_F(AppendQueueTest, OneRangeAnswersEachRequestAtItsOwnIndex) {
  v1::AppendStreamResponse reply;
  reply.set_requests_done(3);
  AddRange(&reply, 0, 3, 100, 6);
  ASSERT_TRUE(Take(reply).ok());
  ASSERT_EQ(answers_.size(), 3u);
  EXPECT_EQ(answers_[0].result->first_index, LogIndex(100));
  EXPECT_EQ(answers_[1].result->first_index, LogIndex(101));
  EXPECT_EQ(answers_[2].result->first_index, LogIndex(103));
  EXPECT_EQ(answers_[2].result->count, 3u);
  EXPECT_EQ(queue_.in_flight(), 0u);
}

TEST_F(AppendQueueTest, RangesAndRefusalsInterleave) {
  v1::AppendStreamResponse reply;
  reply.set_requests_done(3);
  AddRange(&reply, 0, 1, 7, 1);
  AddRefusal(&reply, 1, 3);
  AddRange(&reply, 2, 1, 8, 3);
  ASSERT_TRUE(Take(reply).ok());
  ASSERT_EQ(answers_.size(), 3u);
  EXPECT_EQ(answers_[1].result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(answers_[2].result->first_index, LogIndex(8));
}

TEST_F(AppendQueueTest, ContradictionsAreInternal) {
  const std::vector<std::pair<const char*, std::function<void(v1::AppendStreamResponse*)>>> table =
      {
          {"more requests than were sent",
           [](auto* reply) {
             reply->set_requests_done(4);
             AddRange(reply, 0, 4, 0, 10);
           }},
          {"a range out of order",
           [](auto* reply) {
             reply->set_requests_done(2);
             AddRange(reply, 1, 1, 0, 2);
           }},
          {"done without an answer", [](auto* reply) { reply->set_requests_done(1); }},
          {"answered and not done", [](auto* reply) { AddRange(reply, 0, 1, 0, 1); }},
          {"too few records",
           [](auto* reply) {
             reply->set_requests_done(2);
             AddRange(reply, 0, 2, 0, 2);
           }},
          {"too many records",
           [](auto* reply) {
             reply->set_requests_done(2);
             AddRange(reply, 0, 2, 0, 4);
           }},
          {"a refusal without a reason",
           [](auto* reply) {
             reply->set_requests_done(1);
             AddRefusal(reply, 0, 0);
           }},
          {"hashes of fewer records",
           [](auto* reply) {
             reply->set_requests_done(2);
             AddRange(reply, 0, 2, 0, 3);
             reply->mutable_ranges(0)->set_record_hashes(std::string(64, 'h'));
           }},
          {"indexes of two requests",
           [](auto* reply) {
             reply->set_requests_done(2);
             AddRange(reply, 0, 2, 0, 3);
             for (uint64_t i : {0, 1, 2}) reply->mutable_ranges(0)->add_indexes(i);
           }},
      };
  for (const auto& [name, make] : table) {
    AppendQueue queue({.requests = 4, .bytes = 100, .batch_events = 1, .batch_bytes = 100});
    for (uint32_t events : {1, 2, 3}) queue.Push(MakeRequest(events));
    for (int i = 0; i < 3; ++i) queue.MarkSent();
    v1::AppendStreamResponse reply;
    make(&reply);
    std::vector<AppendQueue::Answer> answers;
    EXPECT_EQ(queue.Take(reply, &answers).code(), absl::StatusCode::kInternal) << name;
  }
}

TEST_F(AppendQueueTest, BrokenStreamSendsEverythingAgainInOrder) {
  v1::AppendStreamResponse reply;
  reply.set_requests_done(1);
  AddRange(&reply, 0, 1, 0, 1);
  ASSERT_TRUE(Take(reply).ok());
  queue_.Rewind();
  for (uint32_t events : {2, 3, 4}) {
    ASSERT_NE(queue_.NextToSend(), nullptr);
    EXPECT_EQ(queue_.NextToSend()->events, events);
    EXPECT_EQ(queue_.NextToSend()->sent_before, events != 4);
    queue_.MarkSent();
  }
  EXPECT_EQ(queue_.NextToSend(), nullptr);
}

TEST_F(AppendQueueTest, RefusedRequestsKeepTheirOrderAndGoBeforeTheUnsent) {
  v1::AppendStreamResponse reply;
  reply.set_requests_done(2);
  AddRefusal(&reply, 0, 8);
  AddRefusal(&reply, 1, 8);
  ASSERT_TRUE(Take(reply).ok());
  for (auto& answer : answers_) queue_.SendAgain(std::move(answer.request));
  for (uint32_t events : {1, 2, 4}) {
    EXPECT_EQ(queue_.NextToSend()->events, events);
    queue_.MarkSent();
  }
}

TEST_F(AppendQueueTest, RoomIsByRequestsAndByBytes) {
  EXPECT_FALSE(queue_.HasRoom(1));  // four requests
  v1::AppendStreamResponse reply;
  reply.set_requests_done(1);
  AddRange(&reply, 0, 1, 0, 1);
  ASSERT_TRUE(Take(reply).ok());
  EXPECT_TRUE(queue_.HasRoom(91));  // 9 bytes are held
  EXPECT_FALSE(queue_.HasRoom(92));
}

}  // namespace
}  // namespace graven::client
