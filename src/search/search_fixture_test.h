// A log to search, and what its tests ask it with.
#pragma once

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "graven/v1/event.pb.h"
#include "ledger/ledger_fixture_test.h"
#include "query/parser.h"
#include "search/page.h"
#include "search/searches.h"
#include "search/tally.h"

namespace graven::search {

// Time that stands still, or goes on by `step_ns` each time somebody looks.
class StillClock final : public Clock {
 public:
  int64_t WallNs() override { return 0; }
  int64_t SteadyNs() override { return now_ns += step_ns; }

  int64_t now_ns = 0;
  int64_t step_ns = 0;
};

// Works in turns that are over at once, or in one without end, until it is done.
inline absl::Status Finish(Work& work, const Turn& turn) {
  while (true) {
    ASSIGN_OR_RETURN(const bool done, work.GoOn(turn));
    if (done) return absl::OkStatus();
  }
}

// A log of 3,000 records: actor a<i % 7>, every 5th denied, every 11th with two targets, 1 ms apart
// or more.
class SearchTest : public ledger::LedgerTest {
 protected:
  static constexpr uint64_t kRecords = 3000;

  void SetUp() override {
    options.journal_file_bytes = uint64_t{8} << 20;
    Open();
    for (uint64_t first = 0; first < kRecords; first += 500) {
      std::vector<ledger::TestEvent> events;
      for (uint64_t i = first; i < first + 500; ++i) events.push_back(EventOf(i));
      clock.wall_ns += 1'000'000'000;
      const ledger::Outcome outcome = Append(default_log(), std::move(events));
      ASSERT_TRUE(outcome.status.ok()) << outcome.status;
    }
    ASSERT_TRUE(ledger->MakeDurable().ok());
    ASSERT_TRUE(ledger->Publish().ok());
    hub_ = std::make_unique<engine::PublicationHub>(*ledger, clock);
    searches_ = std::make_unique<Searches>(*ledger, *hub_, *hub_, clock);
  }

  ledger::LogRef default_log() { return ledger->FindLog("default"); }

  static ledger::TestEvent EventOf(uint64_t i) {
    v1::Event event;
    event.set_event_id("e" + std::to_string(i));
    event.mutable_actor()->set_id("a" + std::to_string(i % 7));
    event.set_action(i % 2 == 0 ? "invoice.read" : "invoice.write");
    event.mutable_occurred_at()->set_seconds(static_cast<int64_t>(i) + 1);
    event.set_outcome(i % 5 == 0 ? v1::OUTCOME_DENIED : v1::OUTCOME_SUCCESS);
    if (i % 11 == 0) {
      event.add_targets()->set_id("t1");
      event.add_targets()->set_id(i % 22 == 0 ? "t1" : "t2");
    }
    auto* label = event.add_labels();
    label->set_key("env");
    label->set_value(i % 3 == 0 ? "prod" : "test");
    return {event.event_id(), event.SerializeAsString()};
  }

  absl::StatusOr<Search> Ask(std::string_view query, Order order = Order::kNewestFirst,
                             std::string_view cursor = "", uint64_t from_ordinal = 0,
                             uint64_t tree_size = 0) {
    Question question;
    question.query = query;
    question.order = order;
    question.cursor = cursor;
    question.from_ordinal = from_ordinal;
    question.tree_size = tree_size;
    return ReadQuestion(*searches_, question);
  }

  Page PageOf(const Search& search, PageLimits limits = {}) {
    absl::StatusOr<std::unique_ptr<PageMaker>> maker = PageMaker::Begin(search, limits);
    EXPECT_TRUE(maker.ok()) << maker.status();
    if (!maker.ok()) return Page();
    const absl::Status finished = Finish(**maker, {&clock_, 0});
    EXPECT_TRUE(finished.ok()) << finished;
    return (*maker)->page();
  }

  absl::StatusOr<Facets> CountFacets(ScanSource source, const std::vector<std::string>& fields,
                                     uint64_t top, const TallyLimits& limits,
                                     const index::ValueFilter& values = {}) {
    ASSIGN_OR_RETURN(const auto work,
                     FacetWork::Begin(std::move(source), {fields, top, values}, limits));
    RETURN_IF_ERROR(Finish(*work, {&clock_, 0}));
    return work->facets();
  }

  absl::StatusOr<Histogram> CountHistogram(ScanSource source, const HistogramShape& shape,
                                           const TallyLimits& limits) {
    ASSIGN_OR_RETURN(const auto work, HistogramWork::Begin(std::move(source), shape, limits));
    RETURN_IF_ERROR(Finish(*work, {&clock_, 0}));
    return work->histogram();
  }

  // All matches, page by page.
  std::vector<uint64_t> All(std::string_view query, Order order, uint64_t page_records) {
    std::vector<uint64_t> indexes;
    std::string cursor;
    do {
      const absl::StatusOr<Search> search = Ask(query, order, cursor);
      EXPECT_TRUE(search.ok()) << search.status();
      if (!search.ok()) break;
      PageLimits limits;
      limits.records_max = page_records;
      const Page page = PageOf(*search, limits);
      for (const PageRecord& record : page.records) indexes.push_back(record.index.value);
      cursor = page.next_cursor;
    } while (!cursor.empty());
    return indexes;
  }

  ScanSource SourceOf(std::string_view query) {
    return searches_->SourceOf(default_log(), *query::Parse(query),
                               ledger->GetPublished(default_log())->size);
  }

  StillClock clock_;
  std::unique_ptr<engine::PublicationHub> hub_;
  std::unique_ptr<Searches> searches_;
};

// A log of records that are as large as they can be.
class LargeRecordsTest : public SearchTest {
 protected:
  static constexpr uint64_t kLarge = 64;

  static std::string Field(uint32_t number, std::string_view bytes) {
    std::string field;
    google::protobuf::io::StringOutputStream sink(&field);
    google::protobuf::io::CodedOutputStream out(&sink);
    out.WriteTag(number << 3 | 2);
    out.WriteVarint32(static_cast<uint32_t>(bytes.size()));
    out.WriteRaw(bytes.data(), static_cast<int>(bytes.size()));
    out.Trim();
    return field;
  }

  // details_struct, a google.protobuf.Struct of one string, as bytes: the message itself has one
  // more member under TSan than in the system's library.
  static std::string Details(std::string_view key, std::string_view text) {
    const std::string entry = Field(1, key) + Field(2, Field(3, text));
    return Field(v1::Event::kDetailsStructFieldNumber, Field(1, entry));
  }

  void SetUp() override {
    SearchTest::SetUp();
    for (uint64_t i = 0; i < kLarge; ++i) {
      ledger::TestEvent small = EventOf(kRecords + i);
      std::string text;
      while (text.size() < 60'000) text += "b ";
      small.body += Details("k", text);
      ASSERT_TRUE(Append(default_log(), {small}).status.ok());
      ASSERT_TRUE(ledger->MakeDurable().ok());
    }
    ASSERT_TRUE(ledger->Publish().ok());
  }
};

}  // namespace graven::search
