#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "base/random.h"
#include "io/file_system.h"
#include "journal/frame_builder.h"
#include "journal/journal_recovery.h"

// The journal: the one hot file sequence of a server, in which batches of records of all logs stand
// in the order they were made durable. One append and one sync make a batch durable, for any number
// of logs.
//
// Threads: Append by one thread, the writer. Sync by one thread at a time; it may be another than
// the writer. Everything else from any thread.
//
// Invariants:
// - Bytes of an earlier incarnation are never changed: opening starts a new file, whose header
//   says where the previous one ends.
// - Appends go only into files whose blocks were written and synced before (pre-zeroed or
//   recycled), so a full disk is met in PrepareSpare, not in Append.
// - After one failed write or sync nothing is written any more: what the disk holds is not known.
// - A file is recycled only when it was retired, all older ones are gone, and a newer one is in
//   use.

namespace graven::journal {

struct JournalOptions {
  uint64_t file_bytes = uint64_t{64}
                        << 20;  // of each file; a multiple of 4096, at most 4 GiB - 4096
  uint64_t files_max = 64;      // of the folder; beyond, PrepareSpare waits for the sealer
  uint64_t spares = 1;          // files to keep prepared
  uint64_t reserve_bytes = 0;   // free space that PrepareSpare leaves on the disk
  // Less than this WriteAhead leaves to Append.
  uint64_t write_ahead_bytes = uint64_t{128} << 10;
};

// Where a frame was appended: add FrameBuilder::last_record_offset to find a record.
struct FramePosition {
  uint64_t file = 0;
  uint32_t offset = 0;
};

class Journal {
 public:
  // Goes on behind the last frame that `recovery` believed; everything behind that is cut for ever,
  // as soon as the first Sync returns. The caller has decided that this loses nothing that was
  // promised. Creates the folder when missing. On return every believed frame is durable: those of
  // which that is not proven are written again, the same bytes to the same place, and synced (a
  // process may have died before its sync; and after a failed one the system may say OK without
  // having written). A new file is prepared by PrepareSpare, not here. kInvalidArgument: options
  // out of range.
  static absl::StatusOr<std::unique_ptr<Journal>> Open(io::FileSystem& fs, const std::string& dir,
                                                       const JournalOptions& options,
                                                       Random& random,
                                                       const JournalRecovery& recovery);

  // For reading alone: Append, Sync, PrepareSpare and Retire fail with kFailedPrecondition.
  static absl::StatusOr<std::unique_ptr<Journal>> OpenReadOnly(io::FileSystem& fs,
                                                               const std::string& dir,
                                                               const JournalRecovery& recovery);

  ~Journal();

  // The largest frame that a file of `file_bytes` holds.
  static size_t FrameBytesMax(uint64_t file_bytes);

  // Whether a frame of this size could be appended now. Without side effects.
  bool HasRoomFor(size_t frame_bytes) const;

  // Appends the frame (not empty, all sections ended). Not durable before Sync. Readers see it at
  // once. kResourceExhausted: no prepared file; nothing was written, PrepareSpare and try again.
  // kUnavailable: the write failed, what is on disk is unknown; dead from now on.
  // kFailedPrecondition: dead since an earlier failure, or read-only.
  absl::StatusOr<FramePosition> Append(FrameBuilder& frame);

  // Hands to the disk what changes no more of a frame that still grows (no open section), so that
  // Sync finds less to do. Nothing of it counts before Append, which writes the header. Does
  // nothing when that is little, or when the frame may not fit into the current file. The next
  // frame appended must be this one. kUnavailable: as of Append.
  absl::Status WriteAhead(const FrameBuilder& frame);

  // Everything appended before the call is durable on return.
  // kUnavailable: the sync failed, what is on disk is unknown; dead from now on.
  // kFailedPrecondition: dead since an earlier failure, or read-only.
  absl::Status Sync();

  // Whether fewer files than `options.spares`, and fewer than `enough`, are prepared.
  bool NeedsSpare(uint64_t enough = UINT64_MAX) const;

  // Prepares the next file: takes a retired one, or writes zeros; durable on return, its name too.
  // Takes the time of writing a whole file: for a background thread. One call at a time.
  // kResourceExhausted: the disk is full but for the reserve, or the folder holds files_max files
  // already (the sealer is behind); nothing is left behind, try again later. Other errors: of the
  // disk; the journal itself goes on.
  absl::Status PrepareSpare();

  // Every record of this file is durable elsewhere. Its bytes may be used again, and reading it
  // ends with kNotFound. Returns at once; the file is recycled by PrepareSpare or removed by
  // RemoveRetired. kNotFound: no such file. kFailedPrecondition: it is the current one.
  absl::Status Retire(uint64_t file);

