#include "search/scan.h"

#include <algorithm>
#include <bit>
#include <deque>
#include <utility>

#include "base/absl_views.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "record/record.h"
#include "search/live_filter.h"

namespace graven::search {
namespace {

// What is read at once, between multiples of it, so that blocks of segments are read once. Newest
// first it is read forwards and given backwards.
constexpr uint64_t kWindowRecords = 512;
// Between two looks at the clock: bytes of records that are read; those that are judged count once
// more for each term that walks through their texts.
constexpr size_t kWorkPerGlance = size_t{256} << 10;
// Of a window newest first, in the same measure; its matches wait for their turn in memory.
constexpr size_t kWorkPerWindow = size_t{2} << 20;

// Those that a filter is asked about at once; then the turn may be over.
constexpr uint64_t kFilteredRecords = 64;

// The first index of [low, high) whose record was received at `ns` or later.
absl::StatusOr<uint64_t> FirstSince(const ledger::Ledger& ledger, ledger::LogRef log, int64_t ns,
                                    uint64_t low, uint64_t high) {
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    ASSIGN_OR_RETURN(const int64_t received, ReceivedAt(ledger, log, middle));
    if (received < ns) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

struct Match {
  LogIndex index;
  std::string record;
  Hash hash;
};

}  // namespace

absl::StatusOr<int64_t> ReceivedAt(const ledger::Ledger& ledger, ledger::LogRef log,
                                   uint64_t index) {
  absl::StatusOr<int64_t> received =
      absl::DataLossError(fmt::format("record {} is published and cannot be read", index));
  RETURN_IF_ERROR(ledger.ReadRecords(log, LogIndex(index), 1,
                                     [&](LogIndex, std::string_view bytes, const Hash&) {
                                       const auto header = record::Decode(bytes);
                                       if (header.ok()) received = header->received_at_ns;
                                       return false;
                                     }));
  return received;
}

absl::Status NarrowToTimes(const ledger::Ledger& ledger, ledger::LogRef log,
                           const query::NsRange& times, uint64_t* low, uint64_t* high) {
  const query::NsRange all;
  if (times.low != all.low) {
    ASSIGN_OR_RETURN(*low, FirstSince(ledger, log, times.low, *low, *high));
  }
  if (times.high != all.high) {
    ASSIGN_OR_RETURN(*high, FirstSince(ledger, log, times.high, *low, *high));
  }
  return absl::OkStatus();
}

Scan::Scan(ScanSource source, Order order)
    : source_(std::move(source)),
      order_(order),
      window_records_(kWindowRecords),
      judging_cost_(1 + query::TextTerms(source_.query.root)) {}

absl::StatusOr<Scan> Scan::Begin(ScanSource source, Order order, uint64_t position) {
  const query::Bounds bounds = query::BoundsOf(source.query.root);
  Scan scan(std::move(source), order);
  const uint64_t size = scan.size().value;
  scan.low_ = scan.is_forward() ? position : 0;
  scan.high_ = scan.is_forward() ? size : std::min(position, size);
  scan.low_ = std::max(scan.low_, bounds.indexes.low);
  scan.high_ = std::min(scan.high_, bounds.indexes.high);
  if (scan.low_ < scan.high_) {
    RETURN_IF_ERROR(NarrowToTimes(*scan.source_.ledger, scan.source_.log, bounds.received_ns,
                                  &scan.low_, &scan.high_));
  }
  return scan;
}

Scan Scan::Within(ScanSource source, uint64_t low, uint64_t high) {
  Scan scan(std::move(source), Order::kOldestFirst);
  scan.low_ = low;
  scan.high_ = high;
  return scan;
}

uint64_t Scan::position() const {
  if (is_forward()) return done() ? size().value : low_;
  return done() ? 0 : high_;
}

void Scan::Extend(TreeSize size) {
  low_ = source_.size.value;
  high_ = size.value;
  source_.size = size;
  // What comes live is little, and not in any index yet. Times and indexes that the query names are
  // judged record by record.
  source_.chunks = nullptr;
  stretch_ = Stretch();
}

void Scan::EnterStretch() {
  const bool inside = is_forward() ? stretch_.low <= low_ && low_ < stretch_.high
                                   : stretch_.low < high_ && high_ <= stretch_.high;
  if (inside) return;
  stretch_ = Stretch();
  stretch_.low = low_;
  stretch_.high = high_;
  if (source_.chunks == nullptr) return;
  const index::Candidates candidates = index::Find(
      *source_.chunks, source_.query.root,
      is_forward() ? source_.chunks->From(low_, high_) : source_.chunks->Before(high_, low_));
  stretch_.low = candidates.low;
  stretch_.high = candidates.high;
  if (candidates.chunk == nullptr) return;
  stretch_.by_index = true;
  stretch_.is_exact = candidates.found.is_exact();
  stretch_.first = candidates.chunk->first();
  stretch_.leaves = candidates.found.possible.Leaves();
}

std::pair<size_t, size_t> Scan::CandidatesWithin(uint64_t low, uint64_t high) const {
  const auto begin = stretch_.leaves.begin();
  const auto place = [&](uint64_t index) {
    return index <= stretch_.first
               ? begin
               : std::lower_bound(begin, stretch_.leaves.end(), index - stretch_.first);
  };
  return {static_cast<size_t>(place(low) - begin), static_cast<size_t>(place(high) - begin)};
}

absl::Status Scan::Step(const Turn& turn, const Take& take) {
  bool stopped = false;
  while (!done()) {
    EnterStretch();
    RETURN_IF_ERROR(is_forward() ? StepForward(turn, take, &stopped)
                                 : StepBackward(turn, take, &stopped));
    if (stopped || turn.is_over()) break;
  }
  return absl::OkStatus();
}

absl::Status Scan::CountStep(const Turn& turn, uint64_t* count) {
  const Take take = [&](const Hit&) {
    ++*count;
    return Verdict::kGoOn;
  };
  bool stopped = false;
  while (!done()) {
    EnterStretch();
    if (stretch_.by_index && stretch_.is_exact) {
      const auto [begin, end] =
          CandidatesWithin(std::max(low_, stretch_.low), std::min(high_, stretch_.high));
      *count += end - begin;
      (is_forward() ? low_ : high_) = is_forward() ? stretch_.high : stretch_.low;
    } else {
      RETURN_IF_ERROR(is_forward() ? StepForward(turn, take, &stopped)
                                   : StepBackward(turn, take, &stopped));
    }
    if (turn.is_over()) break;
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> Scan::ReadRun(uint64_t first, uint64_t end, const Visit& visit) {
  uint64_t next = first;
  absl::Status readable;
  RETURN_IF_ERROR(
      source_.ledger->ReadRecords(source_.log, LogIndex(first), end - first,
                                  [&](LogIndex index, std::string_view record, const Hash& hash) {
                                    readable = view_.Read(record);
                                    if (!readable.ok()) return false;
                                    next = index.value + 1;
                                    return visit(index, record, hash);
                                  }));
  RETURN_IF_ERROR(readable);
  if (next > first) return next;
  return absl::DataLossError(fmt::format("record {} is published and cannot be read", first));
}

absl::StatusOr<uint64_t> Scan::ReadFiltered(uint64_t first, uint64_t end, const Turn& turn,
                                            const Visit& visit) {
  bool stopped = false;
  const Visit watched = [&](LogIndex index, std::string_view record, const Hash& hash) {
    stopped = !visit(index, record, hash);
    return !stopped;
  };
  std::vector<uint64_t> matches;
  while (first < end) {
    const uint64_t piece_end = std::min(end, first + kFilteredRecords);
    matches.clear();
    ASSIGN_OR_RETURN(const uint64_t found_end,
                     source_.filter->Find(first, piece_end, turn, &matches));
    for (size_t at = 0; at < matches.size();) {
      size_t run_end = at + 1;
      while (run_end < matches.size() && matches[run_end] == matches[run_end - 1] + 1) ++run_end;
      ASSIGN_OR_RETURN(const uint64_t next,
                       ReadRun(matches[at], matches[run_end - 1] + 1, watched));
      if (stopped) return next;
      at += next - matches[at];
    }
    first = found_end;
    if (turn.is_over()) break;
  }
  return first;
}

absl::StatusOr<uint64_t> Scan::ReadMatches(uint64_t first, uint64_t end, const Turn& turn,
                                           size_t* work_left, const Visit& visit) {
  if (source_.filter != nullptr && !stretch_.by_index) {
    return ReadFiltered(first, end, turn, visit);
  }
  size_t since_glance = 0;
  const auto go_on = [&](size_t work) {
    *work_left -= std::min(*work_left, work);
    since_glance += work;
    if (*work_left == 0) return false;
    if (since_glance < kWorkPerGlance) return true;
    since_glance = 0;
    return !turn.is_over();
  };
  absl::Status readable;
  uint64_t next = first;
  size_t candidate = CandidatesWithin(first, end).first;
  RETURN_IF_ERROR(source_.ledger->ReadRecords(
      source_.log, LogIndex(first), end - first,
      [&](LogIndex index, std::string_view record, const Hash& hash) {
        next = index.value + 1;
        if (stretch_.by_index && index.value != stretch_.first + stretch_.leaves[candidate]) {
          return go_on(record.size());
        }
        ++candidate;
        ++looked_at_;
        readable = view_.Read(record);
        if (!readable.ok()) {
          // The hash was right, so these bytes were stored so: not ours.
          readable = absl::DataLossError(
              fmt::format("record {}: {}", index.value, ToStd(readable.message())));
          return false;
        }
        if (query::Matches(source_.query, view_) && !visit(index, record, hash)) return false;
        return go_on(record.size() * judging_cost_);
      }));
  RETURN_IF_ERROR(readable);
  if (next > first) return next;
  return absl::DataLossError(fmt::format("record {} is published and cannot be read", first));
}

absl::Status Scan::StepForward(const Turn& turn, const Take& take, bool* stopped) {
  uint64_t first = low_;
  uint64_t border = std::min(stretch_.high, high_);
  uint64_t end = std::min(border, (first / kWindowRecords + 1) * kWindowRecords);
  if (stretch_.by_index) {
    const auto [begin, behind] = CandidatesWithin(low_, border);
    if (begin == behind) {
      low_ = border;
      return absl::OkStatus();
    }
    first = stretch_.first + stretch_.leaves[begin];
    border = std::min(border, (first / kWindowRecords + 1) * kWindowRecords);
    end = stretch_.first + stretch_.leaves[CandidatesWithin(first, border).second - 1] + 1;
  } else {
    border = end;
  }
  bool refused = false;
  size_t work_left = SIZE_MAX;
  ASSIGN_OR_RETURN(uint64_t reached,
                   ReadMatches(first, end, turn, &work_left,
                               [&](LogIndex index, std::string_view record, const Hash& hash) {
                                 const Verdict verdict = take({index, record, hash, view_});
                                 *stopped = verdict != Verdict::kGoOn;
                                 refused = verdict == Verdict::kRefuse;
                                 return !*stopped;
                               }));
  if (refused) --reached;
  // Behind the last candidate of the window there is nothing to look at.
  low_ = reached == end && !*stopped ? border : reached;
  return absl::OkStatus();
}

absl::Status Scan::StepBackward(const Turn& turn, const Take& take, bool* stopped) {
  std::deque<Match> matches;
  uint64_t border = 0, first = 0, end = 0;
  size_t work_left = 0;
  for (bool whole = false; !whole;) {
    border = std::max(stretch_.low, low_);
    end = high_;
    if (stretch_.by_index) {
      const auto [begin, behind] = CandidatesWithin(border, high_);
      if (begin == behind) {
        high_ = border;
        return absl::OkStatus();
      }
      end = stretch_.first + stretch_.leaves[behind - 1] + 1;
    }
    border = std::max(border, (end - 1) / window_records_ * window_records_);
    first = border;
    if (stretch_.by_index) {
      first = stretch_.first + stretch_.leaves[CandidatesWithin(border, end).first];
    }
    matches.clear();
    work_left = kWorkPerWindow;
    ASSIGN_OR_RETURN(const uint64_t reached,
                     ReadMatches(first, end, turn, &work_left,
                                 [&](LogIndex index, std::string_view record, const Hash& hash) {
                                   matches.push_back({index, std::string(record), hash});
                                   return true;
                                 }));
    // Too much, or the turn is over, and what comes first has not been reached: less at once, now,
    // so that each turn gets on. A window of one record is always reached.
    whole = reached == end;
    if (!whole) window_records_ = std::bit_floor(reached - first);
  }
  if ((kWorkPerWindow - work_left) * window_records_ <= kWorkPerWindow / 2 * (end - first)) {
    window_records_ = std::min(2 * window_records_, kWindowRecords);
  }
  for (; !matches.empty(); matches.pop_back()) {
    const Match& match = matches.back();
    RETURN_IF_ERROR(view_.Read(match.record));
    const Verdict verdict = take({match.index, match.record, match.hash, view_});
    high_ = match.index.value + (verdict == Verdict::kRefuse ? 1 : 0);
    if (verdict != Verdict::kGoOn) {
      *stopped = true;
      return absl::OkStatus();
    }
  }
  high_ = border;
  return absl::OkStatus();
}

}  // namespace graven::search
