#include "search/alert.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "query/parser.h"

namespace graven::search {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

class AlertTest : public ::testing::Test {
 protected:
  AlertTest() {
    rule_.query = *query::Parse("outcome:denied");
    rule_.by = *Column::Find("actor");
    rule_.threshold = 3;
    rule_.window_ns = 60 * kSecondNs;
  }

  // A record `second` seconds after the start.
  query::RecordView Record(int64_t second, std::string_view actor, int32_t outcome = 3) {
    query::RecordView view;
    view.index = LogIndex(next_++);
    view.received_at_ns = kSecondNs * (1000 + second);
    view.actor_id = actor;
    view.outcome = outcome;
    return view;
  }

  AlertRule rule_;
  AlertWindow window_{rule_, LogIndex(0)};
  std::vector<Alert> raised_;
  uint64_t next_ = 0;
};

TEST_F(AlertTest, SoManyWithinTheWindowRaise) {
  window_.Add(Record(0, "ann"), &raised_);
  window_.Add(Record(1, "bob"), &raised_);
  window_.Add(Record(2, "ann", 1), &raised_);
  window_.Add(Record(30, "ann"), &raised_);
  EXPECT_TRUE(raised_.empty());
  window_.Add(Record(59, "ann"), &raised_);
  ASSERT_EQ(raised_.size(), 1U);
  EXPECT_EQ(raised_[0].value, "ann");
  EXPECT_EQ(raised_[0].count, 3U);
  EXPECT_EQ(raised_[0].first, LogIndex(0));
  EXPECT_EQ(raised_[0].last, LogIndex(4));
  // They are spent: it takes three more.
  window_.Add(Record(60, "ann"), &raised_);
  EXPECT_EQ(raised_.size(), 1U);
}

TEST_F(AlertTest, TooSlowIsNoAlert) {
  for (int64_t second = 0; second < 600; second += 30) window_.Add(Record(second, "ann"), &raised_);
  EXPECT_TRUE(raised_.empty());
  window_.Add(Record(571, "ann"), &raised_);
  EXPECT_EQ(raised_.size(), 1U);
}

TEST_F(AlertTest, WithoutAFieldAllCountTogether) {
  rule_.by.reset();
  window_.Add(Record(0, "ann"), &raised_);
  window_.Add(Record(1, "bob"), &raised_);
  window_.Add(Record(2, "eve"), &raised_);
  ASSERT_EQ(raised_.size(), 1U);
  EXPECT_EQ(raised_[0].value, "");
}

TEST_F(AlertTest, WhoBeginsAgainComesToTheSameAlert) {
  window_.Add(Record(0, "old"), &raised_);
  window_.Add(Record(100, "ann"), &raised_);
  window_.Add(Record(101, "ann"), &raised_);
  window_.Add(Record(102, "x", 1), &raised_);
  EXPECT_EQ(window_.Place(), "1\n");
  absl::StatusOr<AlertWindow> again = AlertWindow::BeginAgain(rule_, window_.Place());
  ASSERT_TRUE(again.ok());
  next_ = 1;
  again->Add(Record(100, "ann"), &raised_);
  again->Add(Record(101, "ann"), &raised_);
  again->Add(Record(102, "x", 1), &raised_);
  again->Add(Record(103, "ann"), &raised_);
  ASSERT_EQ(raised_.size(), 1U);
  EXPECT_EQ(raised_[0].first, LogIndex(1));
}

// What is spent stays so: ann's alert lies behind the place, which bob holds back, and neither
// comes again nor takes a match from the next one.
TEST_F(AlertTest, WhatIsSpentBehindThePlaceIsNotCountedAgain) {
  const auto add = [&](AlertWindow& window, std::string_view actor) {
    window.Add(Record(static_cast<int64_t>(next_), actor), &raised_);
  };
  add(window_, "ann");
  add(window_, "bob");  // 1: the place
  add(window_, "ann");
  add(window_, "ann");  // 3: raised
  add(window_, "ann");
  add(window_, "ann");  // 5
  ASSERT_EQ(raised_.size(), 1U);
  absl::StatusOr<AlertWindow> again = AlertWindow::BeginAgain(rule_, window_.Place());
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->next(), LogIndex(1));
  raised_.clear();
  next_ = 1;
  for (const std::string_view actor : {"bob", "ann", "ann", "ann", "ann"}) add(*again, actor);
  EXPECT_TRUE(raised_.empty());
  add(*again, "ann");
  ASSERT_EQ(raised_.size(), 1U);
  EXPECT_EQ(raised_[0].first, LogIndex(4));
  EXPECT_EQ(raised_[0].last, LogIndex(6));
}

