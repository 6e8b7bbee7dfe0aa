#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "graven/v1/event.pb.h"
#include "io/simulated_file_system.h"
#include "ledger/ledger.h"
#include "scrub/scrubber.h"

namespace graven::engine {

inline constexpr uint32_t kTestUser = 1000;

// A real ledger on a simulated disk.
struct LedgerOnSimulatedDisk {
  io::SimulatedFileSystem disk{1, kTestUser};
  std::unique_ptr<ledger::Ledger> ledger;

  LedgerOnSimulatedDisk() {
    ledger::LedgerOptions options;
    options.folder = "/data";
    options.journal_file_bytes = uint64_t{4} << 20;
    options.disk_reserve_bytes = 0;
    options.effective_user = kTestUser;
    auto opened = ledger::Ledger::Open(disk, SystemClock(), SystemRandom(), options);
    EXPECT_TRUE(opened.ok()) << opened.status();
    ledger = *std::move(opened);
    EXPECT_TRUE(ledger->PrepareJournal(false).ok());
  }
};

// The journal of a real ledger, of which the test says how much room it has.
class LedgerWithRoom final : public ledger::Ledger {
 public:
  explicit LedgerWithRoom(ledger::Ledger& real) : real_(real) {}

  std::atomic<ledger::WriteState> write_state =
      ledger::WriteState::kActive;  // else, that status() says
  std::atomic<size_t> room_bytes = SIZE_MAX;
  mutable std::atomic<uint64_t> refusals = 0;
  std::atomic<bool> reads_nothing = false;  // of what is published, without a word
  mutable std::atomic<uint64_t> empty_reads = 0;

  absl::Status CheckRoom(size_t bytes) const override {
    if (bytes <= room_bytes) return real_.CheckRoom(bytes);
    refusals.fetch_add(1);
    return absl::ResourceExhaustedError("no room");
  }
  void Apply(std::span<sequencer::Request* const> requests,
             std::vector<ledger::RequestResult>* results) override {
    real_.Apply(requests, results);
  }
  mutable std::atomic<uint64_t> batches = 0;  // that were made durable, empty ones too
  absl::Status MakeDurable() override {
    batches.fetch_add(1);
    return real_.MakeDurable();
  }
  std::atomic<bool> publish_fails_late = false;  // when everything has been published
  std::atomic<uint64_t> failed_publishes = 0;

  absl::StatusOr<std::vector<ledger::LogRef>> Publish() override {
    auto published = real_.Publish();
    if (!publish_fails_late) return published;
    failed_publishes.fetch_add(1);
    return absl::UnavailableError("the next log's signature");
  }
  size_t unpublished_logs() const override { return real_.unpublished_logs(); }
  absl::Status PrepareJournal(bool in_burst) override { return real_.PrepareJournal(in_burst); }
  absl::StatusOr<bool> Seal(bool in_haste) override { return real_.Seal(in_haste); }
  double journal_fill() const override { return real_.journal_fill(); }
  absl::StatusOr<ledger::LogRef> CreateLog(std::string_view name, std::string_view origin,
                                           uint64_t window) override {
    return real_.CreateLog(name, origin, window);
  }
  ledger::LogRef FindLog(std::string_view name) const override { return real_.FindLog(name); }
  std::vector<ledger::LogRef> Logs() const override { return real_.Logs(); }
  ledger::LogInfo Info(ledger::LogRef log) const override { return real_.Info(log); }
  mutable std::atomic<uint64_t> published_reads = 0;
  std::shared_ptr<const ledger::Published> GetPublished(ledger::LogRef log) const override {
    published_reads.fetch_add(1);
    return real_.GetPublished(log);
  }
  std::shared_ptr<const ledger::Published> GetCheckpoint(
      ledger::LogRef log, ledger::CheckpointLevel level) const override {
    return real_.GetCheckpoint(log, level);
  }
  bool wants_witnesses() const override { return real_.wants_witnesses(); }
  absl::Status AddCosigned(ledger::LogRef log, std::string_view note) override {
    return real_.AddCosigned(log, note);
  }
  absl::Status AddTimeStamp(ledger::LogRef log, std::string_view note,
                            std::string_view token) override {
    return real_.AddTimeStamp(log, note, token);
  }
  absl::StatusOr<Hash> RootAt(ledger::LogRef log, TreeSize size) const override {
    return real_.RootAt(log, size);
  }
  void StopSigning(std::string_view reason) override { real_.StopSigning(reason); }
  TreeSize DurableSize(ledger::LogRef log) const override { return real_.DurableSize(log); }
  absl::Status ReadRecords(ledger::LogRef log, LogIndex first, uint64_t count,
                           const RecordVisitor& visit) const override {
    if (!reads_nothing) return real_.ReadRecords(log, first, count, visit);
    empty_reads.fetch_add(1);
    return absl::OkStatus();
  }
  absl::Status ReadHashes(ledger::LogRef log, int level, uint64_t first,
                          std::span<Hash> out) const override {
    return real_.ReadHashes(log, level, first, out);
  }
  absl::StatusOr<LogIndex> FindEvent(ledger::LogRef log, std::string_view id) const override {
    return real_.FindEvent(log, id);
  }
  absl::StatusOr<ledger::ProofAnswer> InclusionProof(ledger::LogRef log, LogIndex index,
                                                     TreeSize size) const override {
    return real_.InclusionProof(log, index, size);
  }
  absl::StatusOr<ledger::ProofAnswer> ConsistencyProof(ledger::LogRef log, TreeSize old_size,
                                                       TreeSize new_size) const override {
    return real_.ConsistencyProof(log, old_size, new_size);
  }
  absl::StatusOr<std::string> Receipt(ledger::LogRef log, LogIndex index,
                                      ledger::CheckpointLevel level) const override {
    return real_.Receipt(log, index, level);
  }
  ledger::LedgerStatus status() const override {
    ledger::LedgerStatus status = real_.status();
    if (write_state != ledger::WriteState::kActive) status.write_state = write_state;
    return status;
  }
  std::unique_ptr<scrub::Scrubber> MakeScrubber(
      std::function<void(const scrub::Finding&)> on_finding) override {
    return real_.MakeScrubber(std::move(on_finding));
  }
  absl::Status Close() override { return real_.Close(); }

 private:
  ledger::Ledger& real_;
};

inline graven::v1::Event MakeEvent(std::string id, std::string action = "invoice.approve") {
  graven::v1::Event event;
  event.set_event_id(std::move(id));
  event.mutable_actor()->set_id("alice");
  event.set_action(std::move(action));
  event.mutable_occurred_at()->set_seconds(1'700'000'000);
  return event;
}

}  // namespace graven::engine
