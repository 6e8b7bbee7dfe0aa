#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hash.h"
#include "base/log_index.h"
#include "note/checkpoint.h"
#include "note/keys.h"
#include "verify/chain_checker.h"
#include "verify/producer_sequences.h"

namespace graven::verify {

// What an export is held against; the more, the stronger the verdict.
struct ExportOptions {
  // The log's public key. Its name is the origin.
  std::optional<note::VerifierKey> key;
  // A signed checkpoint of the log, at most as large as the export.
  std::string checkpoint;
  // The origin, when there is neither key nor checkpoint.
  std::string origin;
  // Of producers whose sequences are followed beside all that.
  int64_t heartbeat_deadline_ns = ProducerRules{}.heartbeat_deadline_ns;
};

struct ExportVerdict {
  // Pinned only when both key and checkpoint were given.
  Trust trust = Trust::kSelfConsistent;
  LogIndex first;
  uint64_t count = 0;
  Hash last_hash;
  int64_t last_received_at_ns = 0;
  // Whether the first record is known to be the first of that origin.
  bool genesis_checked = false;
  // Of the tree of all records; nothing when the export begins later.
  std::optional<Hash> root;
  // What was held against the tree. Records beyond its size are chained but not signed for.
  std::optional<note::Checkpoint> checkpoint;
  // Completeness, by the producers' own word: no part of what is demanded.
  ProducerReport producers;
};

// Checks an export: records in order, each as its exact bytes, in constant memory. Not thread-safe.
// After the first error nothing more may be added; first_bad() says where.
class ExportChecker {
 public:
  // kInvalidArgument: the checkpoint is malformed or of another log than the key. kDataLoss: its
  // signature does not verify. kUnauthenticated: the key did not sign it.
  static absl::StatusOr<ExportChecker> Start(const ExportOptions& options);

  // The next bytes of a raw export, in which each record stands behind its length as a varint; in
  // pieces of any size. kDataLoss: names the record, what is wrong, and its offset.
  absl::Status AddBytes(std::string_view bytes);

  // The next record of an export in another form. kDataLoss.
  absl::Status AddRecord(std::string_view record);

  // All has been added. kDataLoss: the export ends within a record, or before the checkpoint does.
  // kInvalidArgument: a part of a log cannot be held against a checkpoint.
  absl::StatusOr<ExportVerdict> Finish();

  const std::optional<LogIndex>& first_bad() const {
    return cut_at_ ? cut_at_ : chain_.first_bad();
  }
  // Where the first record that is not wholly checked begins, in a raw export.
  uint64_t offset() const { return offset_; }

 private:
  explicit ExportChecker(ChainChecker chain) : chain_(std::move(chain)) {}

  ChainChecker chain_;
  int64_t heartbeat_deadline_ns_ = 0;
  std::optional<ProducerSequences> producers_;  // from the first record on
  ExportVerdict verdict_;
  std::string pending_;  // bytes of a record that has not come wholly
  uint64_t offset_ = 0;
  std::optional<LogIndex> cut_at_;  // a record that has no length, or that the export ends within
};

}  // namespace graven::verify
