// Search and its numbers over gRPC: messages, limits, ends.
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "record/record.h"
#include "service/grpc_server_fixture_test.h"

namespace graven::service {
namespace {

using graven::v1::SearchRequest;
using graven::v1::SearchResponse;

class GrpcSearchTest : public GrpcServerTest {
 protected:
  void AppendEvents(int first, int count) {
    AppendRequest request;
    for (int i = first; i < first + count; ++i) {
      *request.add_events() =
          engine::MakeEvent("e" + std::to_string(i), i % 10 == 0 ? "rare" : "frequent");
    }
    request.mutable_wait()->set_level(graven::v1::RECEIPT_LEVEL_PUBLISHED);
    request.mutable_wait()->mutable_timeout()->set_seconds(30);
    AppendResponse response;
    const grpc::Status status = Append(request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }

  struct Answer {
    grpc::Status status;
    std::vector<SearchResponse> replies;
    std::vector<uint64_t> indexes;
    const SearchResponse& last() const { return replies.back(); }
  };

  Answer Search(const SearchRequest& request) {
    Answer answer;
    grpc::ClientContext context;
    const auto reader = stub_->Search(&context, request);
    SearchResponse reply;
    while (reader->Read(&reply)) {
      for (const auto& view : reply.records()) {
        EXPECT_EQ(view.record_hash(), record::RecordHash(view.record()).view());
        answer.indexes.push_back(record::Decode(view.record())->index.value);
      }
      answer.replies.push_back(reply);
    }
    answer.status = reader->Finish();
    return answer;
  }

  static SearchRequest Ask(const std::string& query) {
    SearchRequest request;
    request.set_query(query);
    return request;
  }
};

TEST_F(GrpcSearchTest, AnswersAreInOrderAndEndWithACursorOrComplete) {
  Serve();
  AppendEvents(0, 200);
  Answer answer = Search(Ask("action:rare"));
  ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_EQ(answer.replies.front().query(), "v1: action:rare");
  EXPECT_EQ(answer.replies.front().tree_size(), 200U);
  ASSERT_EQ(answer.indexes.size(), 20U);
  EXPECT_EQ(answer.indexes.front(), 190U);
  EXPECT_EQ(answer.indexes.back(), 0U);
  EXPECT_TRUE(answer.last().complete());
  EXPECT_TRUE(answer.last().next_cursor().empty());

  SearchRequest request = Ask("action:rare");
  request.set_order(graven::v1::SEARCH_ORDER_OLDEST_FIRST);
  request.set_limit(8);
  std::vector<uint64_t> all;
  for (int pages = 0; pages < 3; ++pages) {
    answer = Search(request);
    ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
    all.insert(all.end(), answer.indexes.begin(), answer.indexes.end());
    request.set_cursor(answer.last().next_cursor());
  }
  ASSERT_EQ(all.size(), 20U);
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
  EXPECT_TRUE(answer.last().complete());
}

TEST_F(GrpcSearchTest, ParsedFormsComeWhenAskedFor) {
  Serve();
  AppendEvents(0, 3);
  SearchRequest request = Ask("event_id:e1");
  request.set_want_parsed(true);
  const Answer answer = Search(request);
  ASSERT_EQ(answer.indexes.size(), 1U);
  for (const SearchResponse& reply : answer.replies) {
    if (reply.records_size() == 0) continue;
    EXPECT_EQ(reply.records(0).event().action(), "frequent");
  }
}

TEST_F(GrpcSearchTest, OneThatFollowsGetsWhatMatchesAsItIsPublished) {
  Serve();
  AppendEvents(0, 20);
  SearchRequest request = Ask("action:rare");
  request.set_follow(true);
  request.set_limit(2);
  grpc::ClientContext context;
  const auto reader = stub_->Search(&context, request);
  SearchResponse reply;
  ASSERT_TRUE(reader->Read(&reply));
  EXPECT_EQ(reply.tree_size(), 20U);
  AppendEvents(20, 5);
  AppendEvents(25, 5);
  AppendEvents(30, 5);
  std::vector<uint64_t> indexes;
  while (reader->Read(&reply)) {
    for (const auto& view : reply.records()) {
      indexes.push_back(record::Decode(view.record())->index.value);
    }
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(indexes, (std::vector<uint64_t>{20, 30}));
}

TEST_F(GrpcSearchTest, OneThatFollowsEndsWhenItsClientLeavesAndWhenTheServerStops) {
  Serve();
  AppendEvents(0, 3);
  SearchRequest request = Ask("");
  request.set_follow(true);
  SearchResponse reply;
  {
    grpc::ClientContext context;
    const auto reader = stub_->Search(&context, request);
    ASSERT_TRUE(reader->Read(&reply));
    context.TryCancel();
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  grpc::ClientContext context;
  const auto reader = stub_->Search(&context, request);
  ASSERT_TRUE(reader->Read(&reply));
  StopServer();
  while (reader->Read(&reply)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(GrpcSearchTest, WhatIsWrongIsRefusedByName) {
  Serve();
  AppendEvents(0, 3);
  const auto refused = [&](SearchRequest request, const std::string& field) {
    const Answer answer = Search(request);
    EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << field;
    EXPECT_EQ(FieldOf(answer.status), field);
  };
  refused(Ask("actr:x"), "query");
  SearchRequest request = Ask("");
  request.set_limit(100'001);
  refused(request, "limit");
  request = Ask("");
  request.set_cursor("AAAA");
  refused(request, "cursor");
  request.set_follow(true);
  refused(request, "follow");
  request = Ask("");
  request.set_tree_size(uint64_t{1} << 63);
  refused(request, "tree_size");
  request.set_tree_size(4);
  EXPECT_EQ(Search(request).status.error_code(), grpc::StatusCode::NOT_FOUND);
  request = Ask("");
  request.set_log("nowhere");
  EXPECT_EQ(ReasonOf(Search(request).status), "LOG_NOT_FOUND");
}

TEST_F(GrpcSearchTest, OnePeerHasNotAllThePlacesOfThoseWhoFollow) {
  Serve();
  AppendEvents(0, 1);
  SearchRequest request = Ask("");
  request.set_follow(true);
  struct Open {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<SearchResponse>> reader;
  };
  std::vector<std::unique_ptr<Open>> open;
  for (size_t i = 0; i < 32; ++i) {
    open.push_back(std::make_unique<Open>());
    open.back()->reader = stub_->Search(&open.back()->context, request);
    SearchResponse reply;
    ASSERT_TRUE(open.back()->reader->Read(&reply));
  }
  const Answer refused = Search(request);
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonOf(refused.status), "TOO_MANY_SEARCHES");
  // Who follows takes no place of who asks and goes.
  EXPECT_TRUE(Search(Ask("")).status.ok());
  for (const auto& one : open) one->context.TryCancel();
}

// Records whose texts resemble the query, so that each costs some ten milliseconds.
class LongNumbersTest : public GrpcSearchTest {
 protected:
  struct Call {
    grpc::ClientContext context;
    graven::v1::GetFacetsResponse response;
    grpc::Status status;
    std::unique_ptr<grpc::ClientAsyncResponseReader<graven::v1::GetFacetsResponse>> reader;
  };

  void AppendLargeRecords() {
    std::string text;
    while (text.size() < 60'000) text += "a b ";
    for (int i = 0; i < 60; ++i) {
      AppendRequest request;
      graven::v1::Event* event = request.add_events();
      *event = engine::MakeEvent("large" + std::to_string(i), "x");
      (*event->mutable_details_struct()->mutable_fields())["k"].set_string_value(text);
      AppendResponse response;
      ASSERT_TRUE(Append(request, &response).ok());
    }
  }
  // Begins some more; each takes far longer than a test has.
  void BeginLong(int count) {
    graven::v1::GetFacetsRequest request;
    request.add_fields("action");
    std::string query = "a.b.a.b.x";
    for (int i = 0; i < 40; ++i) query += " OR a.b.a.b.x" + std::to_string(i);
    request.set_query(query);
    for (int i = 0; i < count; ++i) {
      Call& call = *calls_.emplace_back(std::make_unique<Call>());
      call.reader = stub_->AsyncGetFacets(&call.context, request, &queue_);
      call.reader->Finish(&call.response, &call.status, &call);
    }
  }
  bool AllAreUnderWay() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.AsyncNext(&tag, &ok, std::chrono::system_clock::now()) ==
           grpc::CompletionQueue::TIMEOUT;
  }
  void AwaitAll() {
    void* tag = nullptr;
    bool ok = false;
    for (size_t i = 0; i < calls_.size(); ++i) ASSERT_TRUE(queue_.Next(&tag, &ok));
  }
  // The numbers of one short query, which wait for their turn only.
  void AskForLittle() {
    grpc::ClientContext context;
    graven::v1::GetFacetsRequest few;
    few.set_query("index:0..2");
    few.add_fields("action");
    graven::v1::GetFacetsResponse facets;
    const grpc::Status status = stub_->GetFacets(&context, few, &facets);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(facets.matches(), 2U);
  }

  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<Call>> calls_;
};

TEST_F(LongNumbersTest, HoldNoThreadOfOtherCalls) {
  GrpcServerOptions options;
  options.sync_threads_max = 4;
  Serve(options);
  AppendLargeRecords();
  BeginLong(12);
  // Each of these needs a thread, and the numbers of one short query need a turn.
  for (int i = 0; i < 4; ++i) {
    grpc::ClientContext context;
    graven::v1::GetLogResponse log;
    EXPECT_TRUE(stub_->GetLog(&context, {}, &log).ok());
    AskForLittle();
  }
  EXPECT_TRUE(AllAreUnderWay());
  for (const auto& call : calls_) call->context.TryCancel();
  AwaitAll();
  for (const auto& call : calls_) {
    EXPECT_EQ(call->status.error_code(), grpc::StatusCode::CANCELLED);
  }
}

// Each says so with its next turn; who is cut off when patience ends gets no reason.
TEST_F(LongNumbersTest, EndWhenTheServerStops) {
  Serve();
  AppendLargeRecords();
  BeginLong(6);
  AskForLittle();  // behind them: they have been accepted
  ASSERT_TRUE(AllAreUnderWay());
  StopServer();
  AwaitAll();
  for (const auto& call : calls_) {
    EXPECT_EQ(call->status.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(ReasonOf(call->status), "STOPPING");
  }
}

TEST_F(GrpcSearchTest, FacetsAndHistogramCountTheMatches) {
  Serve();
  AppendEvents(0, 50);
  graven::v1::GetFacetsRequest request;
  request.set_query("action:(rare OR frequent)");
  request.add_fields("action");
  graven::v1::GetFacetsResponse facets;
  grpc::ClientContext context;
  ASSERT_TRUE(stub_->GetFacets(&context, request, &facets).ok());
  EXPECT_TRUE(facets.exact());
  EXPECT_EQ(facets.matches(), 50U);
  ASSERT_EQ(facets.facets_size(), 1);
  EXPECT_EQ(facets.facets(0).values(0).value(), "frequent");
  EXPECT_EQ(facets.facets(0).values(0).count(), 45U);
  EXPECT_EQ(facets.facets(0).values(1).count(), 5U);

  grpc::ClientContext second;
  graven::v1::GetHistogramRequest over_time;
  over_time.set_query("action:rare");
  over_time.set_buckets(7);
  graven::v1::GetHistogramResponse histogram;
  ASSERT_TRUE(stub_->GetHistogram(&second, over_time, &histogram).ok());
  EXPECT_TRUE(histogram.exact());
  ASSERT_EQ(histogram.buckets_size(), 7);
  uint64_t all = 0;
  for (const auto& bucket : histogram.buckets()) all += bucket.unknown();
  EXPECT_EQ(all, 5U);

  grpc::ClientContext third;
  request.clear_fields();
  const grpc::Status status = stub_->GetFacets(&third, request, &facets);
  EXPECT_EQ(FieldOf(status), "field");
}

}  // namespace
}  // namespace graven::service
