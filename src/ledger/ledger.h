#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log_index.h"
#include "base/random.h"
#include "io/file_system.h"
#include "note/policy.h"
#include "record/rules.h"
#include "sequencer/request.h"
#include "shelf/published.h"
#include "store/fingerprint.h"

namespace graven::scrub {
class Scrubber;  // scrub/scrubber.h
struct Finding;
}  // namespace graven::scrub
namespace graven::shelf {
class Log;
}  // namespace graven::shelf

// The logs themselves. A Ledger holds every log of one data folder: it gives events their index,
// time and chain link, grows the trees, makes batches durable, publishes signed checkpoints, moves
// records from the journal into segments, answers reads and proofs, and recovers all of it.
//
// It owns no thread and reads no clock but the one it is given: it is driven by steps.
//
//   step             who drives it            what is true when it returns OK
//   Apply            the writer thread        the batch has its order; nothing is on disk
//   MakeDurable      the writer thread        everything applied survives power loss
//   Publish          the publisher thread     durable sizes are guarded, signed, readable
//   PrepareJournal   a background thread      see there
//   Seal             a background thread, the same or another: see there
//   everything else  any thread               (reads never see more than is published)
//
// Invariants (design: published <= durable <= sequenced, each only grows): nothing is acknowledged
// before MakeDurable returned OK; nothing is signed before the guard that names it is synced.
namespace graven::ledger {

using shelf::Log;  // not for those above this room; a LogRef names one
using shelf::Published;

// A log of the ledger. Valid as long as the ledger; cheap to copy.
class LogRef {
 public:
  LogRef() = default;
  explicit LogRef(Log* log) : log_(log) {}
  explicit operator bool() const { return log_ != nullptr; }
  bool operator==(const LogRef&) const = default;

  // Constant since creation.
  uint32_t number() const;
  const std::string& name() const;
  const std::string& origin() const;

  Log* get() const { return log_; }

 private:
  Log* log_ = nullptr;
};

// The server's own log. Clients may read it.
inline constexpr std::string_view kSystemLogName = "_system";

struct LedgerOptions {
  std::string folder;
  // Where the guard is; empty: inside the folder. Best on another disk.
  std::string guard_path;
  uint64_t journal_file_bytes = uint64_t{64} << 20;
  uint32_t journal_files_max = 16;
  // Of a batch that still grows, pieces of so many bytes go to the disk early.
  uint64_t journal_write_ahead_bytes = uint64_t{128} << 10;
  // Appends are refused when the disk has less than this left.
  uint64_t disk_reserve_bytes = uint64_t{256} << 20;
  uint64_t duplicate_table_bytes_max = uint64_t{128} << 20;
  uint64_t unsealed_records_max = 3'000'000;
  uint32_t segment_readers_max = 64;
  bool create_if_missing = true;
  // Makes the log `_system`, where the server keeps its own events, when there is none.
  bool system_log = false;
  // The user whose folder it must be.
  uint32_t effective_user = 0;
  // Whose cosignatures a checkpoint needs before it is served; without a quorum, every published
  // one is. Log lines are not looked at.
  note::Policy policy;
  // What an event may be; needed to compare duplicates as messages.
  record::RuleContext rules;
  // Tests make fingerprints collide.
  store::FingerprintFunction fingerprint = &store::EventFingerprint;
};

// Which of a log's checkpoints is meant.
enum class CheckpointLevel {
  kServed,     // kCosigned with a quorum configured, else kPublished
  kPublished,  // the newest that is signed
  kCosigned,   // the newest that meets the witnesses' quorum
  kStamped,    // the newest that was served and has the token of a time stamp authority
};

// What became of one event.
struct EventReceipt {
  LogIndex index;
  Hash record_hash;
  int64_t received_at_ns = 0;
  // It was stored before; the rest is what the writer was told then.
  bool duplicate = false;
};

// What became of one request of a batch.
struct RequestResult {
  // OK; kAborted: the precondition does not hold; kAlreadyExists: an event id is taken by a
  // different event; kResourceExhausted: no room in the journal now, try again;
  // kFailedPrecondition: the log or the ledger takes no events; kInvalidArgument; kDataLoss: a
  // stored record that had to be compared could not be read. Unless OK, nothing of the request is
  // in the log.
  absl::Status status;
  // One for each event, in order; empty unless OK. Valid until the first Apply after MakeDurable.
  std::span<const EventReceipt> receipts;
  uint32_t duplicate_count = 0;
};

struct LogInfo {
  LogRef log;
  std::string name;
  std::string origin;
  std::string vkey;
  int64_t created_at_ns = 0;
  uint64_t duplicate_window = 0;
  Hash genesis_hash;
  TreeSize published_size;
  TreeSize durable_size;
  // Nothing until a checkpoint has met the quorum.
  std::optional<TreeSize> cosigned_size;
  int64_t last_received_at_ns = 0;
  bool read_only = false;
  std::string read_only_reason;
};

struct ProofAnswer {
  TreeSize tree_size;
  Hash leaf_hash;  // of an inclusion proof
  std::vector<Hash> hashes;
  // The newest checkpoint, when the caller asked for the tree of it.
  std::string checkpoint;
};

enum class WriteState {
  kActive,
  kDiskFull,  // no events until there is space; resumes by itself
  kReadOnly,  // stored bytes contradict what was acknowledged
  kStopped,   // a write or sync failed: until the folder is opened again
};

struct LedgerStatus {
  WriteState write_state = WriteState::kActive;
  std::string write_state_reason;
  std::string recovery_report;  // empty after a clean stop
  uint64_t log_count = 0;
  uint64_t journal_bytes_used = 0;
  uint64_t journal_bytes_max = 0;
  uint64_t disk_free_bytes = 0;
  uint64_t disk_reserve_bytes = 0;
  uint64_t duplicate_table_bytes = 0;
  uint64_t duplicate_table_bytes_max = 0;
  uint64_t unsealed_records = 0;
  uint64_t events_appended = 0;
  uint64_t events_duplicate = 0;
  uint64_t requests_refused = 0;
  uint64_t batches = 0;
  uint64_t checkpoints_signed = 0;
  bool guard_on_data_device = false;
};

class Ledger {
 public:
  // Opens the folder, recovers it, signs again exactly what the guard names, and creates the log
  // `default` in a new folder.
  // kFailedPrecondition: in use by another server, from a newer version, missing or foreign key,
  // missing guard beside records. kPermissionDenied: another user's. kDataLoss: metadata that
  // cannot be read. Damage to records is no error here: the ledger opens read-only and status()
  // says why.
  static absl::StatusOr<std::unique_ptr<Ledger>> Open(io::FileSystem& fs, Clock& clock,
                                                      Random& random, const LedgerOptions& options);
  virtual ~Ledger() = default;

