#include "ledger/ledger_scrubber.h"

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
#include "ledger/file_watch.h"
#include "ledger/ledger_impl.h"
#include "merkle/leaf.h"
#include "merkle/proof.h"
#include "note/checkpoint.h"
#include "record/record.h"
#include "store/time_stamps.h"

namespace graven::ledger {
namespace {

// A sector that cannot be read any more is damage like a changed one; no more file handles is not.
bool IsDamage(const absl::Status& status) { return !absl::IsResourceExhausted(status); }

}  // namespace

std::string_view ScrubKindText(ScrubKind kind) {
  switch (kind) {
    case ScrubKind::kRecord:
      return "record";
    case ScrubKind::kFile:
      return "file";
    case ScrubKind::kCheckpoint:
      return "checkpoint";
  }
  return "";
}

std::string ScrubFinding::Text() const {
  std::string text = "scrubber: ";
  if (!log.empty()) text += fmt::format("log {}: ", log);
  if (first_bad) text += fmt::format("first bad record {}: ", first_bad->value);
  return text + fmt::format("{}, offset {}: {}", file, offset, what);
}

// What of a ledger the scrubber needs. Everything outlives it.
struct LedgerScrubber::Parts {
  io::FileSystem& fs;
  Clock& clock;
  std::function<std::vector<Log*>()> logs;
  const journal::Journal& journal;
  SegmentCache& segments;
  store::FingerprintFunction fingerprint;
  store::DataPaths paths;
  std::string guard_path;
};

LedgerScrubber::LedgerScrubber(Parts parts, std::function<void(const ScrubFinding&)> on_finding)
    : parts_(std::make_unique<Parts>(std::move(parts))),
      on_finding_(std::move(on_finding)),
      watch_(parts_->fs) {
  place_ = ReadScrubPlace(parts_->fs, PlacePath());
  status_.rounds = place_.rounds;
  status_.last_round_ended_ns = place_.last_round_ended_ns;
}

LedgerScrubber::~LedgerScrubber() = default;

std::string LedgerScrubber::PlacePath() const {
  return io::JoinPath(parts_->paths.directory(), "scrub");
}

void LedgerScrubber::Found(ScrubFinding finding) {
  if (!told_.insert({finding.file, finding.offset, finding.what}).second) return;
  if (told_.size() > kScrubFindingsTold) told_.erase(told_.begin());
  finding.found_at_ns = parts_->clock.WallNs();
  {
    std::lock_guard lock(mutex_);
    ++status_.findings_count;
    if (status_.findings.size() < kScrubFindingsKept) status_.findings.push_back(finding);
  }
  if (!first_bad_place_) first_bad_place_ = place_;
  if (on_finding_) on_finding_(finding);
}

void LedgerScrubber::Count(uint64_t bytes, uint64_t records) {
  std::lock_guard lock(mutex_);
  status_.bytes += bytes;
  status_.records += records;
}

ScrubStatus LedgerScrubber::status() const {
  std::lock_guard lock(mutex_);
  return status_;
}

absl::Status LedgerScrubber::KeepPlace() {
  ScrubPlace kept = first_bad_place_.value_or(place_);
  kept.rounds = place_.rounds;
  kept.last_round_ended_ns = place_.last_round_ended_ns;
  return io::WriteFileDurably(parts_->fs, PlacePath(), FormatScrubPlace(kept));
}

absl::StatusOr<bool> LedgerScrubber::Step(const Pace& pace) {
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

absl::Status LedgerScrubber::StepLogs(const Pace& pace) {
  std::vector<Log*> logs = parts_->logs();
  std::sort(logs.begin(), logs.end(),
            [](const Log* a, const Log* b) { return a->meta.number < b->meta.number; });
  for (Log* log : logs) {
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

absl::StatusOr<bool> LedgerScrubber::StepJournal(const Pace& pace) {
  for (const journal::JournalFileInfo& file : parts_->journal.Files()) {
    if (file.number < place_.first) continue;
    RETURN_IF_ERROR(CheckJournalFile(file, pace));
    place_.first = file.number + 1;
    return false;
  }
  CheckGuard();
  place_ = {.rounds = place_.rounds + 1, .last_round_ended_ns = parts_->clock.WallNs()};
  std::lock_guard lock(mutex_);
  status_.rounds = place_.rounds;
  status_.last_round_ended_ns = place_.last_round_ended_ns;
  return true;
}

absl::Status LedgerScrubber::CheckSegment(const Log& log, const SegmentList& list, size_t position,
                                          const Pace& pace) {
  const SegmentEntry& entry = list.entries[position];
  const auto still_used = [&] {
    const auto now = log.segments();
    return position < now->entries.size() && now->entries[position].path == entry.path;
  };
  const auto found = [&](ScrubKind kind, LogIndex first_bad, uint64_t offset, std::string what) {
    Found({kind, log.meta.name, first_bad, entry.path, offset, std::move(what)});
  };
  // By its name, not by the handle that is open: that one may lead to a file that is gone.
  auto reader = store::SegmentReader::Open(parts_->fs, entry.path);
  std::optional<store::SegmentDamage> damage;
  absl::Status checked = reader.status();
  if (reader.ok()) {
    const auto fingerprint_of = [&](std::string_view record) -> uint64_t {
      const auto header = record::Decode(record);
      return header.ok() ? parts_->fingerprint(log.meta.fingerprint_key, EventIdOf(*header)) : 0;
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
      found(ScrubKind::kFile, entry.first, 0, "the file is gone: it was removed or renamed");
      return absl::OkStatus();
    }
    if (!IsDamage(checked)) return checked;
    if (!damage) damage = store::SegmentDamageOf(checked);
    if (!damage) damage = store::SegmentDamage{entry.first, 0, MessageOf(checked)};
    found(ScrubKind::kRecord, damage->first_bad, damage->offset, damage->what);
    return absl::OkStatus();
  }
  // Sound in itself; is it the one that the server knows?
  const Hash before = position == 0 ? log.genesis_hash : list.entries[position - 1].last_hash;
  const bool same = (*reader)->origin_hash() == Sha256(log.meta.origin) &&
                    (*reader)->previous_hash() == before &&
                    (*reader)->last_hash() == entry.last_hash &&
                    (!entry.final() || (*reader)->root16() == entry.node16);
  if (!same) {
    found(ScrubKind::kRecord, entry.first, 0,
          "the file is sound in itself, but its records are not the ones that are in the tree");
  }
  return absl::OkStatus();
}

std::array<LedgerScrubber::KeptFile, 2> LedgerScrubber::KeptFilesOf(const Log& log) const {
  return {KeptFile{parts_->paths.Checkpoints(log.meta.name), store::kCheckpointWords},
          KeptFile{parts_->paths.TimeStamps(log.meta.name), store::kTimeStampWords}};
}

std::optional<std::string> LedgerScrubber::WhatIsWrong(const Log& log,
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
  LogNodes nodes(log, parts_->segments);
  const auto root = merkle::RootFromNodes(nodes, checkpoint->size);
  if (!root.ok() || *root == checkpoint->root) return std::nullopt;
  return fmt::format("the stored records do not have the root that was signed for size {}",
                     checkpoint->size.value);
}

absl::Status LedgerScrubber::CheckKept(const Log& log, const KeptFile& file, const Pace& pace) {
  KeptNotes::Reading reading(kept_[file.path].notes);
  const auto found = [&](std::string what) {
    Found({ScrubKind::kCheckpoint, log.meta.name, std::nullopt, file.path, reading.offset(),
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
      store::CheckpointsFile::ForEach(parts_->fs, file.path, check, file.words);
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

absl::Status LedgerScrubber::CheckJournalFile(const journal::JournalFileInfo& file,
                                              const Pace& pace) {
  const std::string path =
      io::JoinPath(parts_->paths.Journal(), journal::JournalFileName(file.number));
  absl::Status paced;
  const absl::Status read =
      parts_->journal.ReadFile(file.number, [&](const journal::FrameSection& section) {
        Count(section.records.size(), section.record_count);
        paced = pace ? pace(section.records.size()) : absl::OkStatus();
        return paced;
      });
  RETURN_IF_ERROR(paced);
  if (absl::IsNotFound(read)) return absl::OkStatus();  // retired meanwhile
  if (!read.ok() && !IsDamage(read)) return read;
  // The checksums were right or not; the hashes say which record is not what was acknowledged.
  const std::optional<ScrubFinding> bad = FirstBadInJournal(file, path);
  if (bad) {
    Found(*bad);
  } else if (!read.ok()) {
    Found({ScrubKind::kRecord, "", std::nullopt, path, 0, MessageOf(read)});
  }
  return absl::OkStatus();
}

std::optional<ScrubFinding> LedgerScrubber::FirstBadInJournal(const journal::JournalFileInfo& file,
                                                              const std::string& path) const {
  std::optional<ScrubFinding> first;
  std::string bytes;
  for (const Log* log : parts_->logs()) {
    const auto range =
        std::find_if(file.logs.begin(), file.logs.end(), [&](const journal::LogRange& candidate) {
          return candidate.log_number == log->meta.number;
        });
    if (range == file.logs.end()) continue;
    // What is in a segment already is checked there.
    uint64_t index = std::max(range->first.value, log->segments()->end().value);
    const uint64_t end = std::min(range->end.value, log->durable().size.value);
    while (index < end) {
      const std::vector<Tail::Entry> entries =
          log->tail().Find(LogIndex(index), std::min<uint64_t>(end - index, Tail::kChunkRecords));
      if (entries.empty()) break;  // sealed meanwhile
      for (const Tail::Entry& entry : entries) {
        const LogIndex at(index++);
        if (!entry.location || entry.location->file != file.number) continue;
        const absl::Status read = parts_->journal.Read(*entry.location, &bytes);
        if (absl::IsNotFound(read)) return std::nullopt;  // retired meanwhile
        if (read.ok() && merkle::HashLeaf(bytes) == entry.hash) continue;
        if (!first || entry.location->offset < first->offset) {
          first = ScrubFinding{ScrubKind::kRecord,
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

void LedgerScrubber::CheckGuard() {
  std::vector<std::pair<const Log*, TreeSize>> published;
  for (const Log* log : parts_->logs()) published.emplace_back(log, log->published()->size);
  const auto found = [&](std::string log, std::string what) {
    Found({ScrubKind::kCheckpoint, std::move(log), std::nullopt, parts_->guard_path, 0,
           std::move(what)});
  };
  const auto entries = store::Guard::Read(parts_->fs, parts_->guard_path);
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
bool LedgerScrubber::IsUsed(const Log& log, const std::string& segment_path) {
  const auto now = log.segments();
  return std::any_of(now->entries.begin(), now->entries.end(),
                     [&](const SegmentEntry& entry) { return entry.path == segment_path; });
}

void LedgerScrubber::WatchKept(const Log& log, const KeptFile& file) {
  const auto tell = [&](std::optional<std::string> wrong) {
    if (!wrong) return;
    Found({ScrubKind::kFile, log.meta.name, std::nullopt, file.path, 0, *std::move(wrong)});
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
    const auto opened = store::CheckpointsFile::Open(parts_->fs, file.path, file.words);
    if (!opened.ok()) return;
    whole_bytes = opened->end();
  }
  seen.file_bytes = file_bytes;
  tell(seen.notes.LookAtEnd(whole_bytes));
}

void LedgerScrubber::Watch() {
  watched_ = true;
  watch_.BeginPass();
  const auto tell = [&](const std::string& log, std::optional<LogIndex> first,
                        const std::string& path, std::optional<std::string> wrong) {
    if (wrong) Found({ScrubKind::kFile, log, first, path, 0, *std::move(wrong)});
  };
  // Of a file that is always there and never changes.
  const auto look = [&](const std::string& log, const std::string& path) {
    tell(log, std::nullopt, path, watch_.Look(path, FileChange::kNever));
  };
  for (const Log* log : parts_->logs()) {
    const std::string& name = log->meta.name;
    look(name, parts_->paths.Meta(name));
    look(name, parts_->paths.Key(name));
    for (const KeptFile& file : KeptFilesOf(*log)) WatchKept(*log, file);
    for (const SegmentEntry& entry : log->segments()->entries) {
      std::optional<std::string> wrong = watch_.Look(entry.path, FileChange::kNever);
      if (wrong && IsUsed(*log, entry.path)) tell(name, entry.first, entry.path, std::move(wrong));
    }
  }
  look("", parts_->paths.Version());
  tell("", std::nullopt, parts_->guard_path,
       watch_.Look(parts_->guard_path, FileChange::kReplacedWhenLarger));
  for (const journal::JournalFileInfo& file : parts_->journal.Files()) {
    const std::string path =
        io::JoinPath(parts_->paths.Journal(), journal::JournalFileName(file.number));
    std::optional<std::string> wrong = watch_.Look(path, FileChange::kNever);
    if (!wrong) continue;
    const auto now = parts_->journal.Files();
    const bool used = std::any_of(now.begin(), now.end(), [&](const auto& candidate) {
      return candidate.number == file.number;
    });
    if (used) tell("", std::nullopt, path, std::move(wrong));
  }
  watch_.EndPass();
}

// By bytes of the files before the place.
void LedgerScrubber::SetProgress() {
  uint64_t done = 0, total = 0;
  for (const Log* log : parts_->logs()) {
    for (const SegmentEntry& entry : log->segments()->entries) {
      const uint64_t bytes = watch_.SizeOf(entry.path);
      total += bytes;
      const auto at = std::tuple(log->meta.number, entry.first.value);
      if (place_.in_journal || at < std::tuple(place_.log_number, place_.first)) done += bytes;
    }
  }
  for (const journal::JournalFileInfo& file : parts_->journal.Files()) {
    total += file.bytes_used;
    if (place_.in_journal && file.number < place_.first) done += file.bytes_used;
  }
  std::lock_guard lock(mutex_);
  status_.progress =
      total == 0 ? 0 : static_cast<double>(done) / static_cast<double>(std::max(done, total));
}

std::unique_ptr<Scrubber> LedgerImpl::MakeScrubber(
    std::function<void(const ScrubFinding&)> on_finding) {
  return std::make_unique<LedgerScrubber>(
      LedgerScrubber::Parts{fs_, clock_, [this] { return AllLogs(); }, *journal_, segments_,
                            options_.fingerprint, folder_->paths(), GuardPath()},
      std::move(on_finding));
}

}  // namespace graven::ledger
