#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "record/wire.h"
#include "verify/producer_sequences.h"

namespace graven::verify {
namespace {

using absl::StatusCode;
using record::ProducerRecordKind;
using testing::IsEmpty;
using testing::SizeIs;

constexpr int64_t kSecondNs = 1'000'000'000;

void Add(uint64_t sequence, int64_t at_ns, ProducerSequences* sequences,
         ProducerRecordKind kind = ProducerRecordKind::kEvent, const std::string& id = "till") {
  std::string producer, body;
  record::AppendBytesField(1, id, &producer);
  record::AppendVarintField(2, 1, &producer);
  record::AppendVarintField(3, sequence, &producer);
  record::AppendVarintField(4, static_cast<uint64_t>(kind), &producer);
  record::AppendBytesField(15, producer, &body);
  record::RecordHeader header;
  header.index = LogIndex(static_cast<uint64_t>(at_ns / kSecondNs));
  header.received_at_ns = at_ns;
  header.written_by = "somebody";
  header.body = body;
  sequences->Add(header);
}

ProducerSequences Example() {
  ProducerSequences sequences({});
  Add(1, 1 * kSecondNs, &sequences, ProducerRecordKind::kOpen);
  Add(4, 2 * kSecondNs, &sequences);
  Add(9, 3 * kSecondNs, &sequences);
  Add(9, 4 * kSecondNs, &sequences);
  Add(1, 5 * kSecondNs, &sequences, ProducerRecordKind::kClose, "other");
  (void)sequences.TakeFindings(3 * kSecondNs);
  return sequences;
}

TEST(ProducerStateTest, WhatWasFollowedIsFollowedOnAfterwards) {
  const ProducerSequences before = Example();
  auto after = ProducerSequences::Decode(before.Encode(), {});
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after->Encode(), before.Encode());
  EXPECT_EQ(after->Report().events, 5u);
  EXPECT_EQ(after->Report().streams, 2u);
  EXPECT_EQ(after->Report().counts, before.Report().counts);
  // The open gap, 5 to 8, is still there to be filled in part, and to be found for the rest.
  Add(5, 6 * kSecondNs, &*after);
  const std::vector<ProducerFinding> found = after->TakeFindings(INT64_MAX);
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].kind, ProducerFindingKind::kGap);
  EXPECT_EQ(found[0].first_sequence, 6u);
  EXPECT_EQ(found[0].last_sequence, 8u);
}

TEST(ProducerStateTest, FindingIsTakenOnceAndStaysInTheCounts) {
  ProducerSequences sequences({});
  Add(1, 1 * kSecondNs, &sequences);
  Add(3, 2 * kSecondNs, &sequences);
  EXPECT_THAT(sequences.TakeFindings(2 * kSecondNs), IsEmpty());  // 2 may still come
  EXPECT_EQ(sequences.Report().total(), 1u);
  EXPECT_THAT(sequences.TakeFindings(3 * kSecondNs), SizeIs(1));
  EXPECT_THAT(sequences.TakeFindings(INT64_MAX), IsEmpty());
  EXPECT_EQ(sequences.Report().total(), 1u);
  auto later = ProducerSequences::Decode(sequences.Encode(), {});
  ASSERT_TRUE(later.ok()) << later.status();
  EXPECT_THAT(later->TakeFindings(INT64_MAX), IsEmpty());
  EXPECT_EQ(later->Report().total(), 1u);
}

TEST(ProducerStateTest, EveryCutIsDamageOrLessOfTheSame) {
  const std::string good = Example().Encode();
  for (size_t at = 0; at < good.size(); ++at) {
    const auto cut = ProducerSequences::Decode(good.substr(0, at), {});
    if (cut.ok()) {
      EXPECT_EQ(good[at - 1], '\n');  // its file has the checksum
    } else {
      EXPECT_EQ(cut.status().code(), StatusCode::kDataLoss);
    }
  }
}

TEST(ProducerStateTest, ContradictionsAreDamage) {
  const std::string head = "graven producer sequences 1\ncounts 1 0 0 0 0 0 0 0 0\n";
  const std::string stream = "stream YQ== Yg== 1 9 5 5 0\n";
  ASSERT_TRUE(ProducerSequences::Decode(head + stream + "gap 2 3 1 1 0\n", {}).ok());
  for (const std::string& bad : {
           std::string("gap 2 3 1 1 0\n"),                 // of no stream
           stream + "gap 3 2 1 1 0\n",                     // backwards
           stream + "gap 2 9 1 1 0\n",                     // beyond what came
           stream + "gap 2 5 1 1 0\ngap 5 6 1 1 0\n",      // one in the other
           stream + "gap 2 3 1 1 2\n",                     // neither told nor not
           stream + stream,                                // twice
           std::string("stream YQ== Yg== 1 9 5 5 8\n"),    // a flag that there is not
           std::string("stream YQ== Yg== 1 9 5 5 0 0\n"),  // a word more
           std::string("stream YQ== * 1 9 5 5 0\n"),       // no text
           std::string("counts 1 0 0 0 0 0 0 0 0\n"),      // again
       }) {
    EXPECT_EQ(ProducerSequences::Decode(head + bad, {}).status().code(), StatusCode::kDataLoss)
        << bad;
  }
  EXPECT_EQ(ProducerSequences::Decode("", {}).status().code(), StatusCode::kDataLoss);
}

}  // namespace
}  // namespace graven::verify