// A window that is thrown away at any record and begun again says what one says that lives on.
TEST_F(AlertTest, AlertsDoNotDependOnWhereOneBeginsAgain) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    std::mt19937_64 random(seed);
    std::vector<std::pair<int64_t, std::string>> records;
    int64_t second = 0;
    for (int i = 0; i < 120; ++i) {
      second += static_cast<int64_t>(random() % 12);
      records.emplace_back(second, std::string(1, static_cast<char>('a' + random() % 5)));
    }
    const auto run = [&](uint64_t period) {
      std::set<std::string> ids;
      std::optional<AlertWindow> window;
      window.emplace(rule_, LogIndex(0));
      std::string place = window->Place();
      for (uint64_t at = 0; at < records.size(); ++at) {
        if (period != 0 && at % period == period - 1) {
          window.emplace(*AlertWindow::BeginAgain(rule_, place));
        }
        while (window->next().value <= at) {
          next_ = window->next().value;
          const auto& [when, actor] = records[next_];
          std::vector<Alert> raised;
          window->Add(Record(when, actor), &raised);
          for (const Alert& alert : raised) {
            EXPECT_TRUE(ids.insert(alert.id).second) << "seed " << seed << ": said twice";
          }
        }
        place = window->Place();
      }
      return ids;
    };
    const std::set<std::string> whole = run(0);
    ASSERT_FALSE(whole.empty()) << "seed " << seed;
    EXPECT_EQ(run(7), whole) << "seed " << seed;
    EXPECT_EQ(run(31), whole) << "seed " << seed;
  }
}

// Records 2 to 4 cannot be read. Whoever begins again before them is not asked to.
TEST_F(AlertTest, WhatWasSkippedStaysSkippedForWhoBeginsAgain) {
  window_.Add(Record(0, "ann"), &raised_);
  window_.Add(Record(1, "ann"), &raised_);
  window_.Skip(LogIndex(4));
  window_.Skip(LogIndex(5));
  EXPECT_EQ(window_.next(), LogIndex(5));
  EXPECT_EQ(window_.Place(), "0\n- 2 5\n");
  absl::StatusOr<AlertWindow> again = AlertWindow::BeginAgain(rule_, window_.Place());
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->UpTo(LogIndex(100)), LogIndex(2));
  EXPECT_EQ(again->UpTo(LogIndex(1)), LogIndex(1));
  next_ = 0;
  again->Add(Record(0, "ann"), &raised_);
  again->Add(Record(1, "ann"), &raised_);
  EXPECT_EQ(again->next(), LogIndex(5));
  EXPECT_EQ(again->UpTo(LogIndex(100)), LogIndex(100));
  next_ = 5;
  again->Add(Record(5, "ann"), &raised_);
  ASSERT_EQ(raised_.size(), 1U);
  EXPECT_EQ(raised_[0].first, LogIndex(0));
  EXPECT_EQ(raised_[0].last, LogIndex(5));
  // Nothing before it counts any more: it need not be known.
  EXPECT_EQ(again->Place(), "6\n");
}

TEST_F(AlertTest, RangesThatMeetBecomeOne) {
  absl::StatusOr<AlertWindow> window = AlertWindow::BeginAgain(rule_, "3\n- 5 7\n- 9 10\n");
  ASSERT_TRUE(window.ok());
  window->Skip(LogIndex(6));
  EXPECT_EQ(window->next(), LogIndex(7));
  window->Skip(LogIndex(9));
  EXPECT_EQ(window->next(), LogIndex(10));
  const absl::StatusOr<AlertWindow> inside = AlertWindow::BeginAgain(rule_, "3\n- 1 5\n");
  ASSERT_TRUE(inside.ok());
  EXPECT_EQ(inside->next(), LogIndex(5));
}

TEST_F(AlertTest, ManyRangesThatWereSkippedForgetTheOldest) {
  rule_.threshold = 2;
  window_.Add(Record(0, "ann"), &raised_);  // holds the place back
  while (next_ < 2 * AlertWindow::kSkippedMax + 10) {
    window_.Skip(LogIndex(++next_));
    window_.Add(Record(0, "bob", 1), &raised_);
  }
  const std::string place = window_.Place();
  EXPECT_EQ(static_cast<size_t>(std::count(place.begin(), place.end(), '-')),
            AlertWindow::kSkippedMax);
  EXPECT_TRUE(AlertWindow::BeginAgain(rule_, place).ok());
}

