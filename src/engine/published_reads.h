#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/publication_hub.h"
#include "ledger/ledger.h"

// What all doors read of a log, with the same limits, errors and waiting.
namespace graven::engine {

inline constexpr uint64_t kReadCountDefault = 1000;
inline constexpr uint64_t kReadCountMax = 8192;
inline constexpr int64_t kPublicationWaitNs = 5'000'000'000;

// Reading never sees more than is published. What is durable and not published yet is waited for,
// 5 s at most, because its writer may have been told of it: kUnavailable, NOT_PUBLISHED_YET, after
// that. Thread-safe; may block on the disk and for the wait.
class PublishedReads {
 public:
  PublishedReads(const ledger::Ledger& ledger, PublicationHub& hub, PublicationHub& cosigned_hub)
      : ledger_(ledger), hub_(hub), cosigned_hub_(cosigned_hub) {}

  // kNotFound, LOG_NOT_FOUND. An empty name is "default".
  absl::StatusOr<ledger::LogRef> FindLog(std::string_view name) const;

  // Waits until `size` records are published. kNotFound, INDEX_NOT_FOUND: beyond the durable size.
  absl::Status Await(ledger::LogRef log, TreeSize size, int64_t wait_ns = kPublicationWaitNs) const;

  // Waits until a checkpoint that is served covers `size` records: with a witness quorum
  // configured, one that meets it.
  absl::Status AwaitServed(ledger::LogRef log, TreeSize size) const;

  // The newest checkpoint of a level; by default the one that is served. kNotFound,
  // INDEX_NOT_FOUND: none has met the quorum yet, or there are no witnesses. kDataLoss: what is
  // stored does not reach what was signed.
  absl::StatusOr<std::shared_ptr<const ledger::Published>> Checkpoint(
      ledger::LogRef log, ledger::CheckpointLevel level = ledger::CheckpointLevel::kServed) const;

  // The newest record of that event id. kNotFound, EVENT_NOT_FOUND.
  absl::StatusOr<LogIndex> FindEvent(ledger::LogRef log, std::string_view event_id) const;

  // Visits up to `count` records (0: the default) from `first` on, at most up to the durable size,
  // until `visit` returns false. kInvalidArgument: a count above the limit. kNotFound: `first` is
  // above the durable size.
  absl::Status Read(ledger::LogRef log, uint64_t first, uint64_t count,
                    const ledger::Ledger::RecordVisitor& visit) const;

  // Visits one record. kNotFound, INDEX_NOT_FOUND.
  absl::Status ReadOne(ledger::LogRef log, uint64_t index,
                       const ledger::Ledger::RecordVisitor& visit) const;

  // A size of 0 means that of the newest checkpoint that is served. kInvalidArgument: names the
  // field.
  absl::StatusOr<ledger::ProofAnswer> InclusionProof(ledger::LogRef log, uint64_t index,
                                                     TreeSize size) const;
  absl::StatusOr<ledger::ProofAnswer> ConsistencyProof(ledger::LogRef log, TreeSize old_size,
                                                       TreeSize new_size) const;

  // The receipt file of a record, under the newest checkpoint that is served. `stamped`: under the
  // newest that has a time stamp; kNotFound, NOT_PUBLISHED_YET while none covers the record.
  absl::StatusOr<std::string> Receipt(ledger::LogRef log, uint64_t index,
                                      bool stamped = false) const;

 private:
  const ledger::Ledger& ledger_;
  PublicationHub& hub_;
  PublicationHub& cosigned_hub_;
};

}  // namespace graven::engine
