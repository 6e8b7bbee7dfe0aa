#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "ledger/ledger.h"
#include "query/matcher.h"
#include "query/record_view.h"
#include "search/cursor.h"

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

// The matches of one query in one log below a fixed size, in order, a piece at a time. Every match
// is judged on the record's bytes, which are held against the tree's hash as they are read.
//
// Not thread-safe: one caller at a time. It keeps no record between two steps.
class Scan {
 public:
  // Begins at `position` (Cursor has its meaning). Reads a few records to find where the query's
  // times lie. kDataLoss.
  static absl::StatusOr<Scan> Begin(const ledger::Ledger& ledger, ledger::LogRef log,
                                    query::Query query, Order order, TreeSize size,
                                    uint64_t position);

  using Take = std::function<Verdict(const Hit& hit)>;

  // Looks at records until `take` ends it, `records_max` have been looked at (or a few more), or
  // there are no more.
  absl::Status Step(uint64_t records_max, const Take& take);

  bool done() const { return low_ >= high_; }
  // For a cursor: everything on the side of the beginning has been looked at. When it is done: the
  // end of the log, or its beginning.
  uint64_t position() const;
  TreeSize size() const { return size_; }
  // How many have been looked at since Begin.
  uint64_t looked_at() const { return looked_at_; }

  // With a scan that is done and oldest first: goes on with what has been published since.
  void Extend(TreeSize size);

 private:
  Scan(const ledger::Ledger& ledger, ledger::LogRef log, query::Query query, Order order,
       TreeSize size)
      : ledger_(&ledger), log_(log), query_(std::move(query)), order_(order), size_(size) {}

  absl::Status StepForward(uint64_t count, const Take& take, bool* stopped);
  absl::Status StepBackward(uint64_t count, const Take& take, bool* stopped);

  const ledger::Ledger* ledger_;
  ledger::LogRef log_;
  query::Query query_;
  Order order_;
  TreeSize size_;
  // What is still to be looked at: low_ <= index < high_.
  uint64_t low_ = 0;
  uint64_t high_ = 0;
  uint64_t looked_at_ = 0;
  query::RecordView view_;
};

// Narrows [low, high) to where the times of receipt that the query names lie; they grow with the
// index. REQUIRES: high is at most the published size.
absl::Status NarrowToTimes(const ledger::Ledger& ledger, ledger::LogRef log,
                           const query::NsRange& times, uint64_t* low, uint64_t* high);

}  // namespace graven::search
