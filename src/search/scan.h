#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/candidates.h"
#include "ledger/ledger.h"
#include "query/matcher.h"
#include "query/record_view.h"
#include "search/cursor.h"
#include "search/turn.h"

namespace graven::search {

// A record that matches. Views that live as long as the call that gives them.
struct Hit {
  LogIndex index;
  std::string_view record;
  Hash hash;
  const query::RecordView& view;
};

// What becomes of a hit.
enum class Verdict : uint8_t {
  kGoOn,
  kStop,    // it was taken; the next one will be looked at another time
  kRefuse,  // it was not taken: it will be given again
};

class LiveFilter;

// What is searched. Immutable.
struct ScanSource {
  const ledger::Ledger* ledger = nullptr;
  ledger::LogRef log;
  query::Query query;
  TreeSize size;
  // What the index has of the log; null: nothing. Where it has nothing, every record is read.
  std::shared_ptr<const index::ChunkSet> chunks;
  // Of the same query: who looks at the end of the log with others, and where the index has
  // nothing, takes its word for what matches. Null: judges for himself.
  std::shared_ptr<LiveFilter> filter = nullptr;
};

// The matches of one query in one log below a fixed size, in order, a piece at a time. Every match
// is judged on the record's bytes, which are held against the tree's hash as they are read; an
// index only says which records need not be read.
//
// Not thread-safe: one caller at a time. It keeps no record between two steps, but the candidates
// of the index's chunk in which it stands: 4 bytes each, at most 4 MiB.
class Scan {
 public:
  // Begins at `position` (Cursor has its meaning). Reads a few records to find where the query's
  // times lie. kDataLoss.
  static absl::StatusOr<Scan> Begin(ScanSource source, Order order, uint64_t position);
  // What lies in low <= index < high, oldest first.
  static Scan Within(ScanSource source, uint64_t low, uint64_t high);

  using Take = std::function<Verdict(const Hit& hit)>;

  // Looks at records until `take` ends it, the turn is over, or there are no more. Gets on a little
  // in a turn that is over already, too.
  absl::Status Step(const Turn& turn, const Take& take);

  // Counts on, from where it stands, without reading what the index is certain of.
  absl::Status CountStep(const Turn& turn, uint64_t* count);

  bool done() const { return low_ >= high_; }
  // For a cursor: everything on the side of the beginning has been looked at. When it is done: the
  // end of the log, or its beginning.
  uint64_t position() const;
  TreeSize size() const { return source_.size; }
  // Records read and judged since Begin.
  uint64_t looked_at() const { return looked_at_; }

  // With a scan that is done and oldest first: goes on with what has been published since, without
  // an index.
  void Extend(TreeSize size);

 private:
  // A part of the log that the index knows all of, or nothing.
  struct Stretch {
    uint64_t low = 0;
    uint64_t high = 0;
    bool by_index = false;
    bool is_exact = false;         // every candidate matches
    uint64_t first = 0;            // where leaves count from
    std::vector<uint32_t> leaves;  // candidates, ascending
  };

  Scan(ScanSource source, Order order);

  bool is_forward() const { return order_ == Order::kOldestFirst; }
  // Makes stretch_ the one that the next record lies in.
  void EnterStretch();
  // The candidates of stretch_ that lie in [low, high).
  std::pair<size_t, size_t> CandidatesWithin(uint64_t low, uint64_t high) const;
  absl::Status StepForward(const Turn& turn, const Take& take, bool* stopped);
  absl::Status StepBackward(const Turn& turn, const Take& take, bool* stopped);

  // Reads [first, end), or of it only candidates, and gives each match; false ends it, and so do
  // the turn and `work_left` used up. Returns the index behind the last record that was looked at.
  using Visit = std::function<bool(LogIndex index, std::string_view record, const Hash& hash)>;
  absl::StatusOr<uint64_t> ReadMatches(uint64_t first, uint64_t end, const Turn& turn,
                                       size_t* work_left, const Visit& visit);

  // Reads [first, end), all of which match; returns as ReadMatches does.
  absl::StatusOr<uint64_t> ReadRun(uint64_t first, uint64_t end, const Visit& visit);
  // As ReadMatches, by the filter.
  absl::StatusOr<uint64_t> ReadFiltered(uint64_t first, uint64_t end, const Turn& turn,
                                        const Visit& visit);

  ScanSource source_;
  Order order_;
  // What is still to be looked at: low_ <= index < high_.
  uint64_t low_ = 0;
  uint64_t high_ = 0;
  Stretch stretch_;
  // Newest first: how many records are read at once, so few that it is little work. A power of two.
  uint64_t window_records_;
  // What judging a byte of a record costs, where reading it is 1.
  size_t judging_cost_;
  uint64_t looked_at_ = 0;
  query::RecordView view_;
};

// When the record, which is published, was received. kDataLoss.
absl::StatusOr<int64_t> ReceivedAt(const ledger::Ledger& ledger, ledger::LogRef log,
                                   uint64_t index);

// Narrows [low, high) to where the times of receipt that the query names lie; they grow with the
// index. REQUIRES: high is at most the published size.
absl::Status NarrowToTimes(const ledger::Ledger& ledger, ledger::LogRef log,
                           const query::NsRange& times, uint64_t* low, uint64_t* high);

}  // namespace graven::search
