#include "ledger/duplicate_finder.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "record/record.h"
#include "record/wire.h"

namespace graven::ledger {

std::string_view EventIdOf(const record::RecordHeader& header) {
  if (!header.assigned_event_id.empty()) return header.assigned_event_id;
  // Field 1 of both kinds of body. Clients write fields in any order, so the whole body is walked.
  record::WireReader reader(header.body);
  record::WireField field;
  while (!reader.done() && reader.ReadField(&field)) {
    if (field.number == 1 && field.wire == record::WireType::kBytes) return field.bytes;
  }
  return {};
}

absl::StatusOr<std::optional<KnownEvent>> DuplicateFinder::Confirm(
    const Log& log, std::string_view event_id, LogIndex index,
    const PendingRecords* pending) const {
  KnownEvent known{index, {}};
  if (index.value >= log.durable().size.value) {
    if (pending == nullptr) return std::nullopt;
    known.record = pending->PendingRecord(log, index);
  } else {
    ASSIGN_OR_RETURN(known.record, records_.Get(log, index));
  }
  ASSIGN_OR_RETURN(record::RecordHeader header, record::Decode(known.record));
  if (EventIdOf(header) != event_id) return std::nullopt;
  return known;
}

absl::StatusOr<std::optional<KnownEvent>> DuplicateFinder::Find(
    const Log& log, std::string_view event_id, uint64_t fingerprint, LogIndex from, TreeSize size,
    const PendingRecords* pending) const {
  for (LogIndex candidate : table_.Find(fingerprint, size)) {
    if (candidate < from || candidate.value >= size.value) continue;
    ASSIGN_OR_RETURN(auto known, Confirm(log, event_id, candidate, pending));
    if (known) return known;
  }
  LogIndex covered = table_.CoveredFrom(log.meta.number);
  if (covered <= from) return std::nullopt;
  return FindInSegments(log, event_id, fingerprint, from,
                        LogIndex(std::min(covered.value, size.value)));
}

absl::StatusOr<std::optional<KnownEvent>> DuplicateFinder::FindInSegments(const Log& log,
                                                                          std::string_view event_id,
                                                                          uint64_t fingerprint,
                                                                          LogIndex from,
                                                                          LogIndex end) const {
  auto list = log.segments();
  for (auto entry = list->entries.rbegin(); entry != list->entries.rend(); ++entry) {
    if (entry->first >= end) continue;
    if (entry->end.value <= from.value) break;
    ASSIGN_OR_RETURN(auto reader, segments_.Get(entry->path));
    ASSIGN_OR_RETURN(std::vector<LogIndex> hits, reader->FindFingerprint(fingerprint));
    for (auto hit = hits.rbegin(); hit != hits.rend(); ++hit) {
      if (*hit < from || *hit >= end) continue;
      ASSIGN_OR_RETURN(auto known, Confirm(log, event_id, *hit, nullptr));
      if (known) return known;
    }
  }
  return std::nullopt;
}

}  // namespace graven::ledger
