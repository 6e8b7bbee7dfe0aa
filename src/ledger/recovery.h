#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "journal/journal_damage.h"
#include "journal/journal_recovery.h"
#include "ledger/ledger_impl.h"

namespace graven::ledger {

// Opens a data folder: reads back what is there, decides between a torn tail, which nobody was told
// about and which is cut, and damage, which is never repaired: then the log, or all of them, are
// read-only.
//
// The floor of a log is the largest size that somebody may have been told of: the acknowledged size
// that a later valid frame names, the guard's, the newest kept checkpoint's. Below it nothing may
// be missing.
class Recovery {
 public:
  explicit Recovery(LedgerImpl& ledger) : ledger_(ledger) {}

  absl::Status Run();

 private:
  // What is being found out about one log.
  struct Found {
    Log* log = nullptr;
    // Records of segments and journal, as far as they fit together.
    uint64_t size = 0;
    // The first contradiction, in words; empty: none.
    std::string problem;
    uint64_t replayed = 0;
  };

  absl::Status OpenFolder();
  absl::Status LoadLogs();
  absl::Status LoadLog(store::LogMeta meta);
  absl::Status OpenGuard(bool any_logs);
  absl::Status LoadSegments(Found& found);
  absl::Status UseSegments(Found& found, const std::vector<std::string>& names);
  absl::Status BeginTail(Found& found);
  absl::StatusOr<std::vector<Hash>> ReadTree(Found& found);
  absl::Status FillTable(Found& found);
  absl::Status ReplayJournal();
  absl::Status LookIntoDamage();
  // Nothing if it cannot be read.
  std::optional<Hash> HashOf(const Found& found, LogIndex index) const;
  absl::Status ReplaySection(const journal::FrameSection& section);
  absl::Status HoldAgainstFloor(Found& found);
  absl::Status HoldAgainstGuard(Found& found);
  // Whether the records have the root that was signed. REQUIRES: `size` is not above found.size.
  absl::Status HoldAgainstSigned(Found& found, TreeSize size, const Hash& signed_root);
  absl::Status OpenJournal();
  absl::Status UseJournal(bool read_only);
  absl::Status Show(Found& found);
  // When the last of the first `size` records was received; untouched when there is none.
  absl::Status LastTime(const Log& log, TreeSize size, int64_t* received_at_ns) const;
  std::string JournalHeld() const;
  std::string Report() const;
  // The first record of the log that is damaged or missing.
  uint64_t FirstBad(const Found& found) const;

  Found* ByNumber(uint32_t number);

  LedgerImpl& ledger_;
  std::map<uint32_t, Found> logs_;
  std::optional<journal::JournalRecovery> journal_;
  std::optional<journal::BadRecord> bad_record_;  // in the damaged frame
  // Something in the journal that no torn tail explains: everything is read-only.
  std::string journal_problem_;
  bool clean_stop_ = false;
};

}  // namespace graven::ledger
