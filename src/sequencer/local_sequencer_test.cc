#include "sequencer/local_sequencer.h"

#include <gtest/gtest.h>

#include <vector>

namespace graven::sequencer {
namespace {

Request OfBytes(size_t bytes) {
  Request request;
  request.bytes = bytes;
  return request;
}

TEST(LocalSequencer, KeepsTheOrderOfArrival) {
  LocalSequencer sequencer(1000);
  Request a = OfBytes(10), b = OfBytes(10), c = OfBytes(10);
  for (Request* r : {&a, &b, &c}) ASSERT_TRUE(sequencer.Submit(r).ok());
  std::vector<Request*> batch;
  sequencer.Take(20, &batch);
  EXPECT_EQ(batch, (std::vector<Request*>{&a, &b}));
  sequencer.Take(20, &batch);
  EXPECT_EQ(batch, (std::vector<Request*>{&a, &b, &c}));
  EXPECT_EQ(sequencer.queued_bytes(), 0u);
}

TEST(LocalSequencer, FullQueueIsResourceExhaustedAndQueuesNothing) {
  LocalSequencer sequencer(100);
  Request a = OfBytes(80), b = OfBytes(30);
  ASSERT_TRUE(sequencer.Submit(&a).ok());
  EXPECT_EQ(sequencer.Submit(&b).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(sequencer.queued_bytes(), 80u);
}

TEST(LocalSequencer, ARequestLargerThanTheLimitStillFitsAnEmptyQueue) {
  LocalSequencer sequencer(100);
  Request large = OfBytes(500);
  ASSERT_TRUE(sequencer.Submit(&large).ok());
  std::vector<Request*> batch;
  sequencer.Take(10, &batch);
  EXPECT_EQ(batch.size(), 1u);
}

TEST(LocalSequencer, ClosedQueueRefusesButYieldsWhatItAccepted) {
  LocalSequencer sequencer(100);
  Request a = OfBytes(1), b = OfBytes(1);
  ASSERT_TRUE(sequencer.Submit(&a).ok());
  sequencer.Close();
  EXPECT_EQ(sequencer.Submit(&b).code(), absl::StatusCode::kUnavailable);
  std::vector<Request*> batch;
  sequencer.Take(100, &batch);
  EXPECT_EQ(batch, (std::vector<Request*>{&a}));
}

}  // namespace
}  // namespace graven::sequencer
