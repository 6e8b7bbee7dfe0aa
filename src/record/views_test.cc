// What readers see of a record: the minimal contract's entry, the event, the summary.
#include <string>

#include "base/encoding.h"
#include "graven/v1/event.pb.h"
#include "graven/v1/record.pb.h"
#include "gtest/gtest.h"
#include "record/entry_view.h"
#include "record/summary.h"
#include "record/wire.h"

namespace graven::record {
namespace {

v1::Entry SentEntry() {
  v1::Entry entry;
  entry.set_actor("alice");
  entry.set_timestamp("2023-07-10T13:42:36.10+02:00");
  entry.set_action("login");
  entry.set_hash(std::string(64, 'c'));
  return entry;
}

v1::Event SentEvent() {
  v1::Event event;
  event.mutable_actor()->set_id("bob");
  event.mutable_actor()->set_type("user");
  event.mutable_actor()->set_name("Bob");
  event.set_action("invoice.approve");
  event.mutable_occurred_at()->set_seconds(1'688'989'356);
  event.mutable_occurred_at()->set_nanos(5'000'000);
  event.add_targets()->set_id("inv-1");
  event.mutable_targets(0)->set_type("invoice");
  event.add_targets()->set_id("inv-2");
  event.set_outcome(v1::OUTCOME_DENIED);
  event.set_outcome_reason("too much");
  event.mutable_source()->set_service("billing");
  return event;
}

RecordHeader Header(BodyKind kind, const std::string& body) {
  RecordHeader header = {.kind = kind, .body = body};
  header.previous_hash.bytes.fill(0xab);
  header.assigned_event_id = "assigned";
  return header;
}

TEST(EntryView, EntryKeepsItsBytesButHashAndEmptyId) {
  std::string sent = SentEntry().SerializeAsString();
  AppendBytesField(77, "unknown", &sent);
  v1::Entry seen;
  std::string bytes = EntryBytes(Header(BodyKind::kEntry, sent));
  ASSERT_TRUE(seen.ParseFromString(bytes));
  EXPECT_EQ(seen.event_id(), "assigned");
  EXPECT_EQ(seen.actor(), "alice");
  EXPECT_EQ(seen.timestamp(), "2023-07-10T13:42:36.10+02:00");
  EXPECT_EQ(seen.action(), "login");
  std::string link;
  for (int i = 0; i < 32; ++i) link += "ab";
  EXPECT_EQ(seen.hash(), link);
  EXPECT_EQ(seen.SerializeAsString(), bytes) << "the unknown field is kept, in its place";
  EXPECT_NE(bytes.find("unknown"), std::string::npos);
}

TEST(EntryView, OwnIdOfAnEntryStays) {
  v1::Entry entry = SentEntry();
  entry.set_event_id("mine");
  std::string sent = entry.SerializeAsString();
  RecordHeader header = Header(BodyKind::kEntry, sent);
  header.assigned_event_id = "";
  v1::Entry seen;
  ASSERT_TRUE(seen.ParseFromString(EntryBytes(header)));
  EXPECT_EQ(seen.event_id(), "mine");
}

TEST(EntryView, EventAppearsAsEntryInUtc) {
  std::string sent = SentEvent().SerializeAsString();
  v1::Entry seen;
  ASSERT_TRUE(seen.ParseFromString(EntryBytes(Header(BodyKind::kEvent, sent))));
  EXPECT_EQ(seen.event_id(), "assigned");
  EXPECT_EQ(seen.actor(), "bob");
  EXPECT_EQ(seen.timestamp(), "2023-07-10T11:42:36.005Z");
  EXPECT_EQ(seen.action(), "invoice.approve");
  EXPECT_EQ(seen.hash().size(), 64U);
}

TEST(EntryView, EntryAppearsAsEvent) {
  std::string sent = SentEntry().SerializeAsString();
  v1::Event seen;
  ASSERT_TRUE(seen.ParseFromString(EventBytes(Header(BodyKind::kEntry, sent))));
  EXPECT_EQ(seen.event_id(), "assigned");
  EXPECT_EQ(seen.actor().id(), "alice");
  EXPECT_EQ(seen.action(), "login");
  EXPECT_EQ(seen.occurred_at().seconds(), 1'688'989'356);
  EXPECT_EQ(seen.occurred_at().nanos(), 100'000'000);
}

TEST(EntryView, EventKeepsItsBytesButTheEmptyId) {
  std::string sent = SentEvent().SerializeAsString();
  AppendBytesField(77, "unknown", &sent);
  RecordHeader header = Header(BodyKind::kEvent, sent);
  EXPECT_EQ(EventBytes(header),
            "\x0a\x08"
            "assigned" +
                sent);
  header.assigned_event_id = "";
  EXPECT_EQ(EventBytes(header), sent);
}

TEST(Summary, ReadsAnEvent) {
  std::string sent = SentEvent().SerializeAsString();
  absl::StatusOr<Summary> summary = Summarize(Header(BodyKind::kEvent, sent));
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ(summary->event_id, "assigned");
  EXPECT_EQ(summary->actor_id, "bob");
  EXPECT_EQ(summary->actor_type, "user");
  EXPECT_EQ(summary->actor_name, "Bob");
  EXPECT_EQ(summary->target_id, "inv-1");
  EXPECT_EQ(summary->target_type, "invoice");
  EXPECT_EQ(summary->target_count, 2U);
  EXPECT_EQ(OutcomeText(summary->outcome), "denied");
  EXPECT_EQ(summary->outcome_reason, "too much");
  EXPECT_EQ(summary->service, "billing");
  EXPECT_EQ(summary->occurred_at, (TimePoint{1'688'989'356, 5'000'000}));
}

TEST(Summary, UnreadableBodyIsInvalidArgument) {
  EXPECT_EQ(Summarize(Header(BodyKind::kEvent, "\x0a")).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Summarize(Header(BodyKind::kEvent, "\x12\x01\x0a")).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace graven::record
