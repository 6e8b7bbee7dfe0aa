#include "search/scan.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "record/record.h"

namespace graven::search {
namespace {

// Of a stretch that is read forwards and given backwards; aligned, so that blocks of segments are
// read once.
constexpr uint64_t kStretchRecords = 512;
// Of matches that wait for their turn in such a stretch. Those that find no room are read again.
constexpr size_t kStretchBytesMax = size_t{4} << 20;

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

// The hash was right, so these bytes were stored so: not ours.
absl::Status NotARecord(LogIndex index, const absl::Status& why) {
  return absl::DataLossError(fmt::format(
      "record {}: {}", index.value, std::string_view(why.message().data(), why.message().size())));
}

struct Match {
  LogIndex index;
  std::string record;
  Hash hash;
};

}  // namespace

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

absl::StatusOr<Scan> Scan::Begin(const ledger::Ledger& ledger, ledger::LogRef log,
                                 query::Query query, Order order, TreeSize size,
                                 uint64_t position) {
  const query::Bounds bounds = query::BoundsOf(query.root);
  Scan scan(ledger, log, std::move(query), order, size);
  scan.low_ = order == Order::kOldestFirst ? position : 0;
  scan.high_ = order == Order::kOldestFirst ? size.value : std::min(position, size.value);
  scan.low_ = std::max(scan.low_, bounds.indexes.low);
  scan.high_ = std::min(scan.high_, bounds.indexes.high);
  if (scan.low_ < scan.high_) {
    RETURN_IF_ERROR(NarrowToTimes(ledger, log, bounds.received_ns, &scan.low_, &scan.high_));
  }
  return scan;
}

uint64_t Scan::position() const {
  if (order_ == Order::kOldestFirst) return done() ? size_.value : low_;
  return done() ? 0 : high_;
}

void Scan::Extend(TreeSize size) {
  low_ = size_.value;
  size_ = size;
  // Times and indexes of the query are judged record by record here: what comes live is little.
  high_ = size.value;
}

absl::Status Scan::Step(uint64_t records_max, const Take& take) {
  uint64_t left = records_max;
  bool stopped = false;
  while (!done() && left > 0 && !stopped) {
    const uint64_t before = looked_at_;
    const uint64_t count = std::min(high_ - low_, kStretchRecords);
    RETURN_IF_ERROR(order_ == Order::kOldestFirst ? StepForward(count, take, &stopped)
                                                  : StepBackward(count, take, &stopped));
    left -= std::min(left, looked_at_ - before);
  }
  return absl::OkStatus();
}

absl::Status Scan::StepForward(uint64_t count, const Take& take, bool* stopped) {
  absl::Status readable;
  const uint64_t first = low_;
  RETURN_IF_ERROR(ledger_->ReadRecords(
      log_, LogIndex(low_), count, [&](LogIndex index, std::string_view record, const Hash& hash) {
        readable = view_.Read(record);
        if (!readable.ok()) {
          readable = NotARecord(index, readable);
          return false;
        }
        ++looked_at_;
        if (query::Matches(query_, view_)) {
          const Verdict verdict = take({index, record, hash, view_});
          *stopped = verdict != Verdict::kGoOn;
          if (verdict == Verdict::kRefuse) return false;
        }
        low_ = index.value + 1;
        return !*stopped;
      }));
  RETURN_IF_ERROR(readable);
  if (low_ > first || *stopped) return absl::OkStatus();
  return absl::DataLossError(fmt::format("record {} is published and cannot be read", low_));
}

absl::Status Scan::StepBackward(uint64_t count, const Take& take, bool* stopped) {
  // From a border of stretches, so that the next one begins there.
  uint64_t first = std::max(low_, (high_ - 1) / kStretchRecords * kStretchRecords);
  first = std::max(first, high_ - count);
  std::deque<Match> matches;
  size_t bytes = 0;
  uint64_t read = first;
  absl::Status readable;
  RETURN_IF_ERROR(
      ledger_->ReadRecords(log_, LogIndex(first), high_ - first,
                           [&](LogIndex index, std::string_view record, const Hash& hash) {
                             readable = view_.Read(record);
                             if (!readable.ok()) {
                               readable = NotARecord(index, readable);
                               return false;
                             }
                             ++looked_at_;
                             read = index.value + 1;
                             if (!query::Matches(query_, view_)) return true;
                             matches.push_back({index, std::string(record), hash});
                             bytes += record.size();
                             while (bytes > kStretchBytesMax && matches.size() > 1) {
                               bytes -= matches.front().record.size();
                               first = matches.front().index.value + 1;
                               matches.pop_front();
                             }
                             return true;
                           }));
  RETURN_IF_ERROR(readable);
  if (read != high_) {
    return absl::DataLossError(fmt::format("record {} is published and cannot be read", read));
  }
  for (; !matches.empty(); matches.pop_back()) {
    const Match& match = matches.back();
    RETURN_IF_ERROR(view_.Read(match.record));
    const Verdict verdict = take({match.index, match.record, match.hash, view_});
    *stopped = verdict != Verdict::kGoOn;
    high_ = match.index.value + (verdict == Verdict::kRefuse ? 1 : 0);
    if (*stopped) return absl::OkStatus();
  }
  high_ = first;
  return absl::OkStatus();
}

}  // namespace graven::search
