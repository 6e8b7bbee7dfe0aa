#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/encoding.h"
#include "graven/v1/event.pb.h"
#include "graven/v1/record.pb.h"
#include "query/matcher.h"
#include "query/parser.h"
#include "query/record_view.h"
#include "record/encoded_test.h"
#include "record/record.h"

namespace graven::query {
namespace {

std::string RecordOf(const std::string& body, record::BodyKind kind) {
  record::RecordHeader header;
  header.index = LogIndex(7);
  header.received_at_ns = 1'772'323'200'000'000'000;  // 2026-03-01T00:00:00Z
  header.written_by = "spiffe://example/billing";
  header.kind = kind;
  header.body = body;
  return record::Encoded(header);
}

v1::Event SomeEvent() {
  v1::Event event;
  event.set_event_id("e-1");
  event.mutable_actor()->set_id("ann");
  event.mutable_actor()->set_type("user");
  event.mutable_actor()->set_name("Ann M\xC3\xBCller");
  event.set_action("invoice.approve");
  auto* target = event.add_targets();
  target->set_type("invoice");
  target->set_id("42");
  target = event.add_targets();
  target->set_type("customer");
  target->set_id("7");
  target->set_name("Acme & Sons");
  event.mutable_occurred_at()->set_seconds(1'772'236'800);  // 2026-02-28T00:00:00Z
  event.set_outcome(v1::OUTCOME_DENIED);
  event.set_outcome_reason("Time-out while asking Bob");
  event.mutable_source()->set_service("billing");
  event.mutable_source()->set_ip("10.1.2.3");
  event.set_trace_id("t1");
  event.set_span_id("s1");
  event.set_request_id("r1");
  event.set_session_id("x1");
  event.set_correlation_id("c1");
  auto* label = event.add_labels();
  label->set_key("env");
  label->set_value("prod");
  label = event.add_labels();
  label->set_key("tier");
  auto& fields = *event.mutable_details_struct()->mutable_fields();
  fields["note"].set_string_value("deep Thought");
  auto* list = fields["list"].mutable_list_value();
  list->add_values()->set_string_value("needle");
  (*list->add_values()->mutable_struct_value()->mutable_fields())["k"].set_string_value("hay");
  return event;
}

class Matching : public ::testing::Test {
 protected:
  Matching() : record_(RecordOf(SomeEvent().SerializeAsString(), record::BodyKind::kEvent)) {}

  bool Holds(std::string_view text) const {
    const absl::StatusOr<Query> query = Parse(text);
    EXPECT_TRUE(query.ok()) << text << ": " << query.status();
    RecordView view;
    EXPECT_TRUE(view.Read(record_).ok());
    return query.ok() && Matches(*query, view);
  }

  std::string record_;
};

TEST_F(Matching, EachFieldFindsItsValueAndNoOther) {
  for (const char* yes : {"",
                          "actor:ann",
                          "actor.id:(bob OR ann)",
                          "actor.type:user",
                          "actor.name:Ann*",
                          "action:invoice.approve",
                          "action:invoice.*",
                          "outcome:denied",
                          "reason:asking",
                          "service:billing",
                          "ip:10.1.2.3",
                          "ip:10.0.0.0/8",
                          "ip:\"10.1.2.3\"",
                          "ip:10.1*",
                          "trace:t1",
                          "span:s1",
                          "request:r1",
                          "session:x1",
                          "correlation:c1",
                          "event_id:e-1",
                          "label.env:prod",
                          "label.tier:\"\"",
                          "written_by:spiffe*",
                          "time:2026-03",
                          "time<=2026-03",
                          "occurred:2026-02-28",
                          "index:7",
                          "index>=7",
                          "index:0..8"}) {
    EXPECT_TRUE(Holds(yes)) << yes;
    if (*yes == '\0') continue;
    EXPECT_FALSE(Holds("NOT (" + std::string(yes) + ")")) << yes;
  }
  for (const char* no : {"actor:Ann",        "actor:an",         "actor.type:service",
                         "action:invoice",   "action:approve",   "outcome:success",
                         "reason:ask",       "service:billings", "ip:10.1.2.4",
                         "ip:11.0.0.0/8",    "trace:t",          "span:t1",
                         "label.env:dev",    "label.tier:*",     "label.env2:prod",
                         "written_by:ann",   "time:2026-02",     "time>=2026-03-02",
                         "occurred:2026-03", "index:8",          "index:0..7",
                         "service:\"\""}) {
    EXPECT_FALSE(Holds(no)) << no;
  }
}

TEST_F(Matching, OperatorsBindNotThenAndThenOr) {
  EXPECT_TRUE(Holds("actor:bob action:x OR actor:ann"));
  EXPECT_FALSE(Holds("actor:bob (action:x OR actor:ann)"));
  EXPECT_TRUE(Holds("NOT actor:bob actor:ann"));
  EXPECT_FALSE(Holds("NOT (actor:bob OR actor:ann)"));
}

TEST_F(Matching, TermsOfTargetsAreAboutTheSameTarget) {
  EXPECT_TRUE(Holds("target.type:invoice target.id:42"));
  EXPECT_FALSE(Holds("target.type:invoice target.id:7"));
  EXPECT_TRUE(Holds("target.type:invoice (target.id:7)"));
  EXPECT_TRUE(Holds("target.type:customer action:invoice.* target.id:(1 OR 7)"));
  EXPECT_FALSE(Holds("target.type:invoice target.id:(1 OR 7)"));
  // NOT: there is no such target at all.
  EXPECT_FALSE(Holds("target.type:invoice NOT target.id:7"));
  EXPECT_TRUE(Holds("NOT (target.type:invoice target.id:7)"));
}

TEST_F(Matching, WordsAreFoundInEveryTextAndPhrasesOnTheirBytes) {
  for (const char* yes : {"approve",
                          "INVOICE",
                          "m\xC3\xBCller",
                          "MU\xCC\x88LLER",
                          "sons",
                          "acme",
                          "env",
                          "prod",
                          "asking",
                          "needle",
                          "thought",
                          "hay",
                          "need*",
                          "time-out",
                          "invoice.approve",
                          "\"time-out while\"",
                          "\"Acme & Sons\"",
                          "\"asking bob\"",
                          "deep thought",
                          "text:hay"}) {
    EXPECT_TRUE(Holds(yes)) << yes;
  }
  for (const char* no : {"approv", "need", "ann.approve", "out-time", "\"time out\"", "\"me & So\"",
                         "\"asking  bob\"", "note", "\"bob deep\"", "billing", "ski*"}) {
    EXPECT_FALSE(Holds(no)) << no;
  }
}

// Words and phrases that resemble themselves, held against a search that only knows substrings.
TEST_F(Matching, RunsOfTheSameWordsAreFoundWhereverTheyBegin) {
  std::mt19937_64 random(20261126);
  // Words of a, b and ab, the same in the text and in the query.
  const auto words = [&](size_t count, const char* between) {
    std::string text;
    for (size_t i = 0; i < count; ++i) {
      if (i > 0) text += between;
      text += std::vector<const char*>{"a", "b", "ab"}[random() % 3];
    }
    return text;
  };
  int found = 0;
  for (int round = 0; round < 5000; ++round) {
    v1::Event event;
    event.mutable_actor()->set_id("x");
    const std::string text = words(1 + random() % 12, " ");
    event.set_outcome_reason(text);
    record_ = RecordOf(event.SerializeAsString(), record::BodyKind::kEvent);
    const std::string padded = " " + text + " ";
    const std::string sought = words(1 + random() % 4, ".");
    std::string spaced = sought;
    std::replace(spaced.begin(), spaced.end(), '.', ' ');
    const bool whole = padded.find(" " + spaced + " ") != std::string::npos;
    const bool beginning = padded.find(" " + spaced) != std::string::npos;
    ASSERT_EQ(Holds("reason:" + sought), whole) << sought << " in " << text;
    ASSERT_EQ(Holds("reason:\"" + spaced + "\""), whole) << sought << " in " << text;
    ASSERT_EQ(Holds("reason:" + sought + "*"), beginning) << sought << " in " << text;
    ASSERT_EQ(Holds(sought), whole) << sought << " in " << text;
    found += whole ? 1 : 0;
  }
  EXPECT_GT(found, 500);
}

// As many words as a query can have, in as long a text as a record can hold, all alike but the
// last.
TEST_F(Matching, ATextMadeToResembleTheQueryIsWalkedThroughOnce) {
  std::string text;
  while (text.size() < 60'000) text += "a ";
  v1::Event event;
  event.mutable_actor()->set_id("x");
  event.set_action("y");
  *event.mutable_details_struct() = {};
  (*event.mutable_details_struct()->mutable_fields())["k"].set_string_value(text);
  record_ = RecordOf(event.SerializeAsString(), record::BodyKind::kEvent);
  std::string words = "a";
  while (words.size() < 2000) words += ".a";
  EXPECT_TRUE(Holds(words));
  EXPECT_FALSE(Holds(words + ".b"));
  std::replace(words.begin(), words.end(), '.', ' ');
  EXPECT_TRUE(Holds("\"" + words + "\""));
  EXPECT_FALSE(Holds("\"" + words + " b\""));
}

TEST_F(Matching, AnEntryOfTheMinimalContractIsSeenAsItsEvent) {
  // event_id, actor, timestamp, action
  std::string body;
  for (const auto& [tag, text] :
       std::vector<std::pair<char, std::string>>{{'\x0A', "e9"},
                                                 {'\x12', "bob"},
                                                 {'\x1A', "2026-03-01T01:00:00+01:00"},
                                                 {'\x22', "door.open"}}) {
    body += tag;
    body += static_cast<char>(text.size());
    body += text;
  }
  record_ = RecordOf(body, record::BodyKind::kEntry);
  EXPECT_TRUE(Holds("event_id:e9 actor:bob action:door.* occurred:2026-03-01T00:00 open"));
  EXPECT_FALSE(Holds("target:*"));
  EXPECT_TRUE(Holds("outcome:unknown"));
}

TEST_F(Matching, OneViewReadsManyRecords) {
  RecordView view;
  ASSERT_TRUE(view.Read(record_).ok());
  EXPECT_EQ(view.targets.size(), 2U);
  v1::Event event;
  event.mutable_actor()->set_id("bob");
  const std::string other = RecordOf(event.SerializeAsString(), record::BodyKind::kEvent);
  ASSERT_TRUE(view.Read(other).ok());
  EXPECT_TRUE(view.targets.empty() && view.labels.empty());
  EXPECT_EQ(view.actor_id, "bob");
  EXPECT_EQ(view.action, "");
  EXPECT_EQ(view.Read("not a record").code(), absl::StatusCode::kInvalidArgument);
}

// The page judges by the same file (ui/test/query.test.ts).
TEST(MatchingVectors, AreJudgedAsTheySay) {
  std::ifstream file("src/query/matching_vectors.txt");
  ASSERT_TRUE(file.is_open());
  std::map<std::string, std::string> records;
  std::string line;
  int judged = 0;
  while (std::getline(file, line)) {
    if (line.empty() || line[0] == '#') continue;
    const size_t first = line.find('\t');
    const size_t second = line.find('\t', first + 1);
    ASSERT_TRUE(first != std::string::npos && second != std::string::npos) << line;
    const std::string kind = line.substr(0, first);
    const std::string name = line.substr(first + 1, second - first - 1);
    const std::string text = line.substr(second + 1);
    if (kind == "record") {
      const std::optional<std::string> bytes = HexDecode(text);
      ASSERT_TRUE(bytes.has_value()) << name;
      records[name] = *bytes;
      continue;
    }
    ++judged;
    const absl::StatusOr<Query> query = Parse(text);
    if (kind == "refused") {
      const std::string message(query.status().message());
      EXPECT_EQ(message.substr(0, message.find(':')), "column " + name) << text;
      continue;
    }
    ASSERT_TRUE(query.ok()) << text << ": " << query.status();
    if (kind == "same") {
      EXPECT_EQ(Canonical(*query), name) << text;
      continue;
    }
    ASSERT_TRUE(kind == "yes" || kind == "no") << line;
    RecordView view;
    ASSERT_TRUE(view.Read(records[name]).ok()) << name;
    EXPECT_EQ(Matches(*query, view), kind == "yes") << line;
  }
  EXPECT_GT(judged, 250);
}

}  // namespace
}  // namespace graven::query
