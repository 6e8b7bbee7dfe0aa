#include "index/chunk_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "index/index_fixture_test.h"
#include "io/durable_file.h"
#include "io/simulated_file_system.h"

namespace graven::index {
namespace {

constexpr ChunkPlace kPlace{65536, kMiddleLevel};

// Records that say nothing: what counts here is the file.
std::string SomeContent() {
  static const std::string content = [] {
    ChunkBuilder builder(kPlace.first, kPlace.level, kKey);
    query::RecordView view;
    const std::string actor(100, 'a');
    while (!builder.full()) {
      view.index = LogIndex(builder.next());
      view.received_at_ns = static_cast<int64_t>(builder.next()) * 1'000'000;
      view.actor_id = actor;
      builder.Add(view);
    }
    return builder.Finish(Sha256("root"));
  }();
  return content;
}

class ChunkStoreTest : public ::testing::Test {
 protected:
  ChunkStoreTest() { EXPECT_TRUE(io::MakeDirectoryDurably(fs_, "/log").ok()); }

  std::vector<std::shared_ptr<const Chunk>> Open(bool is_of_log = true) {
    ChunkStore store(fs_, "/log/index", cache_);
    auto opened = store.Open([&](const Chunk&) { return is_of_log; },
                             [&](const std::string& text) { reports_.push_back(text); });
    EXPECT_TRUE(opened.ok()) << opened.status();
    if (!opened.ok()) return {};
    unread_ = opened->unread;
    return opened->chunks;
  }
  absl::Status Write() {
    return ChunkStore(fs_, "/log/index", cache_).Write(kPlace, SomeContent()).status();
  }
  std::vector<std::string> Names() { return *fs_.List("/log/index"); }

