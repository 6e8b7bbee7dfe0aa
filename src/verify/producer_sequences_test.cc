#include "verify/producer_sequences.h"

#include <optional>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "record/wire.h"

namespace graven::verify {
namespace {

using record::ProducerRecordKind;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr int64_t kSecondNs = 1'000'000'000;

class ProducerSequencesTest : public testing::Test {
 protected:
  void Add(uint64_t sequence, ProducerRecordKind kind = ProducerRecordKind::kEvent,
           uint64_t epoch = 1, const std::string& id = "billing",
           const std::string& written_by = "mtls:billing") {
    std::string producer, body;
    record::AppendBytesField(1, id, &producer);
    record::AppendVarintField(2, epoch, &producer);
    record::AppendVarintField(3, sequence, &producer);
    record::AppendVarintField(4, static_cast<uint64_t>(kind), &producer);
    record::AppendBytesField(3, "action", &body);
    record::AppendBytesField(15, producer, &body);
    record::RecordHeader header;
    header.index = LogIndex(next_index_++);
    header.received_at_ns = now_ns_ += kSecondNs;
    header.written_by = written_by;
    header.body = body;
    sequences_->Add(header);
  }
  // "gap 3-4 at 2", in order.
  std::vector<std::string> Findings() {
    std::vector<std::string> texts;
    for (const ProducerFinding& finding : sequences_->Report().findings) {
      texts.push_back(std::string(ProducerFindingText(finding.kind)) + " " +
                      std::to_string(finding.first_sequence) + "-" +
                      std::to_string(finding.last_sequence) + " at " +
                      std::to_string(finding.index.value));
    }
    return texts;
  }

