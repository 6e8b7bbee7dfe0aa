#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/log_index.h"
#include "ledger/duplicate_table.h"
#include "ledger/ledger.h"
#include "shelf/log.h"
#include "shelf/segments.h"
#include "shelf/stored_records.h"
#include "store/fingerprint.h"

namespace graven::ledger {

// Where the bytes of records come from that are applied and not yet durable: the batch being built.
class PendingRecords {
 public:
  virtual ~PendingRecords() = default;
  // REQUIRES: `index` is at or above the durable size of `log` and was applied.
  virtual std::string_view PendingRecord(const Log& log, LogIndex index) const = 0;
};

// A stored record that carries an event id.
struct KnownEvent {
  LogIndex index;
  std::string record;
};

// Finds the record that carries an event id. The table answers for recent records; for older ones
// of the window, after the table had to drop them, the id lists of the segments do; for those that
// are in no segment yet either (a table too small, a log too slow) the records themselves are
// looked through. A hit is confirmed on stored bytes. What touches the table is called under the
// ledger's table lock; Confirm reads stored bytes and needs none.
class DuplicateFinder {
 public:
  DuplicateFinder(const shelf::StoredRecords& records, shelf::SegmentCache& segments,
                  const DuplicateTable::Options& options, store::FingerprintFunction fingerprint)
      : records_(records), segments_(segments), table_(options), fingerprint_(fingerprint) {}

  uint64_t Fingerprint(const Log& log, std::string_view event_id) const {
    return fingerprint_(log.meta.fingerprint_key, event_id);
  }
  // `from`: as in the question that will be asked about it.
  void Prefetch(const Log& log, uint64_t fingerprint, LogIndex from) const {
    table_.Prefetch(fingerprint, table_.ScopeOf(log.meta.number, from));
  }

  // What is asked for: the newest record of `log` with this id, from index `from` to below `size`.
  struct Question {
    const Log& log;
    std::string_view event_id;
    uint64_t fingerprint;
    LogIndex from;
    TreeSize size;
  };
  // What the table says about it.
  struct Hint {
    DuplicateTable::Candidates candidates;
    LogIndex covered_from;
  };
  Hint Ask(const Question& question) const {
    const uint32_t number = question.log.meta.number;
    return {table_.Find(question.fingerprint, question.size, table_.ScopeOf(number, question.from)),
            table_.CoveredFrom(number)};
  }
  // The record, if there is one. `pending` answers for what is not durable yet; null: nothing of
  // that kind is below the question's size. Any thread.
  absl::StatusOr<std::optional<KnownEvent>> Confirm(const Question& question, const Hint& hint,
                                                    const PendingRecords* pending) const;

  void Insert(const Log& log, uint64_t fingerprint, LogIndex index) {
    table_.Insert(fingerprint, index, log.meta.number);
  }
  // Everything of the log at or above `index` has been or will be inserted.
  void StartLog(const Log& log, LogIndex index) { table_.StartLog(log.meta.number, index); }

  DuplicateTable& table() { return table_; }
  const DuplicateTable& table() const { return table_; }

 private:
  // The record at `index` if it carries the id.
  absl::StatusOr<std::optional<KnownEvent>> ConfirmAt(const Question& question, LogIndex index,
                                                      const PendingRecords* pending) const;
  // Finds it among the records below `end`, without the table. kNotFound: a segment was replaced
  // meanwhile.
  absl::StatusOr<std::optional<KnownEvent>> FindWithoutTable(const Question& question, LogIndex end,
                                                             const PendingRecords* pending) const;
  absl::StatusOr<std::optional<KnownEvent>> LookThrough(const Question& question, LogIndex first,
                                                        LogIndex end,
                                                        const PendingRecords* pending) const;

  const shelf::StoredRecords& records_;
  shelf::SegmentCache& segments_;
  DuplicateTable table_;
  store::FingerprintFunction fingerprint_;
};

}  // namespace graven::ledger
