#include "ledger/duplicate_finder.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "record/event_id.h"
#include "record/record.h"

namespace graven::ledger {

absl::StatusOr<std::optional<KnownEvent>> DuplicateFinder::ConfirmAt(
    const Question& question, LogIndex index, const PendingRecords* pending) const {
  KnownEvent known{index, {}};
  if (index.value >= question.log.durable().size.value) {
    if (pending == nullptr) return std::nullopt;
    known.record = pending->PendingRecord(question.log, index);
  } else {
    ASSIGN_OR_RETURN(known.record, records_.Get(question.log, index));
  }
  ASSIGN_OR_RETURN(record::RecordHeader header, record::Decode(known.record));
  if (record::EventIdOf(header) != question.event_id) return std::nullopt;
  return known;
}

absl::StatusOr<std::optional<KnownEvent>> DuplicateFinder::Confirm(
    const Question& question, const Hint& hint, const PendingRecords* pending) const {
  for (LogIndex candidate : hint.candidates) {
    if (candidate < question.from || candidate.value >= question.size.value) continue;
    ASSIGN_OR_RETURN(auto known, ConfirmAt(question, candidate, pending));
    if (known) return known;
  }
  if (hint.covered_from <= question.from) return std::nullopt;
  LogIndex end(std::min(hint.covered_from.value, question.size.value));
  // A provisional segment may be replaced while its list is walked; then the walk begins anew.
  constexpr int kRoundsMax = 100;
  for (int round = 0; round < kRoundsMax; ++round) {
    auto known = FindWithoutTable(question, end, pending);
    if (!absl::IsNotFound(known.status())) return known;
  }
  return absl::DataLossError("a segment is missing");
}

absl::StatusOr<std::optional<KnownEvent>> DuplicateFinder::FindWithoutTable(
    const Question& question, LogIndex end, const PendingRecords* pending) const {
  auto list = question.log.segments();
  LogIndex unsealed = std::max(question.from, NextIndex(list->end()));
  if (unsealed < end) {
    ASSIGN_OR_RETURN(auto known, LookThrough(question, unsealed, end, pending));
    if (known) return known;
  }
  for (auto entry = list->entries.rbegin(); entry != list->entries.rend(); ++entry) {
    if (entry->first >= end) continue;
    if (entry->end.value <= question.from.value) break;
    ASSIGN_OR_RETURN(auto reader, segments_.Get(entry->path));
    ASSIGN_OR_RETURN(std::vector<LogIndex> hits, reader->FindFingerprint(question.fingerprint));
    for (auto hit = hits.rbegin(); hit != hits.rend(); ++hit) {
      if (*hit < question.from || *hit >= end) continue;
      ASSIGN_OR_RETURN(auto known, ConfirmAt(question, *hit, nullptr));
      if (known) return known;
    }
  }
  return std::nullopt;
}

// Slow, and right. Seldom: the background work carries such records into a segment.
absl::StatusOr<std::optional<KnownEvent>> DuplicateFinder::LookThrough(
    const Question& question, LogIndex first, LogIndex end, const PendingRecords* pending) const {
  const uint64_t durable_end = std::min(end.value, question.log.durable().size.value);
  for (uint64_t index = end.value; index > std::max(first.value, durable_end); --index) {
    ASSIGN_OR_RETURN(auto known, ConfirmAt(question, LogIndex(index - 1), pending));
    if (known) return known;
  }
  std::optional<KnownEvent> newest;
  if (first.value >= durable_end) return newest;
  absl::Status decoded;
  RETURN_IF_ERROR(records_.Visit(question.log, first, durable_end - first.value,
                                 [&](LogIndex index, std::string_view record, const Hash&) {
                                   auto header = record::Decode(record);
                                   decoded = header.status();
                                   if (!header.ok()) return false;
                                   if (record::EventIdOf(*header) == question.event_id) {
                                     newest = KnownEvent{index, std::string(record)};
                                   }
                                   return true;
                                 }));
  RETURN_IF_ERROR(decoded);
  return newest;
}

}  // namespace graven::ledger
