// What the tests of scrubbing share: a folder with a segment and a journal, and a scrubber over it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "io/durable_file.h"
#include "ledger/ledger_fixture_test.h"
#include "scrub/scrubber.h"

namespace graven::ledger {

class ScrubberTest : public LedgerTest {
 protected:
  // 300 records: 200 in a provisional segment, the rest in the journal, some of another log too.
  void WriteSegmentAndJournal() {
    options.journal_files_max = 3;
    Open();
    ASSERT_TRUE(ledger->CreateLog("other", "example.org/other", 0).ok());
    for (int round = 0; round < 30; ++round) {
      std::vector<TestEvent> events = Events("r" + std::to_string(round) + "-", 20);
      for (TestEvent& event : events) event = Event(event.id, std::string(200, 'x'));
      ASSERT_TRUE(Append(events).status.ok());
      ASSERT_TRUE(Append(ledger->FindLog("other"), {events[0]}).status.ok());
      Publish();
      SealAll();
    }
    segment_ = OnlySegment();
    ASSERT_GT(ledger->status().unsealed_records, 0u);
    Scrub();
  }
  void Scrub() {
    scrubber_ =
        ledger->MakeScrubber([this](const scrub::Finding& found) { found_.push_back(found); });
  }
  std::string OnlySegment() {
    const auto names = disk.List("/data/logs/default/segments");
    EXPECT_EQ(names->size(), 1u);
    return "/data/logs/default/segments/" + names->front();
  }
  // Steps until a round has ended; how many.
  int Round() {
    for (int steps = 1; steps < 1000; ++steps) {
      const absl::StatusOr<bool> ended = scrubber_->Step(nullptr);
      EXPECT_TRUE(ended.ok()) << ended.status();
      if (!ended.ok() || *ended) return steps;
    }
    ADD_FAILURE() << "a round does not end";
    return 0;
  }
  void Flip(const std::string& path, uint64_t byte) {
    ASSERT_TRUE(disk.FlipBit(path, byte * 8).ok());
    ASSERT_EQ(disk.Counts().bit_flips, ++bits_);
  }
  std::string Contents(const std::string& path) {
    const auto bytes = io::ReadWholeFile(disk, path, uint64_t{1} << 30);
    EXPECT_TRUE(bytes.ok()) << bytes.status();
    return bytes.value_or("");
  }

  std::string segment_;
  std::unique_ptr<scrub::Scrubber> scrubber_;
  std::vector<scrub::Finding> found_;
  uint64_t bits_ = 0;
};

}  // namespace graven::ledger
