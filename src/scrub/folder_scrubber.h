#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/clock.h"
#include "io/file_system.h"
#include "journal/journal.h"
#include "journal/journal_recovery.h"
#include "scrub/file_watch.h"
#include "scrub/kept_notes.h"
#include "scrub/place.h"
#include "scrub/scrubber.h"
#include "shelf/log.h"
#include "shelf/segments.h"
#include "store/checkpoints_file.h"
#include "store/data_folder.h"
#include "store/fingerprint.h"

namespace graven::scrub {

// What it reads. Everything outlives the scrubber.
struct ScrubbedFolder {
  io::FileSystem& fs;
  Clock& clock;
  std::function<std::vector<shelf::Log*>()> logs;
  const journal::Journal& journal;
  shelf::SegmentCache& segments;
  store::FingerprintFunction fingerprint;
  store::DataPaths paths;
  std::string guard_path;
};

class FolderScrubber final : public Scrubber {
 public:
  FolderScrubber(ScrubbedFolder folder, std::function<void(const Finding&)> on_finding);

  absl::StatusOr<bool> Step(const Pace& pace) override;
  void Watch() override;
  absl::Status KeepPlace() override;
  State status() const override;

 private:
  // Told once each; beyond this many some are told again.
  static constexpr size_t kFindingsTold = 10'000;

  struct KeptFile {
    std::string path;
    const store::FrameWords& words;
  };
  std::array<KeptFile, 2> KeptFilesOf(const shelf::Log& log) const;

  std::string PlacePath() const;
  void Found(Finding finding);
  void Count(uint64_t bytes, uint64_t records);
  absl::Status StepLogs(const Pace& pace);
  absl::StatusOr<bool> StepJournal(const Pace& pace);
  absl::Status CheckSegment(const shelf::Log& log, const shelf::SegmentList& list, size_t position,
                            const Pace& pace);
  // The file of kept checkpoints, or that of time stamps.
  absl::Status CheckKept(const shelf::Log& log, const KeptFile& file, const Pace& pace);
  // Something in words when the note is not one of the log's tree.
  std::optional<std::string> WhatIsWrong(const shelf::Log& log, std::string_view note) const;
  void WatchKept(const shelf::Log& log, const KeptFile& file);
  absl::Status CheckJournalFile(const journal::JournalFileInfo& file, const Pace& pace);
  // Of the records that are in no segment yet, by their hashes.
  std::optional<Finding> FirstBadInJournal(const journal::JournalFileInfo& file,
                                           const std::string& path) const;
  static bool IsUsed(const shelf::Log& log, const std::string& segment_path);
  void CheckGuard();
  void SetProgress();

  const ScrubbedFolder folder_;
  const std::function<void(const Finding&)> on_finding_;
  FileWatch watch_;
  struct SeenFrames {
    uint64_t file_bytes = 0;  // of the last look
    KeptNotes notes;
  };
  std::map<std::string, SeenFrames> kept_;  // by path
  bool watched_ = false;
  Place place_;
  std::optional<Place> first_bad_place_;
  std::set<std::tuple<std::string, uint64_t, std::string>> told_;
  mutable std::mutex mutex_;  // guards status_
  State status_;
};

}  // namespace graven::scrub