  // --- the writer thread ---

  // Applies `requests` in order: duplicates, preconditions, index, time, chain link, tree.
  // `results` gets one entry for each. Nothing is on disk yet, and nothing may be answered before
  // MakeDurable.
  virtual void Apply(std::span<sequencer::Request* const> requests,
                     std::vector<RequestResult>* results) = 0;

  // Everything applied is durable on return: one append to the journal and one sync, whatever the
  // number of logs. Nothing to do without a call of Apply before. On an error the outcome is
  // unknown, every writer must be told so, and the ledger takes no more events until it is opened
  // again (kUnavailable).
  virtual absl::Status MakeDurable() = 0;

  // Whether Apply would find room for a batch of so many bytes of events; if not, why.
  virtual absl::Status CheckRoom(size_t bytes) const = 0;

  // --- the publisher thread ---

  // Publishes the durable size of every log that grew: one guard sync, then a signature each.
  // Returns the logs published. An error stops the ledger like a failed sync; logs whose turn came
  // before it are published nevertheless (GetPublished says which).
  virtual absl::StatusOr<std::vector<LogRef>> Publish() = 0;

  // Logs that Publish would publish now; those that a Publish under way has taken do not count.
  virtual size_t unpublished_logs() const = 0;

  // Nothing is signed any more once this has returned, and no events are taken, until the folder is
  // opened again: what is stored is older than what was signed. Any thread.
  virtual void StopSigning(std::string_view reason) = 0;

  // --- background threads: each of these by one at a time ---

  // Makes ready the next journal files when they are wanted; a full disk is noticed, and its end,
  // here. `in_burst`: only those that the burst itself needs, because writing a file of zeros takes
  // from it what the files are meant for.
  virtual absl::Status PrepareJournal(bool in_burst) = 0;

  // One piece of background work, the most urgent: keeps a checkpoint that is due, retires a
  // journal file, seals one full range of one log, or carries the tail of a slow log out of the
  // journal. False when there is nothing to do. `in_haste`: the journal is filling: do not
  // compress. kResourceExhausted: the disk is full; try again later. kDataLoss: a record that only
  // the journal has is damaged: the ledger takes no more events.
  virtual absl::StatusOr<bool> Seal(bool in_haste) = 0;

  // How full of unsealed records the journal is, 0 to 1.
  virtual double journal_fill() const = 0;

  // --- any thread ---

  // Creates a log and signs its empty tree; durable on return. An empty origin:
  // graven.local/<128-bit random hex>/<name>. kAlreadyExists, kInvalidArgument (name, origin,
  // window).
  virtual absl::StatusOr<LogRef> CreateLog(std::string_view name, std::string_view origin,
                                           uint64_t duplicate_window) = 0;

