#include "search/page.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"

namespace graven::search {
namespace {

absl::Status LookAround(const PageLimits& limits) {
  if (limits.gone && limits.gone()) return absl::CancelledError("nobody waits for the answer");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Page> MakePage(Clock& clock, const Search& search, const PageLimits& limits) {
  ASSIGN_OR_RETURN(Scan scan,
                   Scan::Begin(search.source, search.start.order, search.start.position));
  const bool from_start = search.start.position ==
                          (search.start.order == Order::kOldestFirst ? 0 : search.start.size.value);
  Page page;
  uint64_t skip = search.start.skip;
  size_t bytes = 0;
  bool full = false;
  const Scan::Take take = [&](const Hit& hit) {
    if (skip > 0) {
      --skip;
      ++page.count;
      return Verdict::kGoOn;
    }
    full = !page.records.empty() && bytes + hit.record.size() > limits.bytes_max;
    if (full) return Verdict::kRefuse;
    ++page.count;
    bytes += hit.record.size();
    page.records.push_back({hit.index, std::string(hit.record), hit.hash});
    full = page.records.size() >= limits.records_max;
    return full ? Verdict::kStop : Verdict::kGoOn;
  };
  while (!scan.done() && !full && clock.SteadyNs() < limits.until_ns) {
    const Turn turn{&clock, clock.SteadyNs() + kTurnNs};
    RETURN_IF_ERROR(scan.Step(turn.Until(limits.until_ns), take));
    RETURN_IF_ERROR(LookAround(limits));
  }
  page.scanned_to = scan.position();
  if (!scan.done()) {
    Cursor next = search.start;
    next.position = scan.position();
    next.skip = std::min(skip, next.left());
    page.next_cursor = FormatCursor(next);
  }
  const int64_t count_until_ns = from_start ? limits.count_until_ns : 0;
  while (!scan.done() && clock.SteadyNs() < count_until_ns) {
    const Turn turn{&clock, clock.SteadyNs() + kTurnNs};
    RETURN_IF_ERROR(scan.CountStep(turn.Until(count_until_ns), &page.count));
    RETURN_IF_ERROR(LookAround(limits));
  }
  page.count_is_exact = from_start && scan.done();
  return page;
}

}  // namespace graven::search
