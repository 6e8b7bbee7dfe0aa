#include "web/live_events.h"
#include "web/kept_answers_test.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine_fixture_test.h"
#include "ledger/ledger_fixture_test.h"
#include "search/turn.h"
#include "web/site.h"

namespace graven::web {
namespace {

using ::testing::HasSubstr;

class LiveEventsTest : public ledger::LedgerTest {
 protected:
  void SetUp() override {
    options.journal_file_bytes = uint64_t{8} << 20;
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
    AddLiveRoute({*view_, *hub_, clock, *filters_, "test", followers_}, &routes);
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
  search::Admission* followers_ = nullptr;
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

// A clock by which each look takes so long that a turn is over after ten of them.
TEST_F(LiveEventsTest, AQueryThatTakesLongLooksAtALittleInEachTurnAndMissesNothing) {
  constexpr uint64_t kRecords = 200;
  std::vector<ledger::TestEvent> events;
  for (uint64_t i = 1; i < kRecords; ++i) events.push_back(ledger::Event("e" + std::to_string(i)));
  ASSERT_TRUE(Append(ledger->FindLog("default"), std::move(events)).status.ok());
  ASSERT_TRUE(ledger->Publish().ok());
  uint64_t judged_most = 0;
  filters_->CountJudged([&](uint64_t records) { judged_most = std::max(judged_most, records); });
  clock.step_ns = search::kTurnNs / 10;
  // The first record and the last one of all match.
  const auto source = Stream("from=0&q=event_id:(e0%20OR%20e199)");
  ASSERT_NE(source, nullptr);
  std::vector<std::string> found;
  std::string next;
  int pieces = 0;
  for (; next != "200" && pieces < 10'000; ++pieces) {
    clock.steady_ns += 1'000'000'000;
    const absl::StatusOr<std::string> piece = Next(*source);
    ASSERT_TRUE(piece.ok()) << piece.status();
    for (size_t at = 0; (at = piece->find("\"index\":\"", at)) != piece->npos;) {
      at += 9;
      found.push_back(piece->substr(at, piece->find('"', at) - at));
    }
    const size_t said = piece->rfind("\"next\":\"");
    if (said != piece->npos) next = piece->substr(said + 8, piece->find('"', said + 8) - said - 8);
  }
  EXPECT_EQ(next, "200");
  EXPECT_EQ(found, (std::vector<std::string>{"0", "199"}));
  EXPECT_GT(pieces, 10);
  EXPECT_GT(judged_most, 0U);
  EXPECT_LE(judged_most, 11U) << "of one turn";
}

TEST_F(LiveEventsTest, WhoHasNothingToHearHearsASignOfLifeAfterFifteenSeconds) {
  const auto source = Stream();
  ASSERT_NE(source, nullptr);
  const absl::StatusOr<std::string> first = Next(*source);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_THAT(*first, ::testing::ContainsRegex("retry: [12][0-9][0-9][0-9]\n"));
  EXPECT_THAT(*first, HasSubstr("id: 1\nevent: rows"));
  std::vector<std::string> given;
  source->Next([&](absl::StatusOr<std::string> piece) { given.push_back(*piece); });
  for (int second = 0; second < 14; ++second) {
    clock.steady_ns += 1'000'000'000;
    hub_->Expire();
    EXPECT_TRUE(given.empty()) << second;
  }
  clock.steady_ns += 1'000'000'000;
  hub_->Expire();
  EXPECT_THAT(given, ::testing::ElementsAre(":\n\n"));
}

TEST_F(LiveEventsTest, OneThatIsFilteredTakesAPlaceForAsLongAsItLasts) {
  search::Admission followers({.places_max = 2, .places_per_peer_max = 1});
  followers_ = &followers;
  auto source = Stream("from=0&q=event_id:e0");
  ASSERT_NE(source, nullptr);
  EXPECT_EQ(followers.running(), 1U);
  // All records cost no judgement.
  EXPECT_NE(Stream("from=0"), nullptr);
  EXPECT_EQ(Stream("from=0&q=event_id:e1"), nullptr);
  EXPECT_EQ(followers.running(), 1U);
  source->Cancel();
  source.reset();
  EXPECT_EQ(followers.running(), 0U);
  EXPECT_NE(Stream("from=0&q=event_id:e1"), nullptr);
}

}  // namespace
}  // namespace graven::web
