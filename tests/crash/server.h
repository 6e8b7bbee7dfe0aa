#pragma once

#include <memory>
#include <string>
#include <vector>

#include "interleaving_file_system.h"
#include "ledger/ledger.h"
#include "model.h"
#include "sequencer/local_sequencer.h"
#include "world.h"
#include "writers.h"

namespace graven::crash {

// How the server of one run is set up: small, so that files fill and are used again all the time.
struct Setup {
  explicit Setup(Choices& choices, bool large);

  bool large;            // long enough for final segments
  bool guard_elsewhere;  // as if on another disk
  uint64_t writers;
  uint64_t logs_max;
  uint64_t journal_file_bytes;
  uint64_t write_ahead_bytes;
  uint32_t journal_files_max;
  uint64_t batch_bytes_max;
};

inline constexpr char kFolder[] = "/data";
inline constexpr char kGuardFolder[] = "/elsewhere";

// What a server does with a ledger, step by step: each thread's part is one call, and while one of
// them waits for the disk another's may run. Holds every answer against the model.
class Server {
 public:
  Server(World& world, Model& model, Writers& writers, const Setup& setup);
  ~Server();

  // Opens the ledger. While it opens nothing else runs.
  absl::Status Open();
  bool is_open() const { return ledger_ != nullptr; }
  ledger::Ledger& ledger() { return *ledger_; }

  // One step of a thread picked at random.
  void Step();
  void WriterStep();
  void Submit(std::unique_ptr<Ticket> ticket);
  // What waits is applied and made durable, until nothing waits.
  void DrainWriters();
  void PublishStep();
  void BackgroundStep();
  // Whether a write or sync failed, so that nothing is taken any more.
  bool stopped() const;

  // A clean stop: everything accepted is answered first. False when something failed on the way.
  bool Close();
  // The process is gone. What it showed last was seen; what it had not answered is unknown.
  void Die();
  // The same after damage, when what is shown was judged already.
  void Discard();

  // Until an event is accepted again, with the disk healthy: the ledger may not stay stuck.
  void ExpectProgress();

  // Writes events of one log until its first range is full.
  void FillRange();

 private:
  void WhileWaiting();
  void TakeAndApply();
  void ApplyMore();
  void MakeDurable();
  void HoldResult(Ticket& ticket, const ledger::RequestResult& result);
  void HoldRefusal(const absl::Status& status);
  void CountExpected(const Ticket& ticket, const LogModel& log, const ExpectedResult& expected,
                     const ledger::RequestResult& result);
  void GiveUp(std::vector<std::unique_ptr<Ticket>>& tickets);
  void SubmitStep();
  void TailStep();
  void AuditStep();
  void CreateLogStep();
  void ClockStep();
  void DiskFullStep();
  LogModel& AnyLog();
  std::unique_ptr<Ticket> TakeOwnership(sequencer::Request* request);

  World& world_;
  Model& model_;
  Writers& writers_;
  const Setup& setup_;
  InterleavingFileSystem fs_;
  std::unique_ptr<sequencer::LocalSequencer> sequencer_;
  std::unique_ptr<ledger::Ledger> ledger_;
  std::vector<std::unique_ptr<Ticket>> waiting_;  // submitted, not yet taken
  std::vector<std::unique_ptr<Ticket>> applied_;  // applied, not yet durable

  // Whose step is under way: a thread does one thing at a time.
  bool writer_busy_ = false;
  bool publisher_busy_ = false;
  bool background_busy_ = false;
  bool creating_ = false;
  int depth_ = 0;
  bool interleave_ = false;
};

}  // namespace graven::crash
