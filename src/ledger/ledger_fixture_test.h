// What the ledger's tests share: a ledger on a simulated disk, and sentences to drive it with.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "io/simulated_file_system.h"
#include "ledger/ledger.h"
#include "record/record.h"
#include "record/wire.h"
#include "sequencer/request.h"

namespace graven::ledger {

class SetClock final : public Clock {
 public:
  int64_t WallNs() override { return wall_ns; }
  // Any thread may look while it stands still.
  int64_t SteadyNs() override { return step_ns == 0 ? steady_ns : steady_ns += step_ns; }

  int64_t wall_ns = 1'700'000'000'000'000'000;
  int64_t steady_ns = 1'000'000'000;
  int64_t step_ns = 0;  // by which each look makes it later
};

class SetRandom final : public Random {
 public:
  explicit SetRandom(uint64_t seed) : generator_(seed) {}
  void Fill(std::span<uint8_t> out) override {
    for (uint8_t& byte : out) byte = static_cast<uint8_t>(generator_());
  }

 private:
  std::mt19937_64 generator_;
};

struct TestEvent {
  std::string id;
  std::string body;
};

// A graven.v1.Event with this id that says `what`.
inline TestEvent Event(const std::string& id, const std::string& what = "login") {
  TestEvent event{id, ""};
  record::AppendBytesField(1, id, &event.body);
  record::AppendBytesField(2, std::string("\x0a\x03") + "bob", &event.body);
  record::AppendBytesField(3, what, &event.body);
  record::AppendBytesField(5, std::string("\x08\x01", 2), &event.body);
  return event;
}

// The same message, its fields in another order.
inline TestEvent Reordered(const std::string& id, const std::string& what = "login") {
  TestEvent event{id, ""};
  record::AppendBytesField(5, std::string("\x08\x01", 2), &event.body);
  record::AppendBytesField(3, what, &event.body);
  record::AppendBytesField(2, std::string("\x0a\x03") + "bob", &event.body);
  record::AppendBytesField(1, id, &event.body);
  return event;
}

inline std::vector<TestEvent> Events(const std::string& prefix, int count) {
  std::vector<TestEvent> events;
  for (int i = 0; i < count; ++i) events.push_back(Event(prefix + std::to_string(i)));
  return events;
}

// One request with the memory it points to.
struct TestRequest {
  TestRequest(LogRef log, std::vector<TestEvent> test_events, int64_t proposed_at_ns,
              std::optional<Hash> expected = std::nullopt)
      : stored(std::move(test_events)) {
    for (const TestEvent& event : stored) {
      events.push_back({record::BodyKind::kEvent, event.body, event.id, false, false});
    }
    request.log_number = log.number();
    request.proposed_at_ns = proposed_at_ns;
    request.written_by = "anonymous";
    request.expected_last_hash = expected;
    request.events = events;
  }
  TestRequest(const TestRequest&) = delete;

  std::vector<TestEvent> stored;
  std::vector<sequencer::NewEvent> events;
  sequencer::Request request;
};

struct Outcome {
  absl::Status status;
  std::vector<EventReceipt> receipts;
};

class LedgerTest : public testing::Test {
 protected:
  LedgerTest() {
    options.folder = "/data";
    options.effective_user = 1000;
    options.journal_file_bytes = 64 * 1024;
    options.journal_files_max = 6;
    options.disk_reserve_bytes = 0;
  }

  absl::Status TryOpen() {
    ledger.reset();
    ASSIGN_OR_RETURN(ledger, Ledger::Open(disk, clock, random, options));
    return absl::OkStatus();
  }
  void Open() {
    absl::Status opened = TryOpen();
    ASSERT_TRUE(opened.ok()) << opened;
  }
  // Power loss, and a new start.
  void CrashAndOpen() {
    disk.Crash();
    ledger.reset();
    disk.Restart();
    Open();
  }
  // The process dies, the page cache stays, and a new start.
  void KillAndOpen() {
    disk.Kill();
    ledger.reset();
    disk.Restart();
    Open();
  }

