#include "upkeep/system_log.h"

#include "graven/v1/event.pb.h"
#include "gtest/gtest.h"
#include "record/body_check.h"

namespace graven::upkeep {
namespace {

TEST(EncodeSystemEvent, IsAnEventThatTheRulesAccept) {
  SystemEvent event{"scrub.finding", true, {{"file", std::string(5000, 'x') + "\xc3\xa9"}}};
  event.labels.emplace_back("what", "line\nbreak \xff");
  event.labels.emplace_back("cut", std::string(1023, 'y') + "\xc3\xa9");
  const std::string bytes = EncodeSystemEvent(event, "id-1", 1'700'000'000'000'000'001);
  record::EventFacts facts;
  std::vector<record::Violation> violations;
  ASSERT_TRUE(record::CheckBody(record::BodyKind::kEvent, bytes, {}, &facts, &violations))
      << (violations.empty() ? "" : violations[0].field + ": " + violations[0].description);
  v1::Event parsed;
  ASSERT_TRUE(parsed.ParseFromString(bytes));
  EXPECT_EQ(parsed.event_id(), "id-1");
  EXPECT_EQ(parsed.actor().id(), "graven");
  EXPECT_EQ(parsed.action(), "scrub.finding");
  EXPECT_EQ(parsed.outcome(), v1::OUTCOME_FAILURE);
  EXPECT_EQ(parsed.occurred_at().seconds(), 1'700'000'000);
  EXPECT_EQ(parsed.occurred_at().nanos(), 1);
  ASSERT_EQ(parsed.labels_size(), 3);
  EXPECT_LE(parsed.labels(0).value().size(), 1024u);
  EXPECT_EQ(parsed.labels(1).value().find('\n'), std::string::npos);
}

}  // namespace
}  // namespace graven::upkeep