TEST_F(AlertTest, ManyValuesAreForgottenSilentestFirst) {
  for (size_t i = 0; i < AlertWindow::kValuesMax + 10; ++i) {
    const std::string actor = "a" + std::to_string(i);
    window_.Add(Record(0, actor), &raised_);
  }
  for (int i = 0; i < 2; ++i) window_.Add(Record(1, "a20000"), &raised_);
  EXPECT_EQ(raised_.size(), 1U);
  for (int i = 0; i < 2; ++i) window_.Add(Record(1, "a0"), &raised_);
  EXPECT_EQ(raised_.size(), 1U);  // its first one is forgotten
}

TEST_F(AlertTest, ManyMatchesAreForgottenSilentestFirst) {
  rule_.threshold = kAlertThresholdMax;
  window_.Add(Record(0, "silent"), &raised_);
  const uint64_t others = AlertWindow::kMatchesMax / (kAlertThresholdMax - 1) + 1;
  for (uint64_t i = 0; i < others; ++i) {
    const std::string actor = "a" + std::to_string(i);
    for (uint64_t j = 1; j < kAlertThresholdMax; ++j) window_.Add(Record(1, actor), &raised_);
  }
  EXPECT_NE(window_.Place(), "0\n");
  EXPECT_TRUE(raised_.empty());
}

TEST_F(AlertTest, ALongValueIsCutBetweenCharactersAndTwoOfThemAreNotOne) {
  rule_.threshold = 1;
  const std::string stem = "x" + std::string(2 * kAlertValueBytesMax, '\xC3');
  std::string euros = "x";
  while (euros.size() < 2 * kAlertValueBytesMax) euros += "\xE2\x82\xAC";
  window_.Add(Record(0, euros + "1"), &raised_);
  window_.Add(Record(0, euros + "2"), &raised_);
  window_.Add(Record(0, stem), &raised_);
  ASSERT_EQ(raised_.size(), 3U);
  EXPECT_EQ(raised_[0].value.size(), 511U);  // 1 + 170 * 3
  EXPECT_EQ(raised_[0].value, raised_[1].value);
  EXPECT_EQ(raised_[2].value.size(), kAlertValueBytesMax);
  EXPECT_NE(raised_[0].id.substr(2), raised_[1].id.substr(2));
}

TEST_F(AlertTest, TwoValuesOfOneRecordAreTwoAlerts) {
  rule_.threshold = 1;
  rule_.by = *Column::Find("target.id");
  query::RecordView view = Record(0, "ann");
  view.targets = {{"invoice", "1", ""}, {"invoice", "2", ""}};
  window_.Add(view, &raised_);
  ASSERT_EQ(raised_.size(), 2U);
  EXPECT_NE(raised_[0].id, raised_[1].id);
}

TEST_F(AlertTest, APlaceThatIsNoneIsRefused) {
  const std::string hash(32, 'a');
  EXPECT_TRUE(AlertWindow::BeginAgain(rule_, "17\n" + hash + " 18\n").ok());
  EXPECT_TRUE(AlertWindow::BeginAgain(rule_, "17\n- 18 19\n- 20 21\n" + hash + " 18\n").ok());
  for (const std::string& wrong :
       {std::string(), std::string("17"), std::string("x\n"), std::string("9223372036854775808\n"),
        "17\n" + hash + "\n", "17\n" + hash + " \n", "17\n" + hash + " 18",
        "17\n" + hash + "a 18\n", std::string("17\nzz 18\n"), std::string("17\n\n"),
        std::string("17\n- 18\n"), std::string("17\n- 18 18\n"), std::string("17\n- 18 \n"),
        std::string("17\n- 18 x\n"), std::string("17\n- 18 20\n- 19 21\n"),
        std::string(AlertWindow::kPlaceBytesMax + 1, '1')}) {
    EXPECT_EQ(AlertWindow::BeginAgain(rule_, wrong).status().code(),
              absl::StatusCode::kInvalidArgument)
        << wrong.substr(0, 80);
  }
}

TEST(Column, NamesAndValues) {
  EXPECT_EQ(Column::Find("actor")->name(), "actor.id");
  EXPECT_EQ(Column::Find("label.env")->name(), "label.env");
  EXPECT_EQ(Column::Find("time").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Column::Find("nonsense").status().code(), absl::StatusCode::kInvalidArgument);
  query::RecordView view;
  view.targets = {{"invoice", "1", ""}, {"user", "1", ""}};
  view.outcome = 17;
  std::string number;
  std::vector<std::string_view> values;
  Column::Find("target")->Collect(view, &number, &values);
  EXPECT_EQ(values, std::vector<std::string_view>{"1"});
  Column::Find("outcome")->Collect(view, &number, &values);
  EXPECT_EQ(values, std::vector<std::string_view>{"17"});
}

}  // namespace
}  // namespace graven::search