  // Null when there is none. An empty name is "default".
  virtual LogRef FindLog(std::string_view name) const = 0;
  // By name.
  virtual std::vector<LogRef> Logs() const = 0;
  virtual LogInfo Info(LogRef log) const = 0;
  virtual std::shared_ptr<const Published> GetPublished(LogRef log) const = 0;
  // Null for a level that no checkpoint has reached yet.
  virtual std::shared_ptr<const Published> GetCheckpoint(LogRef log,
                                                         CheckpointLevel level) const = 0;
  // Whether a quorum of witnesses is configured.
  virtual bool wants_witnesses() const = 0;

  // Takes a published checkpoint with cosignatures. On return OK it is what is served, unless a
  // larger one is, and it is durable in the log's file of checkpoints: always when it is the first
  // of its size, else once a minute at most. kFailedPrecondition: the quorum is not met, or nothing
  // is written any more. kInvalidArgument: not a checkpoint that this log published.
  // kUnauthenticated, kDataLoss: a signature is missing or wrong. kResourceExhausted: the disk is
  // full; what was served stays.
  virtual absl::Status AddCosigned(LogRef log, std::string_view note) = 0;

  // Takes the token that a time stamp authority gave for the text of `note`, a checkpoint that was
  // served; whether the token is worth anything is the caller's to know. On return OK both are
  // durable in the log's file of time stamps, and receipts under a checkpoint of this text hold the
  // token. kInvalidArgument: not a checkpoint that this log published, or too long together.
  // kUnauthenticated, kDataLoss: the signature is missing or wrong. kFailedPrecondition: nothing is
  // written any more. kResourceExhausted: the disk is full.
  virtual absl::Status AddTimeStamp(LogRef log, std::string_view note, std::string_view token) = 0;

  // The root of the published tree's first `size` records. kNotFound: beyond it.
  virtual absl::StatusOr<Hash> RootAt(LogRef log, TreeSize size) const = 0;
  virtual TreeSize DurableSize(LogRef log) const = 0;

  // Calls `visit` with the exact bytes and hash of up to `count` published records from `first` on,
  // in order, until `visit` returns false. No error when `first` is not published: nothing is
  // visited. kDataLoss: stored bytes contradict a checksum or hash. Views live during the call
  // only.
  using RecordVisitor =
      std::function<bool(LogIndex index, std::string_view record, const Hash& record_hash)>;
  virtual absl::Status ReadRecords(LogRef log, LogIndex first, uint64_t count,
                                   const RecordVisitor& visit) const = 0;

  // Fills `out` with the nodes `first`, ... of the published tree at `level`: node n covers the
  // records [n << level, (n + 1) << level). Levels 0, 8, 16 and above are slices of what is stored.
  // kNotFound: one of them is not whole within the published size. kDataLoss.
  virtual absl::Status ReadHashes(LogRef log, int level, uint64_t first,
                                  std::span<Hash> out) const = 0;

  // The newest published record with this event id. kNotFound.
  virtual absl::StatusOr<LogIndex> FindEvent(LogRef log, std::string_view event_id) const = 0;

  // Proofs within the published tree. A size of 0 means that of the newest checkpoint that is
  // served. kNotFound: beyond the published size, or that of what is served; no checkpoint has met
  // the quorum yet. kInvalidArgument: index not below the size; old size 0 or above the new one.
  virtual absl::StatusOr<ProofAnswer> InclusionProof(LogRef log, LogIndex index,
                                                     TreeSize size) const = 0;
  virtual absl::StatusOr<ProofAnswer> ConsistencyProof(LogRef log, TreeSize old_size,
                                                       TreeSize new_size) const = 0;

  // The receipt file of a record under the newest checkpoint of a level: a C2SP tlog-proof whose
  // `extra` holds the record, and the checkpoint's time stamp token where there is one. kNotFound:
  // that checkpoint does not reach it.
  virtual absl::StatusOr<std::string> Receipt(
      LogRef log, LogIndex index, CheckpointLevel level = CheckpointLevel::kServed) const = 0;

  // What reads all of it again, in rotation. `on_finding` is called by the thread that drives it.
  // It must be gone before the ledger. One at a time.
  virtual std::unique_ptr<scrub::Scrubber> MakeScrubber(
      std::function<void(const scrub::Finding&)> on_finding) = 0;

  virtual LedgerStatus status() const = 0;

  // Makes durable and publishes what was applied, and marks the stop as clean. The writer,
  // publisher and background threads have ended. Nothing may be called afterwards.
  virtual absl::Status Close() = 0;
};

}  // namespace graven::ledger
