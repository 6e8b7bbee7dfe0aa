#include "store/duplicate_table.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"

namespace graven::store {
namespace {

// A slot: 28 bits of the fingerprint, not 0, above the low 36 bits of the index. 0: empty.
constexpr int kIndexBits = 36;
constexpr uint64_t kIndexMask = (uint64_t{1} << kIndexBits) - 1;
constexpr uint64_t kRemainderMask = (uint64_t{1} << 28) - 1;

uint64_t SlotTag(uint64_t fingerprint) {
  const uint64_t remainder = fingerprint & kRemainderMask;
  return (remainder == 0 ? 1 : remainder) << kIndexBits;
}

// The high bits say where, the low ones what: they are independent.
size_t Home(uint64_t fingerprint, size_t slot_count) {
  return static_cast<size_t>(fingerprint >> (64 - std::countr_zero(slot_count)));
}

// At most three quarters full, so that a search ends after two or three slots.
size_t EntriesMax(size_t slot_count) { return slot_count - slot_count / 4; }

}  // namespace

DuplicateTable::DuplicateTable(const Options& options)
    : options_(options),
      slots_max_(std::bit_floor(std::max<size_t>(
          options.bytes_max / sizeof(uint64_t) / std::max<size_t>(options.generations, 1), 16))) {}

void DuplicateTable::Prefetch(uint64_t fingerprint) const {
  for (const Generation& generation : generations_) {
    __builtin_prefetch(&generation.slots[Home(fingerprint, generation.slot_count)]);
  }
}

DuplicateTable::Candidates DuplicateTable::Find(uint64_t fingerprint, TreeSize size) const {
  Candidates candidates;
  const uint64_t tag = SlotTag(fingerprint);
  for (auto it = generations_.rbegin(); it != generations_.rend(); ++it) {
    const size_t mask = it->slot_count - 1;
    for (size_t at = Home(fingerprint, it->slot_count); it->slots[at] != 0; at = (at + 1) & mask) {
      if ((it->slots[at] & ~kIndexMask) != tag) continue;
      // The bits above those kept are those of the newest index below `size` with these low ones.
      uint64_t index = (size.value & ~kIndexMask) | (it->slots[at] & kIndexMask);
      if (index >= size.value) {
        if (index <= kIndexMask) continue;  // another log's
        index -= kIndexMask + 1;
      }
      candidates.push_back(LogIndex(index));
    }
  }
  if (candidates.size() > 1) {
    std::sort(candidates.begin(), candidates.end(), std::greater<>());
    candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
  }
  return candidates;
}

void DuplicateTable::StartGeneration() {
  size_t slot_count = generations_.empty()
                          ? std::bit_ceil(std::max<size_t>(options_.first_slots, 16))
                          : generations_.back().slot_count * 8;
  slot_count = std::min(slot_count, slots_max_);
  const size_t bytes = slot_count * sizeof(uint64_t);
  while (!generations_.empty() && bytes_ + bytes > options_.bytes_max) DropOldest();
  Generation& generation = generations_.emplace_back();
  generation.slots = std::make_unique<uint64_t[]>(slot_count);
  generation.slot_count = slot_count;
  bytes_ += bytes;
  last_highest_ = nullptr;
}

void DuplicateTable::DropOldest() {
  Generation& oldest = generations_.front();
  for (const auto& [log, highest] : oldest.highest) {
    LogIndex& from = covered_from_[log];
    from = std::max(from, highest + 1);
  }
  bytes_ -= oldest.slot_count * sizeof(uint64_t);
  entries_ -= oldest.entries;
  generations_.pop_front();
  last_highest_ = nullptr;
}

void DuplicateTable::Insert(uint64_t fingerprint, LogIndex index, uint32_t log_number) {
  if (generations_.empty() ||
      generations_.back().entries >= EntriesMax(generations_.back().slot_count)) {
    StartGeneration();
  }
  Generation& newest = generations_.back();
  const size_t mask = newest.slot_count - 1;
  size_t at = Home(fingerprint, newest.slot_count);
  while (newest.slots[at] != 0) at = (at + 1) & mask;
  newest.slots[at] = SlotTag(fingerprint) | (index.value & kIndexMask);
  ++newest.entries;
  ++entries_;
  if (last_highest_ == nullptr || last_log_ != log_number) {
    last_log_ = log_number;
    last_highest_ = &newest.highest[log_number];
  }
  *last_highest_ = std::max(*last_highest_, index);
}

void DuplicateTable::StartLog(uint32_t log_number, LogIndex index) {
  covered_from_[log_number] = index;
}

LogIndex DuplicateTable::CoveredFrom(uint32_t log_number) const {
  const auto it = covered_from_.find(log_number);
  return it == covered_from_.end() ? LogIndex(0) : it->second;
}

void DuplicateTable::DropBelow(const std::function<LogIndex(uint32_t log_number)>& window_start) {
  // The newest one stays: it is being filled.
  while (generations_.size() > 1) {
    const Generation& oldest = generations_.front();
    const bool needed =
        std::any_of(oldest.highest.begin(), oldest.highest.end(),
                    [&](const auto& entry) { return entry.second >= window_start(entry.first); });
    if (needed) return;
    DropOldest();
  }
}

}  // namespace graven::store
