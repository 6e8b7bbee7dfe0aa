#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

#include "journal/journal.h"
#include "ledger/batch_writer.h"
#include "ledger/duplicate_finder.h"
#include "ledger/ledger.h"
#include "ledger/sealer.h"
#include "note/checkpoint.h"
#include "scrub/scrubber.h"
#include "shelf/log.h"
#include "shelf/segments.h"
#include "shelf/stored_records.h"
#include "store/checkpoints_file.h"
#include "store/data_folder.h"
#include "store/guard.h"

namespace graven::ledger {

// Whether events are taken. Read by every thread, set by whoever meets the reason.
class WriteGate {
 public:
  WriteState state() const { return state_.load(std::memory_order_acquire); }
  std::string reason() const;
  // kStopped and kReadOnly are for good.
  void Set(WriteState state, std::string reason);
  // OK, or the status that a writer gets.
  absl::Status Check() const;

 private:
  std::atomic<WriteState> state_{WriteState::kActive};
  mutable std::mutex mutex_;
  std::string reason_;
};

class LedgerImpl final : public Ledger {
 public:
  LedgerImpl(io::FileSystem& fs, Clock& clock, Random& random, const LedgerOptions& options);
  ~LedgerImpl() override;

  // Recovery (ledger/recovery.cc).
  absl::Status Recover();
  // Makes the server's own log where it is wanted and there is none.
  absl::Status EnsureSystemLog();

  void Apply(std::span<sequencer::Request* const> requests,
             std::vector<RequestResult>* results) override;
  absl::Status MakeDurable() override;
  absl::Status CheckRoom(size_t bytes) const override;
  absl::StatusOr<std::vector<LogRef>> Publish() override;
  size_t unpublished_logs() const override;
  void StopSigning(std::string_view reason) override;
  absl::Status PrepareJournal(bool in_burst) override {
    return PrepareFiles(UINT32_MAX, in_burst ? kSparesInBurst : UINT64_MAX);
  }
  absl::StatusOr<bool> Seal(bool in_haste) override;
  double journal_fill() const override;
  absl::StatusOr<LogRef> CreateLog(std::string_view name, std::string_view origin,
                                   uint64_t duplicate_window) override;
  LogRef FindLog(std::string_view name) const override;
  std::vector<LogRef> Logs() const override;
  LogInfo Info(LogRef log) const override;
  std::shared_ptr<const Published> GetPublished(LogRef log) const override;
  std::shared_ptr<const Published> GetCheckpoint(LogRef log, CheckpointLevel level) const override;
  bool wants_witnesses() const override { return options_.policy.wants_witnesses(); }
  absl::Status AddCosigned(LogRef log, std::string_view note) override;
  absl::Status AddTimeStamp(LogRef log, std::string_view note, std::string_view token) override;
  absl::StatusOr<Hash> RootAt(LogRef log, TreeSize size) const override;
  TreeSize DurableSize(LogRef log) const override;
  absl::Status ReadRecords(LogRef log, LogIndex first, uint64_t count,
                           const RecordVisitor& visit) const override;
  absl::Status ReadHashes(LogRef log, int level, uint64_t first,
                          std::span<Hash> out) const override;
  absl::StatusOr<LogIndex> FindEvent(LogRef log, std::string_view event_id) const override;
  absl::StatusOr<ProofAnswer> InclusionProof(LogRef log, LogIndex index,
                                             TreeSize size) const override;
  absl::StatusOr<ProofAnswer> ConsistencyProof(LogRef log, TreeSize old_size,
                                               TreeSize new_size) const override;
  absl::StatusOr<std::string> Receipt(LogRef log, LogIndex index,
                                      CheckpointLevel level) const override;
  std::unique_ptr<scrub::Scrubber> MakeScrubber(
      std::function<void(const scrub::Finding&)> on_finding) override;
  LedgerStatus status() const override;
  absl::Status Close() override;

 private:
  friend class Recovery;

