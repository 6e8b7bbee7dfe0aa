#include "scrub/folder_scrubber.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <tuple>
#include <utility>

#include "base/sha256.h"
#include "base/status_macros.h"
#include "base/status_text.h"
#include "io/durable_file.h"
#include "journal/journal_format.h"
#include "merkle/leaf.h"
#include "merkle/proof.h"
#include "note/checkpoint.h"
#include "record/event_id.h"
#include "record/record.h"
#include "shelf/stored_records.h"
#include "shelf/tail.h"
#include "store/guard.h"
#include "store/time_stamps.h"

namespace graven::scrub {
namespace {

// A sector that cannot be read any more is damage like a changed one; no more file handles is not.
bool IsDamage(const absl::Status& status) { return !absl::IsResourceExhausted(status); }

}  // namespace

std::string_view KindText(FindingKind kind) {
  switch (kind) {
    case FindingKind::kRecord:
      return "record";
    case FindingKind::kFile:
      return "file";
    case FindingKind::kCheckpoint:
      return "checkpoint";
  }
  return "";
}

std::string Finding::Text() const {
  std::string text = "scrubber: ";
  if (!log.empty()) text += fmt::format("log {}: ", log);
  if (first_bad) text += fmt::format("first bad record {}: ", first_bad->value);
  return text + fmt::format("{}, offset {}: {}", file, offset, what);
}

FolderScrubber::FolderScrubber(ScrubbedFolder folder,
                               std::function<void(const Finding&)> on_finding)
    : folder_(std::move(folder)), on_finding_(std::move(on_finding)), watch_(folder_.fs) {
  place_ = ReadPlace(folder_.fs, PlacePath());
  status_.rounds = place_.rounds;
  status_.last_round_ended_ns = place_.last_round_ended_ns;
}

std::string FolderScrubber::PlacePath() const {
  return io::JoinPath(folder_.paths.directory(), "scrub");
}

void FolderScrubber::Found(Finding finding) {
  if (!told_.insert({finding.file, finding.offset, finding.what}).second) return;
  if (told_.size() > kFindingsTold) told_.erase(told_.begin());
  finding.found_at_ns = folder_.clock.WallNs();
  {
    std::lock_guard lock(mutex_);
    ++status_.findings_count;
    if (status_.findings.size() < kFindingsKept) status_.findings.push_back(finding);
  }
  if (!first_bad_place_) first_bad_place_ = place_;
  if (on_finding_) on_finding_(finding);
}

void FolderScrubber::Count(uint64_t bytes, uint64_t records) {
  std::lock_guard lock(mutex_);
  status_.bytes += bytes;
  status_.records += records;
}

State FolderScrubber::status() const {
  std::lock_guard lock(mutex_);
  return status_;
}

absl::Status FolderScrubber::KeepPlace() {
  Place kept = first_bad_place_.value_or(place_);
  kept.rounds = place_.rounds;
  kept.last_round_ended_ns = place_.last_round_ended_ns;
  return io::WriteFileDurably(folder_.fs, PlacePath(), FormatPlace(kept));
}

absl::StatusOr<bool> FolderScrubber::Step(const Pace& pace) {
  if (!watched_) Watch();
  bool ended = false;
  if (!place_.in_journal) {
    RETURN_IF_ERROR(StepLogs(pace));
  } else {
    ASSIGN_OR_RETURN(ended, StepJournal(pace));
  }
  SetProgress();
  return ended;
}

absl::Status FolderScrubber::StepLogs(const Pace& pace) {
  std::vector<shelf::Log*> logs = folder_.logs();
  std::sort(logs.begin(), logs.end(), [](const shelf::Log* a, const shelf::Log* b) {
    return a->meta.number < b->meta.number;
  });
  for (shelf::Log* log : logs) {
    if (log->meta.number < place_.log_number) continue;
    if (log->meta.number > place_.log_number) place_.first = 0;
    place_.log_number = log->meta.number;
    const auto segments = log->segments();
    for (size_t i = 0; i < segments->entries.size(); ++i) {
      if (segments->entries[i].first.value < place_.first) continue;
      RETURN_IF_ERROR(CheckSegment(*log, *segments, i, pace));
      place_.first = segments->entries[i].first.value + store::kSegmentRecords;
      return absl::OkStatus();
    }
    for (const KeptFile& file : KeptFilesOf(*log)) RETURN_IF_ERROR(CheckKept(*log, file, pace));
    place_.log_number = log->meta.number + 1;
    place_.first = 0;
    return absl::OkStatus();
  }
  place_.in_journal = true;
  place_.first = 0;
  return absl::OkStatus();
}

absl::StatusOr<bool> FolderScrubber::StepJournal(const Pace& pace) {
  for (const journal::JournalFileInfo& file : folder_.journal.Files()) {
    if (file.number < place_.first) continue;
    RETURN_IF_ERROR(CheckJournalFile(file, pace));
    place_.first = file.number + 1;
    return false;
  }
  CheckGuard();
  place_ = {.rounds = place_.rounds + 1, .last_round_ended_ns = folder_.clock.WallNs()};
  std::lock_guard lock(mutex_);
  status_.rounds = place_.rounds;
  status_.last_round_ended_ns = place_.last_round_ended_ns;
  return true;
}

absl::Status FolderScrubber::CheckSegment(const shelf::Log& log, const shelf::SegmentList& list,
                                          size_t position, const Pace& pace) {
  const shelf::SegmentEntry& entry = list.entries[position];
  const auto still_used = [&] {
    const auto now = log.segments();
    return position < now->entries.size() && now->entries[position].path == entry.path;
  };
  const auto found = [&](FindingKind kind, LogIndex first_bad, uint64_t offset, std::string what) {
    Found({kind, log.meta.name, first_bad, entry.path, offset, std::move(what)});
  };
  // By its name, not by the handle that is open: that one may lead to a file that is gone.
  auto reader = store::SegmentReader::Open(folder_.fs, entry.path);
  std::optional<store::SegmentDamage> damage;
  absl::Status checked = reader.status();
  if (reader.ok()) {
    const auto fingerprint_of = [&](std::string_view record) -> uint64_t {
      const auto header = record::Decode(record);
      return header.ok() ? folder_.fingerprint(log.meta.fingerprint_key, record::EventIdOf(*header))
                         : 0;
    };
    uint64_t bytes = 0;
    absl::Status paced;
    checked = (*reader)->VerifyAll(fingerprint_of, &damage, [&](uint64_t read) {
      bytes += read;
      Count(read, 0);
      paced = pace ? pace(read) : absl::OkStatus();
      return paced;
    });
    RETURN_IF_ERROR(paced);
    // Rows, ids and index, which come in a few large reads.
    const uint64_t rest = (*reader)->file_bytes() - std::min((*reader)->file_bytes(), bytes);
    if (checked.ok()) {
      Count(rest, (*reader)->record_count());
      if (pace) RETURN_IF_ERROR(pace(rest));
    }
  }
  if (!checked.ok()) {
    if (!still_used()) return absl::OkStatus();  // replaced by a longer one meanwhile
    if (absl::IsNotFound(checked)) {
      found(FindingKind::kFile, entry.first, 0, "the file is gone: it was removed or renamed");
      return absl::OkStatus();
    }
    if (!IsDamage(checked)) return checked;
    if (!damage) damage = store::SegmentDamageOf(checked);
    if (!damage) damage = store::SegmentDamage{entry.first, 0, MessageOf(checked)};
    found(FindingKind::kRecord, damage->first_bad, damage->offset, damage->what);
    return absl::OkStatus();
  }
  // Sound in itself; is it the one that the server knows?
  const Hash before = position == 0 ? log.genesis_hash : list.entries[position - 1].last_hash;
  const bool same = (*reader)->origin_hash() == Sha256(log.meta.origin) &&
                    (*reader)->previous_hash() == before &&
                    (*reader)->last_hash() == entry.last_hash &&
                    (!entry.final() || (*reader)->root16() == entry.node16);
  if (!same) {
    found(FindingKind::kRecord, entry.first, 0,
          "the file is sound in itself, but its records are not the ones that are in the tree");
  }
  return absl::OkStatus();
}

std::array<FolderScrubber::KeptFile, 2> FolderScrubber::KeptFilesOf(const shelf::Log& log) const {
  return {KeptFile{folder_.paths.Checkpoints(log.meta.name), store::kCheckpointWords},
          KeptFile{folder_.paths.TimeStamps(log.meta.name), store::kTimeStampWords}};
}

std::optional<std::string> FolderScrubber::WhatIsWrong(const shelf::Log& log,
                                                       std::string_view note) const {
  const auto checkpoint = note::OpenCheckpoint(note, log.signer.verifier());
  if (!checkpoint.ok()) {
    return fmt::format("a kept checkpoint is not valid: {}", MessageOf(checkpoint.status()));
  }
  if (checkpoint->size > log.durable().size) {
    return fmt::format("a checkpoint of size {} was kept; {} records are stored",
                       checkpoint->size.value, log.durable().size.value);
  }
  // What cannot be read of the rows is found where the segment is checked.
  shelf::LogNodes nodes(log, folder_.segments);
  const auto root = merkle::RootFromNodes(nodes, checkpoint->size);
  if (!root.ok() || *root == checkpoint->root) return std::nullopt;
  return fmt::format("the stored records do not have the root that was signed for size {}",
                     checkpoint->size.value);
}

absl::Status FolderScrubber::CheckKept(const shelf::Log& log, const KeptFile& file,
                                       const Pace& pace) {
  KeptNotes::Reading reading(kept_[file.path].notes);
  const auto found = [&](std::string what) {
    Found({FindingKind::kCheckpoint, log.meta.name, std::nullopt, file.path, reading.offset(),
           std::move(what)});
  };
  absl::Status paced;
  const auto check = [&](std::string_view payload) {
    Count(payload.size(), 0);
    paced = pace ? pace(payload.size()) : absl::OkStatus();
    RETURN_IF_ERROR(paced);
    std::optional<std::string> wrong;
    if (file.words.frame == store::kTimeStampWords.frame) {
      // What a token is worth needs the authority's certificates; `receipt verify` has them.
      const auto stamped = store::DecodeStampedNote(payload);
      wrong = stamped ? WhatIsWrong(log, stamped->note) : "not a note and a time stamp token";
    } else {
      wrong = WhatIsWrong(log, payload);
    }
    if (wrong) found(*std::move(wrong));
    reading.Add(payload);
    return absl::OkStatus();
  };
  const absl::Status read =
      store::CheckpointsFile::ForEach(folder_.fs, file.path, check, file.words);
  RETURN_IF_ERROR(paced);
  // A new log has none yet; one that is gone is found by the watch.
  if (absl::IsNotFound(read)) return absl::OkStatus();
  if (read.ok()) {
    if (std::optional<std::string> wrong = reading.End()) found(*std::move(wrong));
    return absl::OkStatus();
  }
  if (!IsDamage(read)) return read;
  found(MessageOf(read));
  return absl::OkStatus();
}

absl::Status FolderScrubber::CheckJournalFile(const journal::JournalFileInfo& file,
                                              const Pace& pace) {
  const std::string path =
      io::JoinPath(folder_.paths.Journal(), journal::JournalFileName(file.number));
  absl::Status paced;
  const absl::Status read =
      folder_.journal.ReadFile(file.number, [&](const journal::FrameSection& section) {
        Count(section.records.size(), section.record_count);
        paced = pace ? pace(section.records.size()) : absl::OkStatus();
        return paced;
      });
  RETURN_IF_ERROR(paced);
  if (absl::IsNotFound(read)) return absl::OkStatus();  // retired meanwhile
  if (!read.ok() && !IsDamage(read)) return read;
  // The checksums were right or not; the hashes say which record is not what was acknowledged.
  const std::optional<Finding> bad = FirstBadInJournal(file, path);
  if (bad) {
    Found(*bad);
  } else if (!read.ok()) {
    Found({FindingKind::kRecord, "", std::nullopt, path, 0, MessageOf(read)});
  }
  return absl::OkStatus();
}

std::optional<Finding> FolderScrubber::FirstBadInJournal(const journal::JournalFileInfo& file,
                                                         const std::string& path) const {
  std::optional<Finding> first;
  std::string bytes;
  for (const shelf::Log* log : folder_.logs()) {
    const auto range =
        std::find_if(file.logs.begin(), file.logs.end(), [&](const journal::LogRange& candidate) {
          return candidate.log_number == log->meta.number;
        });
    if (range == file.logs.end()) continue;
    // What is in a segment already is checked there.
    uint64_t index = std::max(range->first.value, log->segments()->end().value);
    const uint64_t end = std::min(range->end.value, log->durable().size.value);
    while (index < end) {
      const std::vector<shelf::Tail::Entry> entries = log->tail().Find(
          LogIndex(index), std::min<uint64_t>(end - index, shelf::Tail::kChunkRecords));
      if (entries.empty()) break;  // sealed meanwhile
      for (const shelf::Tail::Entry& entry : entries) {
        const LogIndex at(index++);
        if (!entry.location || entry.location->file != file.number) continue;
        const absl::Status read = folder_.journal.Read(*entry.location, &bytes);
        if (absl::IsNotFound(read)) return std::nullopt;  // retired meanwhile
        if (read.ok() && merkle::HashLeaf(bytes) == entry.hash) continue;
        if (!first || entry.location->offset < first->offset) {
          first = Finding{FindingKind::kRecord,
                          log->meta.name,
                          at,
                          path,
                          entry.location->offset,
                          "a record's bytes do not have the hash that is in the tree"};
        }
        index = end;
        break;
      }
    }
  }
  return first;
}

void FolderScrubber::CheckGuard() {
  std::vector<std::pair<const shelf::Log*, TreeSize>> published;
  for (const shelf::Log* log : folder_.logs()) published.emplace_back(log, log->published()->size);
  const auto found = [&](std::string log, std::string what) {
    Found({FindingKind::kCheckpoint, std::move(log), std::nullopt, folder_.guard_path, 0,
           std::move(what)});
  };
  const auto entries = store::Guard::Read(folder_.fs, folder_.guard_path);
  if (!entries.ok()) return found("", fmt::format("the guard: {}", MessageOf(entries.status())));
  for (const auto& [log, size] : published) {
    const auto entry =
        std::find_if(entries->begin(), entries->end(),
                     [&, number = log->meta.number](const auto& e) { return e.log == number; });
    if (entry == entries->end()) {
      found(log->meta.name, "the guard does not know the log: it is an older one");
    } else if (!log->read_only() && entry->size < size) {
      found(log->meta.name, fmt::format("the guard says {} records, but {} are published: it was "
                                        "rolled back",
                                        entry->size.value, size.value));
    }
  }
}

// Whether it was not replaced by a longer segment meanwhile.
bool FolderScrubber::IsUsed(const shelf::Log& log, const std::string& segment_path) {
  const auto now = log.segments();
  return std::any_of(now->entries.begin(), now->entries.end(),
                     [&](const shelf::SegmentEntry& entry) { return entry.path == segment_path; });
}

void FolderScrubber::WatchKept(const shelf::Log& log, const KeptFile& file) {
  const auto tell = [&](std::optional<std::string> wrong) {
    if (!wrong) return;
    Found({FindingKind::kFile, log.meta.name, std::nullopt, file.path, 0, *std::move(wrong)});
  };
  // There is none before the first that is kept.
  tell(watch_.Look(file.path, FileChange::kInPlace, true));
  SeenFrames& seen = kept_[file.path];
  const uint64_t file_bytes = watch_.SizeOf(file.path);
  if (file_bytes == seen.file_bytes) return;
  // It may lose a torn end, but no whole frame.
  uint64_t whole_bytes = 0;
  if (file_bytes >= store::kFirstFrameOffset) {
    // Reads the last frames only; where they are damaged the rotation says it.
    const auto opened = store::CheckpointsFile::Open(folder_.fs, file.path, file.words);
    if (!opened.ok()) return;
    whole_bytes = opened->end();
  }
  seen.file_bytes = file_bytes;
  tell(seen.notes.LookAtEnd(whole_bytes));
}

void FolderScrubber::Watch() {
  watched_ = true;
  watch_.BeginPass();
  const auto tell = [&](const std::string& log, std::optional<LogIndex> first,
                        const std::string& path, std::optional<std::string> wrong) {
    if (wrong) Found({FindingKind::kFile, log, first, path, 0, *std::move(wrong)});
  };
  // Of a file that is always there and never changes.
  const auto look = [&](const std::string& log, const std::string& path) {
    tell(log, std::nullopt, path, watch_.Look(path, FileChange::kNever));
  };
  for (const shelf::Log* log : folder_.logs()) {
    const std::string& name = log->meta.name;
    look(name, folder_.paths.Meta(name));
    look(name, folder_.paths.Key(name));
    for (const KeptFile& file : KeptFilesOf(*log)) WatchKept(*log, file);
    const auto segments = log->segments();  // held: the sealer puts another list in its place
    for (const shelf::SegmentEntry& entry : segments->entries) {
      std::optional<std::string> wrong = watch_.Look(entry.path, FileChange::kNever);
      if (wrong && IsUsed(*log, entry.path)) tell(name, entry.first, entry.path, std::move(wrong));
    }
  }
  look("", folder_.paths.Version());
  tell("", std::nullopt, folder_.guard_path,
       watch_.Look(folder_.guard_path, FileChange::kReplacedWhenLarger));
  for (const journal::JournalFileInfo& file : folder_.journal.Files()) {
    const std::string path =
        io::JoinPath(folder_.paths.Journal(), journal::JournalFileName(file.number));
    std::optional<std::string> wrong = watch_.Look(path, FileChange::kNever);
    if (!wrong) continue;
    const auto now = folder_.journal.Files();
    const bool used = std::any_of(now.begin(), now.end(), [&](const auto& candidate) {
      return candidate.number == file.number;
    });
    if (used) tell("", std::nullopt, path, std::move(wrong));
  }
  watch_.EndPass();
}

// By bytes of the files before the place.
void FolderScrubber::SetProgress() {
  uint64_t done = 0, total = 0;
  for (const shelf::Log* log : folder_.logs()) {
    const auto segments = log->segments();  // held: the sealer puts another list in its place
    for (const shelf::SegmentEntry& entry : segments->entries) {
      const uint64_t bytes = watch_.SizeOf(entry.path);
      total += bytes;
      const auto at = std::tuple(log->meta.number, entry.first.value);
      if (place_.in_journal || at < std::tuple(place_.log_number, place_.first)) done += bytes;
    }
  }
  for (const journal::JournalFileInfo& file : folder_.journal.Files()) {
    total += file.bytes_used;
    if (place_.in_journal && file.number < place_.first) done += file.bytes_used;
  }
  std::lock_guard lock(mutex_);
  status_.progress =
      total == 0 ? 0 : static_cast<double>(done) / static_cast<double>(std::max(done, total));
}

}  // namespace graven::scrub
