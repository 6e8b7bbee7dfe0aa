#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>

#include "io/file_system.h"
#include "journal/journal_recovery.h"
#include "ledger/file_watch.h"
#include "ledger/kept_notes.h"
#include "ledger/log.h"
#include "ledger/scrubber.h"
#include "ledger/segments.h"
#include "store/checkpoints_file.h"

// How far the scrubber has come, and the scrubber itself; private to the room.
namespace graven::ledger {

struct ScrubPlace {
  // First the segments and checkpoints of each log, by number; then the journal's files.
  bool in_journal = false;
  uint32_t log_number = 0;
  uint64_t first = 0;  // of a segment's records, or the number of a journal file
  uint64_t rounds = 0;
  int64_t last_round_ended_ns = 0;
};

// Four lines of text. What cannot be read is the beginning.
std::string FormatScrubPlace(const ScrubPlace& place);
ScrubPlace ParseScrubPlace(std::string_view text);
ScrubPlace ReadScrubPlace(io::FileSystem& fs, const std::string& path);

class LedgerScrubber final : public Scrubber {
 public:
  struct Parts;
  LedgerScrubber(Parts parts, std::function<void(const ScrubFinding&)> on_finding);
  ~LedgerScrubber() override;

  absl::StatusOr<bool> Step(const Pace& pace) override;
  void Watch() override;
  absl::Status KeepPlace() override;
  ScrubStatus status() const override;

 private:
  // Told once each; beyond this many some are told again.
  static constexpr size_t kScrubFindingsTold = 10'000;

  struct KeptFile {
    std::string path;
    const store::FrameWords& words;
  };
  std::array<KeptFile, 2> KeptFilesOf(const Log& log) const;

  std::string PlacePath() const;
  void Found(ScrubFinding finding);
  void Count(uint64_t bytes, uint64_t records);
  absl::Status StepLogs(const Pace& pace);
  absl::StatusOr<bool> StepJournal(const Pace& pace);
  absl::Status CheckSegment(const Log& log, const SegmentList& list, size_t position,
                            const Pace& pace);
  // The file of kept checkpoints, or that of time stamps.
  absl::Status CheckKept(const Log& log, const KeptFile& file, const Pace& pace);
  // Something in words when the note is not one of the log's tree.
  std::optional<std::string> WhatIsWrong(const Log& log, std::string_view note) const;
  void WatchKept(const Log& log, const KeptFile& file);
  absl::Status CheckJournalFile(const journal::JournalFileInfo& file, const Pace& pace);
  // Of the records that are in no segment yet, by their hashes.
  std::optional<ScrubFinding> FirstBadInJournal(const journal::JournalFileInfo& file,
                                                const std::string& path) const;
  static bool IsUsed(const Log& log, const std::string& segment_path);
  void CheckGuard();
  void SetProgress();

  const std::unique_ptr<Parts> parts_;
  const std::function<void(const ScrubFinding&)> on_finding_;
  FileWatch watch_;
  struct SeenFrames {
    uint64_t file_bytes = 0;  // of the last look
    KeptNotes notes;
  };
  std::map<std::string, SeenFrames> kept_;  // by path
  bool watched_ = false;
  ScrubPlace place_;
  std::optional<ScrubPlace> first_bad_place_;
  std::set<std::tuple<std::string, uint64_t, std::string>> told_;
  mutable std::mutex mutex_;  // guards status_
  ScrubStatus status_;
};

}  // namespace graven::ledger