  std::optional<ProducerSequences> sequences_{std::in_place, ProducerRules{}};
  uint64_t next_index_ = 0;
  int64_t now_ns_ = 0;
};

TEST_F(ProducerSequencesTest, WholeEpochIsNoFinding) {
  Add(0, ProducerRecordKind::kOpen);
  for (uint64_t i = 1; i < 50; ++i) Add(i);
  Add(50, ProducerRecordKind::kHeartbeat);
  Add(51, ProducerRecordKind::kClose);
  sequences_->CheckDeadlines(now_ns_ + int64_t{86'400} * kSecondNs);
  EXPECT_THAT(Findings(), IsEmpty());
  EXPECT_EQ(sequences_->Report().events, 52u);
  EXPECT_EQ(sequences_->Report().streams, 1u);
}

TEST_F(ProducerSequencesTest, GapIsNamedByItsNumbersAndWhereItShowed) {
  Add(1);
  Add(2);
  Add(5);
  Add(6);
  EXPECT_THAT(Findings(), ElementsAre("gap 3-4 at 2"));
  const ProducerReport report = sequences_->Report();
  EXPECT_EQ(report.findings[0].producer, "billing");
  EXPECT_EQ(report.findings[0].written_by, "mtls:billing");
  EXPECT_EQ(report.findings[0].epoch, 1u);
  EXPECT_EQ(report.total(), 1u);
}

TEST_F(ProducerSequencesTest, LateNumbersFillTheGap) {
  Add(1);
  Add(6);
  Add(3);
  EXPECT_THAT(Findings(), ElementsAre("gap 2-2 at 1", "gap 4-5 at 1"));
  for (const uint64_t late : {2, 5, 4}) Add(late);
  EXPECT_THAT(Findings(), IsEmpty());
  Add(4);
  EXPECT_THAT(Findings(), ElementsAre("repeat 4-4 at 6"));
}

TEST_F(ProducerSequencesTest, MissingHeadIsAGapOnlyFromTheBeginningOfALog) {
  Add(4);
  EXPECT_THAT(Findings(), ElementsAre("gap 1-3 at 0"));
  sequences_.emplace(ProducerRules{.from_beginning = false});
  Add(4);
  EXPECT_THAT(Findings(), IsEmpty());
}

TEST_F(ProducerSequencesTest, RepeatAndWhatComesAfterTheCloseAreFound) {
  Add(1);
  Add(1);
  Add(2, ProducerRecordKind::kClose);
  Add(3);
  EXPECT_THAT(Findings(), ElementsAre("repeat 1-1 at 1", "after_close 3-3 at 3"));
}

TEST_F(ProducerSequencesTest, SilenceBeyondTheDeadlineIsAMissingTailOnce) {
  Add(1, ProducerRecordKind::kOpen);
  Add(2, ProducerRecordKind::kHeartbeat);
  sequences_->CheckDeadlines(now_ns_ + 599 * kSecondNs);
  EXPECT_THAT(Findings(), IsEmpty());
  sequences_->CheckDeadlines(now_ns_ + 601 * kSecondNs);
  sequences_->CheckDeadlines(now_ns_ + 700 * kSecondNs);
  EXPECT_THAT(Findings(), ElementsAre("missing_tail 2-2 at 1"));
  Add(3, ProducerRecordKind::kHeartbeat);
  sequences_->CheckDeadlines(now_ns_ + 601 * kSecondNs);
  EXPECT_THAT(Findings(), SizeIs(2));
}

TEST_F(ProducerSequencesTest, ProducerWithoutHeartbeatsMayBeSilent) {
  Add(1);
  sequences_->CheckDeadlines(now_ns_ + int64_t{86'400} * kSecondNs);
  EXPECT_THAT(Findings(), IsEmpty());
}

TEST_F(ProducerSequencesTest, NextEpochShowsThatTheOneBeforeWasNotClosed) {
  Add(1, ProducerRecordKind::kOpen, 7);
  Add(1, ProducerRecordKind::kOpen, 8);
  EXPECT_THAT(Findings(), ElementsAre("missing_tail 1-1 at 0"));
}

TEST_F(ProducerSequencesTest, NobodyMakesFindingsInTheNameOfSomebodyElse) {
  Add(1);
  Add(900, ProducerRecordKind::kEvent, 1, "billing", "mtls:mallory");
  Add(2);
  const ProducerReport report = sequences_->Report();
  ASSERT_THAT(report.findings, SizeIs(1));
  EXPECT_EQ(report.findings[0].written_by, "mtls:mallory");
}

TEST_F(ProducerSequencesTest, HostileProducersTakeBoundedMemoryAndAreCounted) {
  for (uint64_t i = 0; i < kProducerStreamsPerWriterMax + 10; ++i) {
    Add(1, ProducerRecordKind::kEvent, 1, "flood" + std::to_string(i));
  }
  EXPECT_EQ(sequences_->Report().streams, kProducerStreamsPerWriterMax);
  EXPECT_EQ(sequences_->Report().untracked, 10u);
  // Somebody else is followed all the same.
  Add(1, ProducerRecordKind::kEvent, 1, "honest", "mtls:honest");
  EXPECT_EQ(sequences_->Report().untracked, 10u);
  // Gaps without end.
  for (uint64_t i = 2; i < 5000; ++i) Add(i * 2, ProducerRecordKind::kEvent, 1, "honest", "h");
  const ProducerReport report = sequences_->Report();
  EXPECT_THAT(report.findings, SizeIs(kProducerFindingsKept));
  EXPECT_GE(report.total(), 4998u);
  Add(UINT64_MAX, ProducerRecordKind::kEvent, 1, "honest", "h");
  Add(UINT64_MAX, ProducerRecordKind::kEvent, 1, "honest", "h");
}

TEST_F(ProducerSequencesTest, FinishedEpochsOfAWriterAreForgottenFirstAndNoneIsTurnedAway) {
  const uint64_t epochs = 3 * kProducerStreamsPerWriterMax;
  for (uint64_t i = 1; i <= epochs; ++i) Add(1, ProducerRecordKind::kEvent, i);
  ProducerReport report = sequences_->Report();
  EXPECT_EQ(report.streams, epochs);
  EXPECT_EQ(report.untracked, 0u);
  EXPECT_EQ(report.total(), 0u);
  // The newest is followed; one that was forgotten has no beginning.
  Add(3, ProducerRecordKind::kEvent, epochs);
  Add(3, ProducerRecordKind::kEvent, 1);
  report = sequences_->Report();
  ASSERT_THAT(report.findings, SizeIs(1));
  EXPECT_EQ(report.findings[0].epoch, epochs);
}

TEST_F(ProducerSequencesTest, GapOfAForgottenEpochStaysCounted) {
  Add(1);
  Add(3);
  for (uint64_t i = 2; i <= 2 * kProducerStreamsPerWriterMax; ++i) {
    Add(1, ProducerRecordKind::kEvent, i);
  }
  EXPECT_THAT(Findings(), ElementsAre("gap 2-2 at 1"));
}

}  // namespace
}  // namespace graven::verify