  LogRef Default() { return ledger->FindLog("default"); }

  Outcome Apply(LogRef log, std::vector<TestEvent> events,
                std::optional<Hash> expected = std::nullopt) {
    TestRequest request(log, std::move(events), clock.wall_ns, expected);
    std::vector<sequencer::Request*> batch = {&request.request};
    std::vector<RequestResult> results;
    ledger->Apply(batch, &results);
    EXPECT_EQ(results.size(), 1u);
    return {results[0].status, {results[0].receipts.begin(), results[0].receipts.end()}};
  }
  // One batch of one request, durable.
  Outcome Append(LogRef log, std::vector<TestEvent> events,
                 std::optional<Hash> expected = std::nullopt) {
    Outcome outcome = Apply(log, std::move(events), expected);
    absl::Status durable = ledger->MakeDurable();
    if (outcome.status.ok()) outcome.status = durable;
    return outcome;
  }
  Outcome Append(std::vector<TestEvent> events) { return Append(Default(), std::move(events)); }
  void Publish() {
    auto published = ledger->Publish();
    ASSERT_TRUE(published.ok()) << published.status();
  }
  // Background work until there is none.
  void SealAll() {
    for (int i = 0; i < 5000; ++i) {
      ASSERT_TRUE(ledger->PrepareJournal(false).ok());
      auto sealed = ledger->Seal(false);
      ASSERT_TRUE(sealed.ok()) << sealed.status();
      if (!*sealed) return;
    }
    FAIL() << "sealing does not end";
  }

  // The exact bytes of all published records.
  std::vector<std::string> Records(LogRef log) {
    std::vector<std::string> records;
    absl::Status read = ledger->ReadRecords(log, LogIndex(0), UINT64_MAX,
                                            [&](LogIndex, std::string_view record, const Hash&) {
                                              records.emplace_back(record);
                                              return true;
                                            });
    EXPECT_TRUE(read.ok()) << read;
    return records;
  }
  std::vector<Hash> Hashes(LogRef log) {
    std::vector<Hash> hashes;
    for (const std::string& record : Records(log)) hashes.push_back(record::RecordHash(record));
    return hashes;
  }
  uint64_t PublishedSize(LogRef log) { return ledger->GetPublished(log)->size.value; }

  // The journal's files that hold something, oldest first.
  std::vector<std::string> JournalFiles() {
    std::vector<std::string> paths;
    const absl::StatusOr<std::vector<std::string>> names = disk.List("/data/journal");
    EXPECT_TRUE(names.ok()) << names.status();
    for (const std::string& name : *names) {
      const std::string path = "/data/journal/" + name;
      std::string first(8, '\0');
      auto file = disk.Open(path, io::OpenMode::kRead);
      if ((*file)->ReadAt(0, first).ok() && first != std::string(8, '\0')) paths.push_back(path);
    }
    return paths;
  }
  // The first place in `path` where `text` stands.
  size_t PlaceIn(const std::string& path, const std::string& text) {
    auto file = disk.Open(path, io::OpenMode::kRead);
    EXPECT_TRUE(file.ok());
    std::string bytes(disk.Stat(path)->size, '\0');
    EXPECT_TRUE((*file)->ReadAt(0, bytes).ok());
    const size_t at = bytes.find(text);
    EXPECT_NE(at, std::string::npos) << text << " does not stand in " << path;
    return at;
  }
  // Turns a bit of the first place in `path` where `text` stands.
  void FlipIn(const std::string& path, const std::string& text) {
    ASSERT_TRUE(disk.FlipBit(path, PlaceIn(path, text) * 8).ok());
    ASSERT_EQ(disk.Counts().bit_flips, ++flips_);
  }

  io::SimulatedFileSystem disk{7};
  SetClock clock;
  SetRandom random{11};
  LedgerOptions options;
  std::unique_ptr<Ledger> ledger;

 private:
  uint64_t flips_ = 0;
};

}  // namespace graven::ledger
