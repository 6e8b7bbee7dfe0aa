#include "engine/published_reads.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/status_macros.h"
#include "engine/error_details.h"

namespace graven::engine {
namespace {

constexpr int64_t kPublicationRetryMs = 1000;

// `not_yet`: what to say when the time is over.
absl::Status WaitIn(PublicationHub& hub, ledger::LogRef log, TreeSize size, int64_t wait_ns,
                    const char* not_yet) {
  switch (hub.WaitFor(log, size, wait_ns)) {
    case PublicationOutcome::kReached:
      return absl::OkStatus();
    case PublicationOutcome::kStopping:
      return StoppingError();
    case PublicationOutcome::kTimedOut:
      break;
  }
  return WithRetryDelay(WithReason(absl::UnavailableError(not_yet), reason::kNotPublishedYet),
                        kPublicationRetryMs);
}

}  // namespace

absl::StatusOr<ledger::LogRef> PublishedReads::FindLog(std::string_view name) const {
  ledger::LogRef log = ledger_.FindLog(name);
  if (log) return log;
  return WithReason(absl::NotFoundError("there is no log of this name"), reason::kLogNotFound);
}

absl::Status PublishedReads::Await(ledger::LogRef log, TreeSize size, int64_t wait_ns) const {
  if (ledger_.GetPublished(log)->size >= size) return absl::OkStatus();
  const TreeSize durable = ledger_.DurableSize(log);
  if (size > durable) {
    return WithReason(absl::NotFoundError(fmt::format("the log has {} records; {} were asked for",
                                                      durable.value, size.value)),
                      reason::kIndexNotFound);
  }
  return WaitIn(hub_, log, size, wait_ns, "the record is durable but not published yet");
}

absl::Status PublishedReads::AwaitServed(ledger::LogRef log, TreeSize size) const {
  RETURN_IF_ERROR(Await(log, size));
  if (!ledger_.wants_witnesses()) return absl::OkStatus();
  return WaitIn(cosigned_hub_, log, size, kPublicationWaitNs,
                "the record is published, and no checkpoint that covers it meets the quorum of the "
                "witnesses yet");
}

absl::StatusOr<std::shared_ptr<const ledger::Published>> PublishedReads::Checkpoint(
    ledger::LogRef log, ledger::CheckpointLevel level) const {
  auto checkpoint = ledger_.GetCheckpoint(log, level);
  if (checkpoint == nullptr) {
    return WithReason(
        absl::NotFoundError(ledger_.wants_witnesses()
                                ? "no checkpoint has met the quorum of the witnesses yet"
                                : "this server has no witnesses, so nothing is cosigned"),
        reason::kIndexNotFound);
  }
  if (checkpoint->checkpoint.empty()) {
    return absl::DataLossError("what is stored does not reach what was signed");
  }
  return checkpoint;
}

absl::StatusOr<LogIndex> PublishedReads::FindEvent(ledger::LogRef log,
                                                   std::string_view event_id) const {
  const TreeSize durable = ledger_.DurableSize(log);
  if (ledger_.GetPublished(log)->size < durable) {
    absl::StatusOr<LogIndex> early = ledger_.FindEvent(log, event_id);
    if (early.ok() || !absl::IsNotFound(early.status())) return early;
    RETURN_IF_ERROR(Await(log, durable));
  }
  absl::StatusOr<LogIndex> found = ledger_.FindEvent(log, event_id);
  if (absl::IsNotFound(found.status())) {
    return WithReason(absl::NotFoundError("there is no event of this id"), reason::kEventNotFound);
  }
  return found;
}

absl::Status PublishedReads::Read(ledger::LogRef log, uint64_t first, uint64_t count,
                                  const ledger::Ledger::RecordVisitor& visit) const {
  if (count > kReadCountMax) {
    return InvalidField("count", fmt::format("is {}; at most {}", count, kReadCountMax));
  }
  if (count == 0) count = kReadCountDefault;
  const uint64_t durable = ledger_.DurableSize(log).value;
  RETURN_IF_ERROR(Await(log, TreeSize(first)));
  if (first < durable) {
    RETURN_IF_ERROR(Await(log, TreeSize(first + std::min(count, durable - first))));
  }
  return ledger_.ReadRecords(log, LogIndex(first), count, visit);
}

absl::Status PublishedReads::ReadOne(ledger::LogRef log, uint64_t index,
                                     const ledger::Ledger::RecordVisitor& visit) const {
  if (index >= kLogIndexLimit) return InvalidField("index", "must be below 2^63");
  RETURN_IF_ERROR(Await(log, SizeThrough(LogIndex(index))));
  bool found = false;
  RETURN_IF_ERROR(ledger_.ReadRecords(log, LogIndex(index), 1,
                                      [&](LogIndex at, std::string_view record, const Hash& hash) {
                                        found = true;
                                        return visit(at, record, hash);
                                      }));
  if (found) return absl::OkStatus();
  return absl::DataLossError("the record is published and cannot be read");
}

absl::StatusOr<ledger::ProofAnswer> PublishedReads::InclusionProof(ledger::LogRef log,
                                                                   uint64_t index,
                                                                   TreeSize size) const {
  if (index >= kLogIndexLimit) return InvalidField("index", "must be below 2^63");
  if (size.value != 0 && index >= size.value) {
    return InvalidField(
        "index", fmt::format("is {}, which a tree of {} records does not have", index, size.value));
  }
  RETURN_IF_ERROR(size.value == 0 ? AwaitServed(log, SizeThrough(LogIndex(index)))
                                  : Await(log, size));
  return ledger_.InclusionProof(log, LogIndex(index), size);
}

absl::StatusOr<ledger::ProofAnswer> PublishedReads::ConsistencyProof(ledger::LogRef log,
                                                                     TreeSize old_size,
                                                                     TreeSize new_size) const {
  if (old_size.value == 0) return InvalidField("old_size", "must be at least 1");
  if (new_size.value != 0 && old_size > new_size) {
    return InvalidField("old_size",
                        fmt::format("is {}; at most new_size, {}", old_size.value, new_size.value));
  }
  RETURN_IF_ERROR(new_size.value == 0 ? AwaitServed(log, old_size) : Await(log, new_size));
  return ledger_.ConsistencyProof(log, old_size, new_size);
}

absl::StatusOr<std::string> PublishedReads::Receipt(ledger::LogRef log, uint64_t index,
                                                    bool stamped) const {
  if (index >= kLogIndexLimit) return InvalidField("index", "must be below 2^63");
  const TreeSize size = SizeThrough(LogIndex(index));
  if (stamped) {
    RETURN_IF_ERROR(Await(log, size));
    const auto newest = ledger_.GetCheckpoint(log, ledger::CheckpointLevel::kStamped);
    if (newest == nullptr || newest->size < size) {
      return WithReason(absl::NotFoundError("no checkpoint with a time stamp covers this record"),
                        reason::kNotPublishedYet);
    }
    return ledger_.Receipt(log, LogIndex(index), ledger::CheckpointLevel::kStamped);
  }
  RETURN_IF_ERROR(AwaitServed(log, size));
  return ledger_.Receipt(log, LogIndex(index));
}

}  // namespace graven::engine
