#include "ledger/sealer.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "record/event_id.h"
#include "record/record.h"

namespace graven::ledger {

absl::StatusOr<bool> Sealer::Step(const std::vector<Log*>& logs, store::SegmentCodec codec) {
  const std::optional<journal::JournalFileInfo> oldest = journal_.Oldest();
  const journal::LogRange* unsealed = nullptr;
  if (oldest && !oldest->current) {
    unsealed = FirstUnsealed(*oldest);
    // First what takes no room on the disk and may give some back.
    if (unsealed == nullptr) {
      RETURN_IF_ERROR(Retire(*oldest));
      return true;
    }
  }
  ASSIGN_OR_RETURN(bool sealed, SealFullRange(logs, codec));
  if (sealed || unsealed == nullptr) return sealed;
  return EmptyOldest(*unsealed, codec);
}

const journal::LogRange* Sealer::FirstUnsealed(const journal::JournalFileInfo& file) const {
  for (const journal::LogRange& range : file.logs) {
    Log* log = options_.log_of(range.log_number);
    GRAVEN_CHECK(log != nullptr);
    if (range.end.value > log->segments()->end().value) return &range;
  }
  return nullptr;
}

absl::Status Sealer::Retire(const journal::JournalFileInfo& file) {
  // The journal's copy goes away: the other one must not depend on the page cache.
  for (const journal::LogRange& range : file.logs) {
    Log& log = *options_.log_of(range.log_number);
    if (log.segment_names_synced) continue;
    RETURN_IF_ERROR(fs_.SyncDirectory(options_.segments_folder_of(log)));
    log.segment_names_synced = true;
  }
  return journal_.Retire(file.number);
}

absl::StatusOr<bool> Sealer::SealFullRange(const std::vector<Log*>& logs,
                                           store::SegmentCodec codec) {
  for (size_t i = 0; i < logs.size(); ++i) {
    Log& log = *logs[(next_log_ + i) % logs.size()];
    uint64_t first = log.segments()->final_end().value;
    if (log.read_only() || log.durable().size.value < first + store::kSegmentRecords) continue;
    next_log_ = (next_log_ + i + 1) % logs.size();
    RETURN_IF_ERROR(
        WriteSegment(log, LogIndex(first), TreeSize(first + store::kSegmentRecords), codec));
    return true;
  }
  return false;
}

// `unsealed` are records of the oldest file that stand nowhere else yet.
absl::StatusOr<bool> Sealer::EmptyOldest(const journal::LogRange& unsealed,
                                         store::SegmentCodec codec) {
  // There is no hurry while other files are free.
  if (!room_wanted_ && journal_.UsedNow().files <= options_.journal_files_kept) return false;
  Log& log = *options_.log_of(unsealed.log_number);
  if (unsealed.end.value > log.durable().size.value) {
    if (!log.read_only()) return false;
    return absl::FailedPreconditionError(fmt::format(
        "the journal cannot be emptied: it holds records up to {} of log {}, which is read-only: "
        "{}",
        unsealed.end.value, log.meta.name, log.read_only_reason()));
  }
  const absl::Status carried = CarryTail(log, codec);
  if (absl::IsDataLoss(carried) && log.read_only()) {
    // Known since the start, and no reason to stop the other logs.
    return absl::FailedPreconditionError(
        fmt::format("the journal cannot be emptied: {}", std::string(carried.message())));
  }
  RETURN_IF_ERROR(carried);
  return true;
}

absl::Status Sealer::CarryTail(Log& log, store::SegmentCodec codec) {
  uint64_t first = log.segments()->final_end().value;
  TreeSize end(std::min(log.durable().size.value, first + store::kSegmentRecords));
  return WriteSegment(log, LogIndex(first), end, codec);
}

absl::Status Sealer::WriteSegment(Log& log, LogIndex first, TreeSize end,
                                  store::SegmentCodec codec) {
  const std::string folder = options_.segments_folder_of(log);
  ASSIGN_OR_RETURN(uint64_t free, fs_.FreeBytes(folder));
  if (free < options_.disk_bytes_kept) {
    return absl::ResourceExhaustedError(
        fmt::format("the disk has {} bytes left; {} are kept for a clean stop", free,
                    options_.disk_bytes_kept));
  }
  auto list = log.segments();
  store::SegmentMeta meta;
  meta.origin_hash = Sha256(log.meta.origin);
  meta.first = first;
  meta.previous_hash = log.genesis_hash;
  if (first.value > 0) {
    meta.previous_hash = list->entries[first.value / store::kSegmentRecords - 1].last_hash;
  }
  ASSIGN_OR_RETURN(auto writer, store::SegmentWriter::Create(fs_, folder, meta, codec));
  absl::Status added;
  RETURN_IF_ERROR(records_.VisitUnsealed(
      log, first, end.value - first.value,
      [&](LogIndex, std::string_view record, const Hash& hash) {
        auto header = record::Decode(record);
        if (!header.ok()) {
          added = header.status();
          return false;
        }
        uint64_t fingerprint = fingerprint_(log.meta.fingerprint_key, record::EventIdOf(*header));
        added = writer->Add(record, hash, fingerprint);
        return added.ok();
      }));
  RETURN_IF_ERROR(added);
  // The nodes of full chunks were computed when the records came; what is not here any more, the
  // writer computes.
  std::vector<Hash> nodes((end.value - first.value) / shelf::Tail::kChunkRecords);
  if (!log.tail().Nodes(first.value / shelf::Tail::kChunkRecords, nodes)) nodes.clear();
  ASSIGN_OR_RETURN(store::SegmentSummary summary, writer->Finish(nodes));
  log.segment_names_synced = true;
  // Durable, and nobody reads it yet. A crash here leaves it beside the provisional one, which
  // recovery removes.
  return Replace(log, summary.path);
}

absl::Status Sealer::Replace(Log& log, const std::string& path) {
  ASSIGN_OR_RETURN(auto reader, segments_.Get(path));
  auto list = std::make_shared<shelf::SegmentList>(*log.segments());
  std::string replaced;
  if (!list->entries.empty() && !list->entries.back().final()) {
    replaced = list->entries.back().path;
    list->entries.pop_back();
  }
  list->entries.push_back(shelf::DescribeSegment(*reader));
  TreeSize end = list->end();
  log.SetSegments(std::move(list));
  log.tail().DropBelow(NextIndex(end));
  if (replaced.empty() || replaced == path) return absl::OkStatus();
  segments_.Forget(replaced);
  return fs_.Remove(replaced);
}

}  // namespace graven::ledger
