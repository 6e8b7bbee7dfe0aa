// What recovery makes of the journal: records behind the segments, and of damage who was promised
// what.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <span>
#include <utility>

#include "base/status_macros.h"
#include "journal/journal.h"
#include "ledger/recovery.h"
#include "merkle/leaf.h"
#include "record/event_id.h"
#include "record/record.h"

namespace graven::ledger {
namespace {

class NodesIntoTail final : public merkle::NodeSink {
 public:
  explicit NodesIntoTail(shelf::Tail& tail) : tail_(tail) {}
  void OnNodes(int level, uint64_t first_index, std::span<const Hash> hashes) override {
    if (level != 8) return;
    for (size_t i = 0; i < hashes.size(); ++i) tail_.SetNode(first_index + i, hashes[i]);
  }

 private:
  shelf::Tail& tail_;
};

}  // namespace

absl::Status Recovery::ReplayJournal() {
  auto read = journal::ReadJournal(
      ledger_.fs_, ledger_.JournalFolder(),
      [this](const journal::FrameSection& section) { return ReplaySection(section); });
  if (absl::IsNotFound(read.status())) read = journal::JournalRecovery{};
  RETURN_IF_ERROR(read.status());
  journal_ = *std::move(read);
  return LookIntoDamage();
}

std::optional<Hash> Recovery::HashOf(const Found& found, LogIndex index) const {
  Hash hash;
  shelf::LogNodes nodes(*found.log, ledger_.segments_);
  if (!nodes.Leaves(index, std::span(&hash, 1)).ok()) return std::nullopt;
  return hash;
}

// The checksum that failed covers a whole frame; an operator wants to hear of the record.
absl::Status Recovery::LookIntoDamage() {
  if (!journal_->damage) return absl::OkStatus();
  ASSIGN_OR_RETURN(bad_record_, journal::FindBadRecord(
                                    ledger_.fs_, ledger_.JournalFolder(), *journal_,
                                    [this](uint32_t number) -> std::optional<journal::LogTip> {
                                      Found* found = ByNumber(number);
                                      if (found == nullptr) return std::nullopt;
                                      const Log::Sequenced& end = found->log->sequenced;
                                      return journal::LogTip{end.frontier, end.last_hash,
                                                             [this, found](LogIndex index) {
                                                               return HashOf(*found, index);
                                                             }};
                                    }));
  return absl::OkStatus();
}

uint64_t Recovery::FirstBad(const Found& found) const {
  const bool known = bad_record_ && bad_record_->log_number == found.log->meta.number;
  return known ? bad_record_->index.value : found.size;
}

absl::Status Recovery::ReplaySection(const journal::FrameSection& section) {
  Found* found = ByNumber(section.log_number);
  if (found == nullptr) {
    journal_problem_ = fmt::format(
        "the journal holds records of a log number {} that does not exist", section.log_number);
    return absl::OkStatus();
  }
  Log& log = *found->log;
  if (section.end().value <= found->size || !found->problem.empty()) return absl::OkStatus();
  if (section.first.value > found->size) {
    found->problem =
        fmt::format("log {}: records {} to {} are missing: the journal goes on at {}",
                    log.meta.name, found->size, section.first.value - 1, section.first.value);
    return absl::OkStatus();
  }
  std::vector<Hash> hashes;
  journal::RecordCursor cursor(section);
  std::string_view bytes;
  journal::RecordLocation location;
  for (uint64_t index = section.first.value; cursor.Next(&bytes, &location); ++index) {
    if (index < found->size) continue;  // in a segment already
    auto header = record::Decode(bytes);
    if (!header.ok() || header->index.value != index ||
        header->previous_hash != log.sequenced.last_hash ||
        header->received_at_ns <= log.sequenced.last_received_at_ns) {
      found->problem = fmt::format(
          "log {}: record {} in journal file {:016x} at offset {} does not continue the chain",
          log.meta.name, index, location.file, location.offset);
      break;
    }
    Hash hash = merkle::HashLeaf(bytes);
    hashes.push_back(hash);
    log.tail().Append(hash, journal::RecordCheck(bytes), location);
    ledger_.duplicates_->Insert(
        log, ledger_.duplicates_->Fingerprint(log, record::EventIdOf(*header)), header->index);
    log.sequenced.last_hash = hash;
    log.sequenced.last_received_at_ns = header->received_at_ns;
  }
  NodesIntoTail nodes(log.tail());
  log.sequenced.frontier.AppendAll(hashes, &nodes);
  found->size += hashes.size();
  found->replayed += hashes.size();
  if (found->problem.empty() && log.sequenced.frontier.Root() != section.root) {
    found->problem = fmt::format(
        "log {}: the records up to {} do not have the root that the journal names (file {:016x})",
        log.meta.name, found->size, section.file);
  }
  return absl::OkStatus();
}

absl::Status Recovery::OpenJournal() {
  // Records can be read from here on; which way the journal is opened is decided below.
  ASSIGN_OR_RETURN(ledger_.journal_,
                   journal::Journal::OpenReadOnly(ledger_.fs_, ledger_.JournalFolder(), *journal_));
  ledger_.records_->UseJournal(ledger_.journal_.get());
  for (auto& [number, found] : logs_) {
    Log& log = *found.log;
    log.SetDurable(
        {log.sequenced.size(), log.sequenced.frontier.Root(), log.sequenced.last_received_at_ns});
  }
  return absl::OkStatus();
}

absl::Status Recovery::UseJournal(bool read_only) {
  if (read_only) return absl::OkStatus();
  const LedgerOptions& options = ledger_.options_;
  journal::JournalOptions journal_options;
  journal_options.file_bytes = options.journal_file_bytes;
  journal_options.files_max = options.journal_files_max;
  journal_options.reserve_bytes = options.disk_reserve_bytes;
  journal_options.write_ahead_bytes = options.journal_write_ahead_bytes;
  // A burst fills a file faster than the next one can be written with zeros.
  journal_options.spares = std::clamp<uint64_t>(options.journal_files_max * 3 / 4, 1, 12);
  ASSIGN_OR_RETURN(ledger_.journal_,
                   journal::Journal::Open(ledger_.fs_, ledger_.JournalFolder(), journal_options,
                                          ledger_.random_, *journal_));
  ledger_.records_->UseJournal(ledger_.journal_.get());
  ledger_.writer_ =
      std::make_unique<BatchWriter>(*ledger_.duplicates_, *ledger_.journal_, options.rules);
  ledger_.sealer_ = std::make_unique<Sealer>(
      ledger_.fs_, *ledger_.journal_, ledger_.segments_, *ledger_.records_, options.fingerprint,
      Sealer::Options{
          .journal_files_kept = std::max<uint64_t>(2, options.journal_files_max / 4),
          .disk_bytes_kept = options.disk_reserve_bytes / 2,
          .log_of = [&ledger = ledger_](uint32_t number) -> Log* {
            std::shared_lock lock(ledger.logs_mutex_);
            return number < ledger.logs_by_number_.size() ? ledger.logs_by_number_[number]
                                                          : nullptr;
          },
          .segments_folder_of =
              [&ledger = ledger_](const Log& log) { return ledger.SegmentsFolder(log); }});
  return absl::OkStatus();
}

// Files go away oldest first, so one that has to stay keeps every later one.
std::string Recovery::JournalHeld() const {
  for (const journal::JournalFileInfo& file : journal_->files) {
    for (const journal::LogRange& range : file.logs) {
      const auto found = logs_.find(range.log_number);
      if (found == logs_.end() || found->second.problem.empty()) continue;
      const Log& log = *found->second.log;
      if (range.end.value <= log.segments()->end().value) continue;
      return fmt::format(
          "Log {} is read-only and has records in journal file {:016x} that are in no segment: "
          "that "
          "file and those behind it are kept. When all {} are in use no log takes events: mend the "
          "log, or raise journal_files. ",
          log.meta.name, file.number, ledger_.options_.journal_files_max);
    }
  }
  return "";
}

}  // namespace graven::ledger
