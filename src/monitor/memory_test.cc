#include "monitor/memory.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "monitor/planted_log_test.h"
#include "verify/producer_sequences.h"

namespace graven::monitor {
namespace {

using absl::StatusCode;

Knowledge Example() {
  const History history("example.com/log", 77);
  Knowledge knowledge;
  knowledge.chain.frontier.AppendAll(history.leaves);
  knowledge.chain.last_hash = history.leaves.back();
  knowledge.chain.last_received_at_ns = 12345;
  knowledge.note = "a note\n";
  knowledge.producers = verify::ProducerSequences({}).Encode();
  knowledge.ahead = {{7, "another\n"}, {8, "and one\n"}};
  return knowledge;
}

TEST(MemoryTest, KnowledgeComesBack) {
  const auto back =
      DecodeKnowledge(EncodeKnowledge(Example(), "example.com/log"), "example.com/log");
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->chain.frontier, Example().chain.frontier);
  EXPECT_EQ(back->chain.last_hash, Example().chain.last_hash);
  EXPECT_EQ(back->chain.last_received_at_ns, 12345);
  EXPECT_EQ(back->note, "a note\n");
  EXPECT_EQ(back->producers, Example().producers);
  ASSERT_EQ(back->ahead.size(), 2u);
  EXPECT_EQ(back->ahead[1].note, "and one\n");
  EXPECT_EQ(back->ahead[1].since_ns, 8);
}

TEST(MemoryTest, EveryFlippedBitAndEveryCutIsDamage) {
  const std::string good = EncodeKnowledge(Example(), "example.com/log");
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] ^= static_cast<char>(1 << at % 8);
    ASSERT_EQ(DecodeKnowledge(bad, "example.com/log").status().code(), StatusCode::kDataLoss);
    ASSERT_EQ(DecodeKnowledge(good.substr(0, at), "example.com/log").status().code(),
              StatusCode::kDataLoss);
  }
}

TEST(MemoryTest, MemoryOfAnotherLogIsRefused) {
  EXPECT_EQ(DecodeKnowledge(EncodeKnowledge(Example(), "example.com/log"), "example.com/x")
                .status()
                .code(),
            StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace graven::monitor
