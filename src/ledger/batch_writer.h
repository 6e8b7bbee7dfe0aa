#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/hash.h"
#include "base/log_index.h"
#include "journal/frame_builder.h"
#include "journal/journal.h"
#include "ledger/duplicate_finder.h"
#include "ledger/ledger.h"
#include "record/rules.h"
#include "sequencer/request.h"
#include "shelf/log.h"

namespace graven::ledger {

// Turns ordered requests into records of one journal frame, and the frame into a durable one. The
// writer thread's own; nothing in here is shared but the duplicate table, whose lock the caller
// holds in Apply.
class BatchWriter final : public PendingRecords {
 public:
  // What has become durable of one log.
  struct Grown {
    Log* log;
    uint64_t records;
  };

  BatchWriter(DuplicateFinder& duplicates, journal::Journal& journal, record::RuleContext rules)
      : duplicates_(duplicates), journal_(journal), rules_(rules) {}

  // Bytes that a frame of these requests takes at most.
  static size_t FrameBytesBound(std::span<sequencer::Request* const> requests);

  // Applies requests to the logs that `log_of` names (null: no such log), in order within each log.
  // May be called again before MakeDurable: the batch grows.
  using LogFinder = std::function<Log*(uint32_t number)>;
  void Apply(std::span<sequencer::Request* const> requests, const LogFinder& log_of,
             std::vector<RequestResult>* results);

  bool empty() const { return frame_.empty(); }
  // What the batch takes so far.
  size_t size_bytes() const { return frame_.size_bytes(); }

  // Nothing of the batch has to be made durable: its results are done with.
  void EndBatch() { receipt_blocks_used_ = 0; }

  // Appends the frame and syncs it; then tells each log and returns those that grew.
  absl::StatusOr<std::vector<Grown>> MakeDurable();

  std::string_view PendingRecord(const Log& log, LogIndex index) const override;

  uint64_t events_appended() const { return events_appended_; }
  uint64_t events_duplicate() const { return events_duplicate_; }

 private:
  // One record of the frame being built.
  struct Pending {
    Hash hash;
    uint64_t check;
    uint32_t offset;  // in the frame
    uint32_t length;
  };
  // The part of one log.
  struct Section {
    Log* log;
    TreeSize first;
    std::vector<Pending> records;
    // The nodes of level 8 that these records complete.
    std::vector<std::pair<uint64_t, Hash>> nodes;
  };
  // One event of the request being applied.
  struct Candidate {
    // The first event of the same request with the same id; -1: this is it.
    int32_t same_as = -1;
    // The stored record with the same id; only asked for when this is the first.
    std::optional<KnownEvent> known;
  };

  // `first` is the position of the request's first event among fingerprints_.
  RequestResult ApplyOne(Log& log, const sequencer::Request& request, size_t first);
  // Finds what of the request is stored already; OK, or why the request cannot be applied.
  absl::Status FindKnown(Log& log, const sequencer::Request& request, size_t first,
                         uint64_t* new_events);
  // The first event of the request with the id of event `i`; -1, and remembered, when it is `i`.
  int32_t FindWithinRequest(const sequencer::Request& request,
                            std::span<const uint64_t> fingerprints, size_t i);
  EventReceipt AppendRecord(Log& log, const sequencer::Request& request,
                            const sequencer::NewEvent& event, uint64_t fingerprint);
  void EndSection();
  // The size of the log with the records of the open section.
  TreeSize SizeNow(const Log& log) const;

  DuplicateFinder& duplicates_;
  journal::Journal& journal_;
  const record::RuleContext rules_;

  journal::FrameBuilder frame_;
  std::vector<Section> sections_;
  size_t section_count_ = 0;  // of sections_; the rest is kept for its memory
  Section* open_ = nullptr;
  // The receipts of each Apply of the batch; never resized once results point into them.
  std::vector<std::vector<EventReceipt>> receipt_blocks_;
  size_t receipt_blocks_used_ = 0;
  std::vector<EventReceipt>* receipts_ = nullptr;  // of the Apply under way
  // Of all events of the Apply under way, in the order in which they are applied.
  std::vector<uint64_t> fingerprints_;
  std::vector<uint32_t> order_;
  std::vector<Candidate> candidates_;
  std::vector<uint32_t> within_request_;  // a table: 1 + position of an event of the request
  std::vector<Hash> hashes_;
  uint64_t events_appended_ = 0;
  uint64_t events_duplicate_ = 0;
};

}  // namespace graven::ledger
