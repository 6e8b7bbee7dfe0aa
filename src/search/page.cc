#include "search/page.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"

namespace graven::search {

absl::StatusOr<std::unique_ptr<PageMaker>> PageMaker::Begin(Search search, PageLimits limits) {
  ASSIGN_OR_RETURN(
      Scan scan, Scan::Begin(std::move(search.source), search.start.order, search.start.position));
  return std::unique_ptr<PageMaker>(new PageMaker(search.start, limits, std::move(scan)));
}

Verdict PageMaker::Take(const Hit& hit) {
  if (skip_ > 0) {
    --skip_;
    ++page_.count;
    return Verdict::kGoOn;
  }
  is_full_ = !page_.records.empty() && bytes_ + hit.record.size() > limits_.bytes_max;
  if (is_full_) return Verdict::kRefuse;
  ++page_.count;
  bytes_ += hit.record.size();
  page_.records.push_back({hit.index, std::string(hit.record), hit.hash});
  is_full_ = page_.records.size() >= limits_.records_max;
  return is_full_ ? Verdict::kStop : Verdict::kGoOn;
}

absl::StatusOr<bool> PageMaker::Fill(const Turn& turn) {
  if (!turn.IsPast(limits_.until_ns)) {
    RETURN_IF_ERROR(
        scan_.Step(turn.Until(limits_.until_ns), [this](const Hit& hit) { return Take(hit); }));
    if (!scan_.done() && !is_full_ && !turn.IsPast(limits_.until_ns)) return false;
  }
  page_.scanned_to = scan_.position();
  if (scan_.done()) return true;
  Cursor next = start_;
  next.position = scan_.position();
  next.skip = std::min(skip_, next.left());
  page_.next_cursor = FormatCursor(next);
  return true;
}

absl::StatusOr<bool> PageMaker::GoOn(const Turn& turn) {
  if (!is_filled_) {
    ASSIGN_OR_RETURN(is_filled_, Fill(turn));
    if (!is_filled_) return false;
  }
  if (from_start() && !scan_.done() && !turn.IsPast(limits_.count_until_ns)) {
    RETURN_IF_ERROR(scan_.CountStep(turn.Until(limits_.count_until_ns), &page_.count));
    if (!scan_.done() && !turn.IsPast(limits_.count_until_ns)) return false;
  }
  page_.count_is_exact = from_start() && scan_.done();
  return true;
}

}  // namespace graven::search
