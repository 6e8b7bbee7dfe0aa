#include "search/live_filter.h"

#include <algorithm>
#include <string_view>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "query/matcher.h"
#include "query/parser.h"

namespace graven::search {

LiveFilter::Block& LiveFilter::BlockOf(uint64_t index) {
  const uint64_t number = index / kBlockRecords;
  Block& block = blocks_[number % kBlocks];
  if (block.number != number) {
    block = Block();
    block.number = number;
  }
  return block;
}

absl::StatusOr<uint64_t> LiveFilter::Judge(uint64_t first, uint64_t end, const Turn& turn) {
  Block& block = BlockOf(first);
  query::RecordView* const view = &view_;
  while (first < end) {
    if (block.known[first % kBlockRecords]) {
      ++first;
      continue;
    }
    uint64_t unknown_end = first + 1;
    while (unknown_end < end && !block.known[unknown_end % kBlockRecords]) ++unknown_end;
    uint64_t judged = 0;
    absl::Status readable;
    RETURN_IF_ERROR(ledger_.ReadRecords(log_, LogIndex(first), unknown_end - first,
                                        [&](LogIndex index, std::string_view record, const Hash&) {
                                          readable = view->Read(record);
                                          if (!readable.ok()) return false;
                                          const size_t at = index.value % kBlockRecords;
                                          block.known.set(at);
                                          block.matches.set(at, query::Matches(query_, *view));
                                          ++judged;
                                          return !turn.is_over();
                                        }));
    if (judged_) judged_(judged);
    if (!readable.ok() || judged == 0) {
      return absl::DataLossError(
          fmt::format("record {} is published and cannot be read", first + judged));
    }
    first += judged;
    if (turn.is_over()) break;
  }
  return first;
}

absl::StatusOr<uint64_t> LiveFilter::Find(uint64_t first, uint64_t end, const Turn& turn,
                                          std::vector<uint64_t>* matches) {
  const MutexLock lock(&mutex_);
  while (first < end) {
    const uint64_t border = std::min(end, (first / kBlockRecords + 1) * kBlockRecords);
    ASSIGN_OR_RETURN(const uint64_t judged, Judge(first, border, turn));
    const Block& block = BlockOf(first);
    for (; first < judged; ++first) {
      if (block.matches[first % kBlockRecords]) matches->push_back(first);
    }
    if (turn.is_over()) break;
  }
  return first;
}

std::shared_ptr<LiveFilter> LiveFilters::Share(ledger::LogRef log, const query::Query& query) {
  std::pair<std::string, std::string> key(log.origin(), query::Canonical(query));
  const MutexLock lock(&mutex_);
  std::shared_ptr<LiveFilter> filter;
  const auto found = filters_.find(key);
  if (found != filters_.end()) filter = found->second.lock();
  if (filter != nullptr) return filter;
  std::erase_if(filters_, [](const auto& entry) { return entry.second.expired(); });
  filter = std::make_shared<LiveFilter>(ledger_, log, query, judged_);
  filters_[std::move(key)] = filter;
  return filter;
}

size_t LiveFilters::size() {
  const MutexLock lock(&mutex_);
  std::erase_if(filters_, [](const auto& entry) { return entry.second.expired(); });
  return filters_.size();
}

}  // namespace graven::search
