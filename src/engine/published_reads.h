#pragma once

#include <cstdint>
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

// Reading never sees more than is published. What is durable and not published yet is waited for,
// 5 s at most, because its writer may have been told of it: kUnavailable, NOT_PUBLISHED_YET, after
// that. Thread-safe; may block on the disk and for the wait.
class PublishedReads {
 public:
  PublishedReads(const ledger::Ledger& ledger, PublicationHub& hub) : ledger_(ledger), hub_(hub) {}

  // kNotFound, LOG_NOT_FOUND. An empty name is "default".
  absl::StatusOr<ledger::LogRef> FindLog(std::string_view name) const;

  // Waits until `size` records are published. kNotFound, INDEX_NOT_FOUND: beyond the durable size.
  absl::Status Await(ledger::LogRef log, TreeSize size) const;

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

  // A size of 0 means that of the newest checkpoint. kInvalidArgument: names the field.
  absl::StatusOr<ledger::ProofAnswer> InclusionProof(ledger::LogRef log, uint64_t index,
                                                     TreeSize size) const;
  absl::StatusOr<ledger::ProofAnswer> ConsistencyProof(ledger::LogRef log, TreeSize old_size,
                                                       TreeSize new_size) const;

  // The receipt file of a record.
  absl::StatusOr<std::string> Receipt(ledger::LogRef log, uint64_t index) const;

 private:
  const ledger::Ledger& ledger_;
  PublicationHub& hub_;
};

}  // namespace graven::engine
