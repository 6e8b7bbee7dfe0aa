#include "web/live_events.h"
#include "web/kept_answers_test.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "engine/engine_fixture_test.h"
#include "ledger/ledger_fixture_test.h"
#include "web/site.h"

namespace graven::web {
namespace {

using ::testing::HasSubstr;

class LiveEventsTest : public ledger::LedgerTest {
 protected:
  void SetUp() override {
    Open();
    AppendOne("e0");
    view_ = std::make_unique<engine::LedgerWithRoom>(*ledger);
    hub_ = std::make_unique<engine::PublicationHub>(*ledger, clock);
    filters_ = std::make_unique<search::LiveFilters>(*view_);
  }

  void AppendOne(const std::string& id) {
    ASSERT_TRUE(Append(ledger->FindLog("default"), {ledger::Event(id)}).status.ok());
    ASSERT_TRUE(ledger->MakeDurable().ok());
    ASSERT_TRUE(ledger->Publish().ok());
    clock.steady_ns += 1'000'000'000;
  }

  // The body of a stream that begins with the first record.
  std::unique_ptr<http::BodySource> Stream(const std::string& query = "from=0") {
    Routes routes;
    AddLiveRoute({*view_, *hub_, clock, *filters_, "test"}, &routes);
    site_ = std::make_unique<LogSite>(std::move(routes), *engine::Authenticator::Create({}));
    http::Request request;
    request.method = "GET";
    request.path = "/logs/default/live";
    request.query = query;
    const auto sink = std::make_shared<Kept>();
    site_->Handle(request, http::Responder(sink));
    EXPECT_EQ(sink->sent.size(), 1U);
    return sink->sent.empty() ? nullptr : std::move(sink->sent[0].source);
  }

  // What there is to say now; REQUIRES: something.
  static absl::StatusOr<std::string> Next(http::BodySource& source) {
    absl::StatusOr<std::string> given = absl::UnknownError("nothing was given");
    source.Next([&](absl::StatusOr<std::string> piece) { given = std::move(piece); });
    return given;
  }

  std::unique_ptr<engine::LedgerWithRoom> view_;
  std::unique_ptr<engine::PublicationHub> hub_;
  std::unique_ptr<search::LiveFilters> filters_;
  std::unique_ptr<LogSite> site_;
};

TEST_F(LiveEventsTest, APublishedRecordThatCannotBeReadEndsTheStream) {
  const auto source = Stream();
  ASSERT_NE(source, nullptr);
  const absl::StatusOr<std::string> first = Next(*source);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_THAT(*first, HasSubstr("event: rows"));
  view_->reads_nothing = true;
  AppendOne("e1");
  const absl::StatusOr<std::string> second = Next(*source);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("record 1 is published"));
  EXPECT_EQ(view_->empty_reads, 1U);
}

TEST_F(LiveEventsTest, WithAQueryAPublishedRecordThatCannotBeReadEndsTheStream) {
  const auto source = Stream("from=0&q=event_id:e1");
  ASSERT_NE(source, nullptr);
  ASSERT_TRUE(Next(*source).ok());
  view_->reads_nothing = true;
  AppendOne("e1");
  EXPECT_EQ(Next(*source).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(view_->empty_reads, 1U);
}

}  // namespace
}  // namespace graven::web
