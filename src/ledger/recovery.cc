#include "ledger/recovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "base/sha256.h"
#include "base/status_macros.h"
#include "base/status_text.h"
#include "io/durable_file.h"
#include "merkle/proof.h"
#include "note/checkpoint.h"
#include "record/record.h"

namespace graven::ledger {
namespace {

// The frontier of the first `size` records, read from hash rows.
absl::StatusOr<merkle::Frontier> ReadFrontier(shelf::LogNodes& nodes, uint64_t size) {
  std::vector<Hash> roots;
  if (size > 0) {
    for (const merkle::NodeId& node : merkle::NodesOfRange({0, size})) {
      ASSIGN_OR_RETURN(Hash hash, nodes.Node(node.level, node.index));
      roots.push_back(hash);
    }
  }
  return merkle::Frontier::FromSubtreeRoots(TreeSize(size), std::move(roots));
}

}  // namespace

absl::Status LedgerImpl::Recover() { return Recovery(*this).Run(); }

absl::Status Recovery::Run() {
  RETURN_IF_ERROR(OpenFolder());
  RETURN_IF_ERROR(LoadLogs());
  RETURN_IF_ERROR(OpenGuard(!logs_.empty()));
  ledger_.records_ = std::make_unique<shelf::StoredRecords>(ledger_.segments_);
  ledger_.duplicates_ = std::make_unique<DuplicateFinder>(
      *ledger_.records_, ledger_.segments_,
      DuplicateTable::Options{.bytes_max = ledger_.options_.duplicate_table_bytes_max},
      ledger_.options_.fingerprint);
  for (auto& [number, found] : logs_) {
    RETURN_IF_ERROR(LoadSegments(found));
    RETURN_IF_ERROR(BeginTail(found));
    RETURN_IF_ERROR(FillTable(found));
  }
  RETURN_IF_ERROR(ReplayJournal());
  RETURN_IF_ERROR(OpenJournal());
  for (auto& [number, found] : logs_) {
    RETURN_IF_ERROR(HoldAgainstFloor(found));
    RETURN_IF_ERROR(HoldAgainstGuard(found));
  }
  // Damage that reaches into what somebody was told: nothing is written to this folder any more, so
  // that everything that is left can still be looked at.
  bool promised_lost = !journal_problem_.empty();
  if (journal_->damage) {
    // A later frame, be it of another log, was written when what is damaged had been synced.
    promised_lost |= journal_->damage->was_durable;
    for (auto& [number, found] : logs_) promised_lost |= !found.problem.empty();
  }
  if (promised_lost) {
    std::string what = journal_problem_;
    if (journal_->damage) {
      what =
          fmt::format("journal file {:016x} is damaged at offset {} ({})", journal_->damage->file,
                      journal_->damage->offset, journal_->damage->reason);
    }
    for (auto& [number, found] : logs_) {
      if (!found.problem.empty()) what += "; " + found.problem;
    }
    ledger_.gate_.Set(
        WriteState::kReadOnly,
        "acknowledged records are damaged or missing; nothing is written any more: " + what);
  }
  RETURN_IF_ERROR(UseJournal(promised_lost));
  for (auto& [number, found] : logs_) RETURN_IF_ERROR(Show(found));
  ledger_.recovery_report_ = Report();
  for (auto& [number, found] : logs_) {
    RETURN_IF_ERROR(ledger_.RestoreCosigned(*found.log));
    RETURN_IF_ERROR(ledger_.RestoreStamped(*found.log));
  }
  ledger_.unsealed_records_ = ledger_.UnsealedRecords();
  if (ledger_.gate_.state() == WriteState::kReadOnly) return absl::OkStatus();
  // One file is enough to begin with; the background thread makes the others.
  RETURN_IF_ERROR(ledger_.PrepareFiles(1));
  if (logs_.empty()) RETURN_IF_ERROR(ledger_.CreateLog("default", "", 0).status());
  // A full disk is no reason not to start.
  if (ledger_.gate_.state() != WriteState::kActive) return absl::OkStatus();
  const absl::Status made = ledger_.EnsureSystemLog();
  return absl::IsResourceExhausted(made) ? absl::OkStatus() : made;
}

absl::Status Recovery::OpenFolder() {
  const LedgerOptions& options = ledger_.options_;
  ASSIGN_OR_RETURN(ledger_.folder_,
                   store::DataFolder::Open(ledger_.fs_, options.folder,
                                           {.create_if_missing = options.create_if_missing,
                                            .effective_user = options.effective_user}));
  std::string clean = ledger_.CleanStopPath();
  clean_stop_ = ledger_.fs_.Stat(clean).ok();
  if (!clean_stop_) return absl::OkStatus();
  // From now on a crash is a crash.
  RETURN_IF_ERROR(ledger_.fs_.Remove(clean));
  return ledger_.fs_.SyncDirectory(options.folder);
}

absl::Status Recovery::LoadLogs() {
  ASSIGN_OR_RETURN(std::vector<store::LogMeta> metas,
                   store::ReadLogMetas(ledger_.fs_, ledger_.folder_->paths()));
  for (store::LogMeta& meta : metas) RETURN_IF_ERROR(LoadLog(std::move(meta)));
  return absl::OkStatus();
}

absl::Status Recovery::LoadLog(store::LogMeta meta) {
  const std::string name = meta.name;
  std::string key_path = ledger_.folder_->paths().Key(name);
  auto key_text = io::ReadWholeFile(ledger_.fs_, key_path, 4096);
  if (!key_text.ok()) {
    return absl::FailedPreconditionError(
        fmt::format("the private key of log {} is missing ({}): put it back from its backup", name,
                    MessageOf(key_text.status())));
  }
  ASSIGN_OR_RETURN(const io::FileInfo key_file, ledger_.fs_.Stat(key_path));
  if ((key_file.mode & 077) != 0) {
    return absl::FailedPreconditionError(
        fmt::format("{} has mode {:04o}, so that others than its owner may read the private key or "
                    "change it: it must be 0600 (chmod 600)",
                    key_path, key_file.mode));
  }
  if (!key_text->empty() && key_text->back() == '\n') key_text->pop_back();
  auto key = note::SignerKey::Parse(*key_text);
  if (!key.ok() || key->verifier().Format() != meta.vkey) {
    return absl::FailedPreconditionError(fmt::format(
        "{} is not the private key of log {}, whose public key is {}", key_path, name, meta.vkey));
  }
  // A process that died right after it named the metadata may have left the name in the page cache
  // only. Once there is a file of checkpoints, whoever made it had synced the folder before.
  const store::DataPaths& paths = ledger_.folder_->paths();
  if (absl::IsNotFound(ledger_.fs_.Stat(paths.Checkpoints(name)).status())) {
    RETURN_IF_ERROR(ledger_.fs_.SyncDirectory(paths.Log(name)));
  }
  auto log = std::make_unique<Log>(std::move(meta), *std::move(key));
  uint32_t number = log->meta.number;
  logs_[number] = Found{.log = log.get()};
  if (ledger_.logs_by_number_.size() <= number) ledger_.logs_by_number_.resize(number + 1);
  ledger_.logs_by_number_[number] = log.get();
  ledger_.next_log_number_ = std::max(ledger_.next_log_number_, number + 1);
  ledger_.logs_.emplace(name, std::move(log));
  return absl::OkStatus();
}

absl::Status Recovery::OpenGuard(bool any_logs) {
  std::string path = ledger_.GuardPath();
  auto guard = store::Guard::Open(ledger_.fs_, path);
  if (absl::IsNotFound(guard.status())) {
    if (any_logs) {
      return absl::FailedPreconditionError(fmt::format(
          "the guard {} is missing, but there are logs: without it nobody can say what was signed. "
          "Put it back, or name its place with --guard. See docs/operations.md, \"The guard\"",
          path));
    }
    RETURN_IF_ERROR(store::Guard::Create(ledger_.fs_, path));
    guard = store::Guard::Open(ledger_.fs_, path);
  }
  RETURN_IF_ERROR(guard.status());
  ledger_.guard_ = *std::move(guard);
  for (const store::GuardEntry& entry : ledger_.guard_->entries()) {
    ledger_.next_log_number_ = std::max(ledger_.next_log_number_, entry.log + 1);
    // A log whose creation was interrupted has a guard of size 0 and nothing else.
    if (entry.size.value > 0 && ByNumber(entry.log) == nullptr) {
      return absl::FailedPreconditionError(
          fmt::format("the guard {} knows a log number {} of size {} that is not in this folder: "
                      "it is the guard of another folder, or a log was removed",
                      path, entry.log, entry.size.value));
    }
  }
  auto guard_info = ledger_.fs_.Stat(path);
  auto folder_info = ledger_.fs_.Stat(ledger_.options_.folder);
  ledger_.guard_on_data_device_ =
      guard_info.ok() && folder_info.ok() && guard_info->device == folder_info->device;
  return absl::OkStatus();
}

absl::Status Recovery::LoadSegments(Found& found) {
  std::string folder = ledger_.SegmentsFolder(*found.log);
  ASSIGN_OR_RETURN(std::vector<std::string> names, ledger_.fs_.List(folder));
  std::vector<std::string> segments;
  for (const std::string& name : names) {
    if (store::IsSegmentLeftover(name)) {
      RETURN_IF_ERROR(ledger_.fs_.Remove(io::JoinPath(folder, name)));
    } else if (store::ParseSegmentFileName(name)) {
      segments.push_back(name);
    }
  }
  // By first index, the longest of each first: what is shorter was replaced by it.
  std::sort(segments.begin(), segments.end(), [](const std::string& a, const std::string& b) {
    auto x = *store::ParseSegmentFileName(a), y = *store::ParseSegmentFileName(b);
    return x.first != y.first ? x.first < y.first : x.end > y.end;
  });
  return UseSegments(found, segments);
}

absl::Status Recovery::UseSegments(Found& found, const std::vector<std::string>& names) {
  Log& log = *found.log;
  std::string folder = ledger_.SegmentsFolder(log);
  auto list = std::make_shared<shelf::SegmentList>();
  Hash last_hash = log.genesis_hash;
  for (const std::string& name : names) {
    store::SegmentBounds bounds = *store::ParseSegmentFileName(name);
    std::string path = io::JoinPath(folder, name);
    if (bounds.end.value <= list->end().value) {
      // The longer one may have its name in the page cache only.
      RETURN_IF_ERROR(ledger_.fs_.SyncDirectory(folder));
      RETURN_IF_ERROR(ledger_.fs_.Remove(path));
      continue;
    }
    if (bounds.first.value != list->end().value) {
      found.problem =
          fmt::format("log {}: records {} to {} are missing: there is no segment for them",
                      log.meta.name, list->end().value, bounds.first.value - 1);
      break;
    }
    auto reader = ledger_.segments_.Get(path);
    if (!reader.ok()) {
      found.problem = fmt::format("log {}: record {}: {}", log.meta.name, bounds.first.value,
                                  MessageOf(reader.status()));
      break;
    }
    if ((*reader)->origin_hash() != Sha256(log.meta.origin) ||
        (*reader)->previous_hash() != last_hash) {
      found.problem = fmt::format("log {}: record {}: segment {} does not continue the chain",
                                  log.meta.name, bounds.first.value, path);
      break;
    }
    list->entries.push_back(shelf::DescribeSegment(**reader));
    last_hash = list->entries.back().last_hash;
  }
  if (!list->entries.empty()) {
    log.sequenced.last_hash = last_hash;
    log.sequenced.last_received_at_ns = list->entries.back().last_received_at_ns;
  }
  found.size = list->end().value;
  log.SetSegments(std::move(list));
  return absl::OkStatus();
}

absl::Status Recovery::BeginTail(Found& found) {
  Log& log = *found.log;
  // An empty tail, so that nodes come from the rows.
  log.SetTail(std::make_unique<shelf::Tail>(LogIndex(0), std::span<const Hash>()));
  absl::StatusOr<std::vector<Hash>> before = ReadTree(found);
  if (absl::IsDataLoss(before.status())) {
    // The rows of the provisional segment cannot be read. The nodes of the final ones are known.
    found.problem = fmt::format("log {}: {}", log.meta.name, MessageOf(before.status()));
    auto list = std::make_shared<shelf::SegmentList>(*log.segments());
    list->entries.pop_back();
    found.size = list->end().value;
    log.sequenced.last_hash = log.genesis_hash;
    log.sequenced.last_received_at_ns = 0;
    if (!list->entries.empty()) {
      log.sequenced.last_hash = list->entries.back().last_hash;
      log.sequenced.last_received_at_ns = list->entries.back().last_received_at_ns;
    }
    log.SetSegments(std::move(list));
    before = ReadTree(found);
  }
  RETURN_IF_ERROR(before.status());
  log.SetTail(std::make_unique<shelf::Tail>(LogIndex(found.size), *before));
  return absl::OkStatus();
}

// The frontier from the rows of the segments, and the hashes of the records behind the last whole
// chunk of the tail.
absl::StatusOr<std::vector<Hash>> Recovery::ReadTree(Found& found) {
  shelf::LogNodes nodes(*found.log, ledger_.segments_);
  std::vector<Hash> before(found.size % shelf::Tail::kChunkRecords);
  RETURN_IF_ERROR(nodes.Leaves(LogIndex(found.size - before.size()), std::span(before)));
  ASSIGN_OR_RETURN(found.log->sequenced.frontier, ReadFrontier(nodes, found.size));
  return before;
}

absl::Status Recovery::FillTable(Found& found) {
  Log& log = *found.log;
  uint64_t window = log.meta.duplicate_window;
  LogIndex from(found.size > window ? found.size - window : 0);
  ledger_.duplicates_->StartLog(log, from);
  const auto segments = log.segments();
  for (const shelf::SegmentEntry& entry : segments->entries) {
    if (entry.end.value <= from.value) continue;
    ASSIGN_OR_RETURN(auto reader, ledger_.segments_.Get(entry.path));
    absl::Status read = reader->ReadFingerprints([&](uint64_t fingerprint, LogIndex index) {
      if (index >= from) ledger_.duplicates_->Insert(log, fingerprint, index);
    });
    if (absl::IsDataLoss(read)) {
      if (found.problem.empty())
        found.problem = fmt::format("log {}: {}", log.meta.name, MessageOf(read));
      continue;
    }
    RETURN_IF_ERROR(read);
  }
  return absl::OkStatus();
}

Recovery::Found* Recovery::ByNumber(uint32_t number) {
  auto found = logs_.find(number);
  return found == logs_.end() ? nullptr : &found->second;
}

absl::Status Recovery::HoldAgainstFloor(Found& found) {
  if (!found.problem.empty()) return absl::OkStatus();
  Log& log = *found.log;
  for (const journal::LaterSection& later : journal_->later) {
    if (later.log_number != log.meta.number || later.acknowledged.value <= found.size) continue;
    found.problem = fmt::format(
        "log {}: records {} to {} were acknowledged (journal file {:016x}, offset {}, says so) and "
        "cannot be read; the first bad record is {}",
        log.meta.name, found.size, later.acknowledged.value - 1, later.file, later.offset,
        FirstBad(found));
    return absl::OkStatus();
  }
  auto kept = store::CheckpointsFile::Open(ledger_.fs_,
                                           ledger_.folder_->paths().Checkpoints(log.meta.name));
  if (absl::IsDataLoss(kept.status())) {
    found.problem = fmt::format("log {}: {}", log.meta.name, MessageOf(kept.status()));
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(kept.status());
  if (!kept->last()) return absl::OkStatus();
  auto checkpoint = note::OpenCheckpoint(*kept->last(), log.signer.verifier());
  if (!checkpoint.ok()) {
    found.problem = fmt::format("log {}: the newest kept checkpoint is not valid: {}",
                                log.meta.name, MessageOf(checkpoint.status()));
  } else if (checkpoint->size.value > found.size) {
    found.problem = fmt::format(
        "log {}: a checkpoint of size {} was signed and kept, but only {} records are stored; the "
        "first missing or bad record is {}",
        log.meta.name, checkpoint->size.value, found.size, FirstBad(found));
  } else {
    return HoldAgainstSigned(found, checkpoint->size, checkpoint->root);
  }
  return absl::OkStatus();
}

absl::Status Recovery::HoldAgainstSigned(Found& found, TreeSize size, const Hash& signed_root) {
  shelf::LogNodes nodes(*found.log, ledger_.segments_);
  auto root = merkle::RootFromNodes(nodes, size);
  if (absl::IsDataLoss(root.status())) {
    found.problem = fmt::format("log {}: {}", found.log->meta.name, MessageOf(root.status()));
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(root.status());
  if (*root != signed_root) {
    found.problem = fmt::format(
        "log {}: the stored records do not have the root that was signed for size {}: this folder "
        "was rolled back, or is not the one that the guard belongs to",
        found.log->meta.name, size.value);
  }
  return absl::OkStatus();
}

absl::Status Recovery::HoldAgainstGuard(Found& found) {
  Log& log = *found.log;
  std::optional<store::GuardEntry> guard = ledger_.guard_->Find(log.meta.number);
  if (!guard) {
    return absl::FailedPreconditionError(
        fmt::format("the guard {} does not know log {}: it is older than the log. Put back the one "
                    "that belongs to this folder",
                    ledger_.GuardPath(), log.meta.name));
  }
  if (!found.problem.empty()) return absl::OkStatus();
  if (guard->size.value > found.size) {
    found.problem = fmt::format(
        "log {}: {} records were signed, but only {} are stored; the first missing or bad record "
        "is {}",
        log.meta.name, guard->size.value, found.size, FirstBad(found));
    return absl::OkStatus();
  }
  return HoldAgainstSigned(found, guard->size, guard->root);
}

absl::Status Recovery::LastTime(const Log& log, TreeSize size, int64_t* received_at_ns) const {
  if (size.value == 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(std::string record, ledger_.records_->Get(log, LogIndex(size.value - 1)));
  ASSIGN_OR_RETURN(record::RecordHeader header, record::Decode(record));
  *received_at_ns = header.received_at_ns;
  return absl::OkStatus();
}

absl::Status Recovery::Show(Found& found) {
  Log& log = *found.log;
  if (found.problem.empty() && ledger_.gate_.state() != WriteState::kReadOnly) {
    // Ed25519 is deterministic: the same checkpoint as before the stop, and no other, is signed
    // first.
    store::GuardEntry guard = *ledger_.guard_->Find(log.meta.number);
    shelf::LogEnd end{guard.size, guard.root, 0};
    absl::Status last = LastTime(log, guard.size, &end.last_received_at_ns);
    if (last.ok()) {
      RETURN_IF_ERROR(ledger_.SignAndShow(log, end));
      if (found.size > guard.size.value && log.MarkDirty()) ledger_.dirty_.push_back(&log);
      return absl::OkStatus();
    }
    if (!absl::IsDataLoss(last)) return last;
    found.problem = fmt::format("log {}: {}", log.meta.name, MessageOf(last));
  }
  log.SetReadOnly(found.problem.empty() ? ledger_.gate_.reason() : found.problem);
  auto published = std::make_shared<Published>();
  shelf::LogEnd end = log.durable();
  published->size = end.size;
  published->root = end.root;
  published->last_received_at_ns = end.last_received_at_ns;
  if (found.problem.empty()) {
    store::GuardEntry guard = *ledger_.guard_->Find(log.meta.number);
    published->size = guard.size;
    published->root = guard.root;
    note::Checkpoint checkpoint{log.meta.origin, guard.size, guard.root, {}};
    ASSIGN_OR_RETURN(published->checkpoint, note::SignCheckpoint(checkpoint, log.signer));
  }
  log.SetPublished(std::move(published));
  return absl::OkStatus();
}

std::string Recovery::Report() const {
  std::string report;
  uint64_t replayed = 0;
  for (const auto& [number, found] : logs_) {
    replayed += found.replayed;
    if (!found.problem.empty()) report += found.problem + ". ";
  }
  if (ledger_.gate_.state() != WriteState::kReadOnly) report += JournalHeld();
  // A torn end that an earlier start cut is there until something is appended. After a clean stop
  // the guard knows all that there was, so nothing can be missing behind it.
  if (clean_stop_ || logs_.empty()) return report;
  if (ledger_.gate_.state() != WriteState::kReadOnly && journal_->damage) {
    report += fmt::format(
        "A torn end of the journal was cut (file {:016x}, offset {}: {}); nobody had been told "
        "that it was stored. ",
        journal_->damage->file, journal_->damage->offset, journal_->damage->reason);
  }
  report += fmt::format("The last stop was not clean: {} records were read back from the journal.",
                        replayed);
  return report;
}

}  // namespace graven::ledger