  io::SimulatedFileSystem fs_{3};
  BlockCache cache_{size_t{1} << 20};
  std::vector<std::string> reports_;
  std::vector<ChunkPlace> unread_;
};

TEST_F(ChunkStoreTest, WhatWasWrittenIsThereAgain) {
  EXPECT_TRUE(Open().empty());
  ASSERT_TRUE(Write().ok());
  fs_.Crash();
  fs_.Restart();
  const auto chunks = Open();
  ASSERT_EQ(chunks.size(), 1U);
  EXPECT_EQ(chunks[0]->first(), 65536U);
  EXPECT_EQ(chunks[0]->root(), RootOfBlocks(SomeContent()));
  EXPECT_EQ(chunks[0]->header().subtree_root, Sha256("root"));
  EXPECT_TRUE(reports_.empty());
}

// Each step of writing fails, or the machine dies there: the file is whole or not there.
TEST_F(ChunkStoreTest, NoFaultLeavesHalfAFile) {
  ASSERT_TRUE(io::MakeDirectoryDurably(fs_, "/log/index").ok());
  const std::string path = "/log/index/" + ChunkFileName(kPlace.first, kPlace.level);
  int fired = 0;
  int absent = 0;
  for (const io::FaultKind kind : {io::FaultKind::kError, io::FaultKind::kCrash}) {
    for (uint64_t nth = 1; nth < 20; ++nth) {
      const io::FaultCounts before = fs_.Counts();
      io::Fault fault;
      fault.kind = kind;
      fault.nth = nth;
      fault.path_part = "/log/index";
      fs_.AddFault(fault);
      const absl::Status written = Write();
      const io::FaultCounts after = fs_.Counts();
      fs_.ClearFaults();
      if (after.errors + after.crashes == before.errors + before.crashes) {
        EXPECT_TRUE(written.ok()) << written;
        break;
      }
      ++fired;
      if (!fs_.crashed()) fs_.Crash();
      fs_.Restart();
      const auto chunks = Open();
      EXPECT_TRUE(reports_.empty()) << reports_.front();
      if (chunks.empty()) {
        ++absent;
        EXPECT_TRUE(Names().empty());
      } else {
        std::string all;
        const auto content = ContentOfFile(fs_, path, cache_);
        ASSERT_TRUE(content.ok()) << content.status();
        ASSERT_TRUE((*content)->Read(0, (*content)->bytes(), &all).ok());
        EXPECT_TRUE(all == SomeContent());
        ASSERT_TRUE(fs_.Remove(path).ok());
        ASSERT_TRUE(fs_.SyncDirectory("/log/index").ok());
      }
    }
  }
  EXPECT_GT(fired, 8);
  EXPECT_GT(absent, 4);
}

TEST_F(ChunkStoreTest, DamagedOnesAreSetAsideAndForeignOnesRemoved) {
  ASSERT_TRUE(Write().ok());
  const std::string name = ChunkFileName(kPlace.first, kPlace.level);
  const uint64_t size = fs_.Stat("/log/index/" + name)->size;
  ASSERT_TRUE(fs_.FlipBit("/log/index/" + name, (size - 5) * 8).ok());
  EXPECT_TRUE(Open().empty());
  ASSERT_EQ(reports_.size(), 1U);
  EXPECT_THAT(reports_[0], ::testing::HasSubstr("set aside"));
  EXPECT_THAT(Names(), ::testing::ElementsAre(name + ".damaged"));
  ASSERT_TRUE(Write().ok());
  EXPECT_TRUE(Open(false).empty());
  ASSERT_EQ(reports_.size(), 2U);
  EXPECT_THAT(reports_[1], ::testing::HasSubstr("other records"));
  EXPECT_THAT(Names(), ::testing::ElementsAre(name + ".damaged"));
}

// No handle is left, the disk does not answer: that says nothing of the file.
TEST_F(ChunkStoreTest, WhatCannotBeReadNowIsLeftAsItIs) {
  ASSERT_TRUE(Write().ok());
  const std::vector<std::string> names = Names();
  // Opening looks at its end, at the table of checksums, and at the first block.
  for (const auto& [operation, times] :
       {std::pair(io::Operation::kOpen, 2), std::pair(io::Operation::kRead, 3)}) {
    for (int nth = 1; nth <= times; ++nth) {
      io::Fault fault;
      fault.operation = operation;
      fault.nth = static_cast<uint64_t>(nth);
      fault.path_part = "/log/index/";
      const uint64_t before = fs_.Counts().errors;
      fs_.AddFault(fault);
      EXPECT_TRUE(Open().empty());
      ASSERT_EQ(fs_.Counts().errors, before + 1);
      ASSERT_EQ(unread_.size(), 1U);
      EXPECT_EQ(unread_[0].first, kPlace.first);
      EXPECT_THAT(reports_.back(), ::testing::HasSubstr("read again later"));
      EXPECT_EQ(Names(), names);
    }
  }
  EXPECT_EQ(Open().size(), 1U);
  EXPECT_TRUE(unread_.empty());
}

TEST_F(ChunkStoreTest, WhatIsNotWantedAnyMoreLeavesNoFile) {
  int asked = 0;
  const absl::Status written = ChunkStore(fs_, "/log/index", cache_)
                                   .Write(kPlace, SomeContent(), [&] { return ++asked < 2; })
                                   .status();
  EXPECT_EQ(written.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(asked, 2);
  EXPECT_TRUE(Names().empty());
}

TEST_F(ChunkStoreTest, AFileUnderAnotherNameIsNone) {
  ASSERT_TRUE(Write().ok());
  ASSERT_TRUE(fs_.Rename("/log/index/" + ChunkFileName(kPlace.first, kPlace.level),
                         "/log/index/" + ChunkFileName(0, kMiddleLevel))
                  .ok());
  EXPECT_TRUE(Open().empty());
  ASSERT_EQ(reports_.size(), 1U);
  EXPECT_THAT(reports_[0], ::testing::HasSubstr("another range"));
}

TEST(ChunkNames, OnlyOfAlignedRanges) {
  EXPECT_EQ(ChunkFileName(65536, kMiddleLevel), "00000000000000065536-00000000000000131072");
  const auto place = ParseChunkFileName("00000000000001048576-00000000000002097152");
  ASSERT_TRUE(place);
  EXPECT_EQ(place->first, 1048576U);
  EXPECT_EQ(place->level, kLargeLevel);
  for (const char* name :
       {"", "00000000000000000001-00000000000000065537",
        "00000000000000000000-00000000000000004096", "99999999999999999999-99999999999999999999",
        "00000000000000065536_00000000000000131072", "0000000000000006553x-00000000000000131072"}) {
    EXPECT_FALSE(ParseChunkFileName(name)) << name;
  }
}

}  // namespace
}  // namespace graven::index
