#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "io/file_system.h"
#include "journal/journal_damage.h"
#include "journal/journal_recovery.h"
#include "note/keys.h"
#include "store/data_folder.h"
#include "store/guard.h"
#include "store/log_meta.h"
#include "store/segment_reader.h"
#include "verify/chain_checker.h"
#include "verify/folder_checker.h"
#include "verify/producer_sequences.h"

namespace graven::verify {

// The check of one log of a folder; private to folder_checker.cc. Call its steps in this order, so
// that every claimed root is known before the records that lead to it. A step does nothing once
// something was found wrong.
class LogCheck {
 public:
  using RecordFunction = std::function<void(LogIndex index, std::string_view record)>;

  // `pinned`: the key known from outside, if there is one. `on_record`: as in FolderOptions.
  LogCheck(io::FileSystem& fs, const store::DataPaths& paths, const store::LogMeta& meta,
           const note::VerifierKey* pinned, const RecordFunction& on_record,
           int64_t heartbeat_deadline_ns);

  void TakeGuard(const store::GuardEntry& entry);
  // Those with a time stamp too.
  void CheckCheckpoints();
  // `on_bytes` hears of the bytes of each file done.
  void CheckSegments(const std::function<void(uint64_t)>& on_bytes,
                     std::vector<std::string>* notes);
  void CheckSection(const journal::FrameSection& section);
  // What is known so far, for a look into a damaged frame. Valid as long as this is.
  journal::LogTip Tip();
  // This record of a damaged frame is not what was written. `was_durable`: the frame had been
  // synced; without that it may be a torn end that nobody was told about.
  void TakeBadRecord(const journal::BadRecord& bad, bool was_durable);
  // A valid frame behind a damaged place says so.
  void TakeLater(const journal::LaterSection& later);
  LogVerdict Finish();

 private:
  void CheckStamped();
  bool good() const { return verdict_.status.ok(); }
  void Fail(absl::Status status);
  void FailAt(absl::Status status, std::string file, uint64_t offset);
  void FailRecord(LogIndex index, std::string_view what, std::string file, uint64_t offset);
  absl::Status CheckNote(std::string_view note);
  void CheckSegment(const std::string& path);
  absl::Status TakeRecord(std::string_view record);
  // Compares records that stand in a segment already with what the journal has.
  absl::StatusOr<Hash> SealedHash(LogIndex index);

  io::FileSystem& fs_;
  const store::DataPaths& paths_;
  const store::LogMeta meta_;
  const bool pinned_;
  const RecordFunction& on_record_;
  uint64_t promised_ = 0;  // the largest size that guard or checkpoints name
  uint64_t in_order_ = 0;  // records before the bad one of a damaged frame
  std::optional<note::VerifierKey> key_;
  ChainChecker chain_;
  ProducerSequences producers_;
  std::vector<std::pair<store::SegmentBounds, std::string>> segments_;
  std::unique_ptr<store::SegmentReader> open_segment_;
  LogVerdict verdict_;
};

}  // namespace graven::verify