  // Removes retired files that are not needed as spares. Durable on return.
  absl::Status RemoveRetired();

  // The files that hold records, oldest first; retired ones are not among them.
  std::vector<JournalFileInfo> Files() const;
  // The first of Files(); nothing when there is none.
  std::optional<JournalFileInfo> Oldest() const;
  // How much Files() holds, without the logs of each: cheap, however many logs.
  struct Usage {
    uint64_t files = 0;
    uint64_t bytes = 0;
  };
  Usage UsedNow() const;

  // Reads the exact bytes of one record into `out`. Appended records are readable before they are
  // durable. Checks nothing: the caller knows the record's hash. kNotFound: the file was retired;
  // the record is in a segment by then.
  absl::Status Read(const RecordLocation& location, std::string* out) const;

  // Reads all sections of one file, as far as it was durable at the time of the call, with all
  // checks. kNotFound: the file was retired. kDataLoss: names file and offset. Errors of
  // `on_section` end it.
  absl::Status ReadFile(uint64_t file, const SectionCallback& on_section) const;

  // Whether a write or sync failed.
  bool dead() const { return dead_.load(std::memory_order_acquire); }

 private:
  // One file that holds frames. The handle is shared: a reader that still has it when the file is
  // retired goes on reading the old bytes, because such a file is unlinked, not recycled.
  struct OpenFile {
    uint64_t number = 0;
    JournalSalt salt{};
    std::shared_ptr<io::File> file;
    uint64_t appended = 0;  // end of the last appended frame
    uint64_t durable = 0;   // end of the last synced one
    bool retired = false;
    absl::flat_hash_map<uint32_t, LogRange> logs;
  };
  static bool HoldsRecords(const OpenFile& file) { return !file.retired && !file.logs.empty(); }

  Journal(io::FileSystem& fs, std::string dir, const JournalOptions& options, Random* random);

  absl::Status TakeOver(const JournalRecovery& recovery);
  absl::Status TakeOverUnused(const JournalRecovery& recovery);
  absl::Status SecureUnproven(const JournalRecovery& recovery);
  std::string PathOf(uint64_t number) const;
  absl::Status Die(const absl::Status& cause);
  absl::Status CheckAlive() const;
  std::shared_ptr<OpenFile> FindFile(uint64_t number) const;
  absl::StatusOr<std::shared_ptr<OpenFile>> FileFor(size_t frame_bytes);
  absl::Status WriteRest(OpenFile& file, std::string_view frame);
  std::shared_ptr<OpenFile> StartFile() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string HeaderOf(const OpenFile& file) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CollectRetired() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  JournalFileInfo InfoOf(const OpenFile& file) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  enum class Fate { kNone, kRecycled, kRemoved };
  absl::StatusOr<Fate> TakeAwayOldest(const std::string& path);
  absl::StatusOr<std::shared_ptr<io::File>> RecycleAs(uint64_t number);
  absl::StatusOr<std::shared_ptr<io::File>> CreateZeroed(uint64_t number);

  io::FileSystem& fs_;
  const std::string dir_;
  const JournalOptions options_;
  Random* const random_;  // null: read-only
  std::atomic<bool> dead_{false};

  // Writer thread only.
  uint64_t next_sequence_ = 0;
  uint64_t last_check_ = 0;

  std::atomic<uint64_t> synced_sequence_{0};  // frames below it are durable

  Mutex taking_away_;  // held before mutex_: PrepareSpare and RemoveRetired may run side by side
  // The writer's own: the bytes of the frame under way that stand in a file already.
  struct Ahead {
    uint64_t file = 0;  // number; 0: none
    uint64_t begin = 0, end = 0;
  };
  Ahead ahead_;
  mutable Mutex mutex_;
  using FileMap = std::map<uint64_t, std::shared_ptr<OpenFile>>;
  FileMap files_ ABSL_GUARDED_BY(mutex_);                      // hold frames, or are about to
  std::shared_ptr<OpenFile> current_ ABSL_GUARDED_BY(mutex_);  // null until the first Append
  JournalRecovery::OldFile previous_ ABSL_GUARDED_BY(mutex_);  // of the current one; number 0: none
  std::map<uint64_t, std::shared_ptr<io::File>> spares_ ABSL_GUARDED_BY(mutex_);
  FileMap free_ ABSL_GUARDED_BY(mutex_);  // may be recycled or removed now
  FileMap cut_ ABSL_GUARDED_BY(mutex_);   // the same after the first Sync
  uint64_t next_number_ ABSL_GUARDED_BY(mutex_) = 1;
  uint64_t appended_sequence_ ABSL_GUARDED_BY(mutex_) =
      0;  // next_sequence_, for the syncing thread
};

}  // namespace graven::journal