  std::vector<Log*> AllLogs() const;
  // No events are taken until the folder has been opened again. Returns `cause`.
  absl::Status Stop(const absl::Status& cause);
  // Signs and shows `end`. REQUIRES: the guard names it and is synced.
  absl::Status SignAndShow(Log& log, const shelf::LogEnd& end);
  // Puts the log on the list of those whose newest checkpoint is to be kept, when it is its turn.
  void WantCheckpointKept(Log& log);
  // Takes one log off that list. False: it is empty.
  absl::StatusOr<bool> KeepNextCheckpoint();
  absl::Status KeepCheckpoint(Log& log);
  // Puts a signed note into the log's file of checkpoints, unless it is the newest there already.
  absl::Status KeepNote(Log& log, const std::string& note);
  // Keeps what was cosigned, if it is its turn, and serves it unless a larger one is.
  absl::Status ShowCosigned(Log& log, const note::Checkpoint& checkpoint, std::string note);
  static std::shared_ptr<const Published> MakeCosigned(const Log& log,
                                                       const note::Checkpoint& checkpoint,
                                                       std::string note);
  // Recovery: what was cosigned before the stop is served again.
  absl::Status RestoreCosigned(Log& log);
  absl::Status RestoreStamped(Log& log);
  // Under the lock of the checkpoints, or in recovery.
  static void ShowStamped(Log& log, const note::Checkpoint& checkpoint, std::string note,
                          std::string token);
  // A log whose unsealed records must go into a segment although no journal file waits for it: the
  // duplicate table has let go of them, or too many wait (then the log with the most). Null: none.
  Log* TailToCarry();
  // The first of the two reasons alone.
  Log* TailWithoutTable() const;
  absl::StatusOr<Log*> MakeLog(const std::string& name, const std::string& origin,
                               uint64_t duplicate_window);
  // Of a log that got none.
  std::string NewOrigin(std::string_view name);
  std::string SegmentsFolder(const Log& log) const;
  std::string JournalFolder() const;
  std::string GuardPath() const;
  // Its presence says that the last stop was clean.
  std::string CleanStopPath() const;
  uint64_t UnsealedRecords() const;
  absl::Status CheckSpace();
  // Makes ready the journal files that are wanted, at most `files_max`: each takes the time of
  // writing it.
  static constexpr uint64_t kSparesInBurst = 2;
  // At most so many files, and none once `enough` are ready.
  absl::Status PrepareFiles(uint32_t files_max, uint64_t enough = UINT64_MAX);

  io::FileSystem& fs_;
  Clock& clock_;
  Random& random_;
  const LedgerOptions options_;
  std::unique_ptr<store::DataFolder> folder_;

  mutable std::shared_mutex logs_mutex_;  // guards the two maps; logs are never removed
  std::map<std::string, std::unique_ptr<Log>, std::less<>> logs_;
  std::vector<Log*> logs_by_number_;
  std::mutex create_mutex_;  // one CreateLog at a time; guards next_log_number_
  uint32_t next_log_number_ = 1;

  mutable shelf::SegmentCache segments_;
  std::unique_ptr<journal::Journal> journal_;
  std::unique_ptr<shelf::StoredRecords> records_;
  mutable std::mutex table_mutex_;  // guards the duplicate table
  std::unique_ptr<DuplicateFinder> duplicates_;
  std::atomic<uint64_t> table_drops_{0};  // of the duplicate table, when it was last added to
  // Of them, for how many it is known that every log's tail is covered. The sealing thread's own.
  std::optional<uint64_t> table_drops_seen_;
  std::unique_ptr<BatchWriter> writer_;
  std::unique_ptr<Sealer> sealer_;
  WriteGate gate_;

  mutable std::mutex dirty_mutex_;
  std::vector<Log*> dirty_;  // grew since they were published

  std::mutex publish_mutex_;  // guards the guard
  std::unique_ptr<store::Guard> guard_;

  bool signing_stopped_ = false;  // guarded by publish_mutex_

  // One writer of a file of checkpoints at a time; guards what follows.
  std::mutex checkpoints_mutex_;
  std::map<Log*, int64_t> cosigned_kept_ns_;

  std::mutex keep_mutex_;                       // guards what follows
  std::map<Log*, int64_t> checkpoint_kept_ns_;  // when one was last wanted in the log's file
  std::deque<Log*> to_keep_;

  std::string recovery_report_;
  bool guard_on_data_device_ = false;
  std::atomic<uint64_t> disk_free_bytes_{0};
  std::atomic<uint64_t> events_appended_{0};
  std::atomic<uint64_t> events_duplicate_{0};
  std::atomic<uint64_t> requests_refused_{0};
  std::atomic<uint64_t> batches_{0};
  std::atomic<uint64_t> checkpoints_signed_{0};
  std::atomic<uint64_t> unsealed_records_{0};
};

}  // namespace graven::ledger
