#include "ledger/duplicate_table.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <functional>

#include "base/check.h"

namespace graven::ledger {
namespace {

// A slot: 28 bits of the fingerprint, not 0, above the low 36 bits of the index. 0: empty.
constexpr int kIndexBits = 36;
constexpr size_t kGrowth = 32;
constexpr size_t kLineSlots = 8;  // 64 bytes
constexpr size_t kLargePageBytes = size_t{2} << 20;
constexpr uint64_t kIndexMask = (uint64_t{1} << kIndexBits) - 1;
constexpr uint64_t kRemainderMask = (uint64_t{1} << 28) - 1;

uint64_t SlotTag(uint64_t fingerprint) {
  const uint64_t remainder = fingerprint & kRemainderMask;
  return (remainder == 0 ? 1 : remainder) << kIndexBits;
}

// The high bits say where, the low ones what: they are independent. The search begins with a
// cache line and nearly always ends in it.
size_t Home(uint64_t fingerprint, size_t slot_count) {
  return static_cast<size_t>(fingerprint >> (64 - std::countr_zero(slot_count))) &
         ~(kLineSlots - 1);
}

// Which slots of a line have this tag, a bit each. Without a branch for a slot: most lines have
// none.
uint32_t Matches(const uint64_t* line, uint64_t tag) {
  uint32_t matches = 0;
  for (size_t i = 0; i < kLineSlots; ++i) {
    matches |= static_cast<uint32_t>((line[i] & ~kIndexMask) == tag) << i;
  }
  return matches;
}

// The first free slot of a line, which fills from the front; kLineSlots when it is full.
size_t FirstFree(const uint64_t* line) {
  size_t used = 0;
  for (size_t i = 0; i < kLineSlots; ++i) used += line[i] != 0;
  return used;
}

// The bits above those kept are those of the newest index below `size` with these low ones.
void AddCandidate(uint64_t low_bits, TreeSize size, DuplicateTable::Candidates* candidates) {
  uint64_t index = (size.value & ~kIndexMask) | low_bits;
  if (index >= size.value) {
    if (index <= kIndexMask) return;  // another log's
    index -= kIndexMask + 1;
  }
  candidates->push_back(LogIndex(index));
}

// At most three quarters full, so that most lines have a free slot and a search ends in its first.
size_t EntriesMax(size_t slot_count) { return slot_count - slot_count / 4; }

}  // namespace

DuplicateTable::DuplicateTable(const Options& options)
    : options_(options),
      slots_max_(std::bit_floor(std::max<size_t>(
          options.bytes_max / sizeof(uint64_t) / std::max<size_t>(options.generations, 1), 16))) {}

DuplicateTable::Scope DuplicateTable::ScopeOf(uint32_t log_number, LogIndex from) const {
  // An older answer for a lower index has bits too many at most.
  constexpr uint64_t kIndexesAhead = 65'536;
  if (last_scope_ && last_scope_->log_number == log_number &&
      from.value - last_scope_->from.value < kIndexesAhead) {
    return last_scope_->scope;
  }
  // The newest one is being filled: what it holds is not asked.
  Scope scope = generations_.empty() ? 0 : Scope{1} << (generations_.size() - 1);
  for (size_t i = 0; i + 1 < generations_.size(); ++i) {
    const auto highest = generations_[i].highest.find(log_number);
    if (highest != generations_[i].highest.end() && highest->second >= from) scope |= Scope{1} << i;
  }
  last_scope_ = {log_number, from, scope};
  return scope;
}

void DuplicateTable::Prefetch(uint64_t fingerprint, Scope scope) const {
  for (size_t i = generations_.size(); i-- > 0;) {
    if ((scope >> i & 1) == 0) continue;
    const Generation& generation = generations_[i];
    __builtin_prefetch(&generation.slots[Home(fingerprint, generation.slot_count)]);
  }
}

DuplicateTable::Candidates DuplicateTable::Find(uint64_t fingerprint, TreeSize size,
                                                Scope scope) const {
  Candidates candidates;
  const uint64_t tag = SlotTag(fingerprint);
  for (size_t i = generations_.size(); i-- > 0;) {
    if ((scope >> i & 1) == 0) continue;
    const Generation* const it = &generations_[i];
    const size_t mask = it->slot_count - 1;
    for (size_t at = Home(fingerprint, it->slot_count);; at = (at + kLineSlots) & mask) {
      const uint64_t* const line = &it->slots[at];
      for (uint32_t matches = Matches(line, tag); matches != 0; matches &= matches - 1) {
        AddCandidate(line[std::countr_zero(matches)] & kIndexMask, size, &candidates);
      }
      if (line[kLineSlots - 1] == 0) break;
    }
  }
  if (candidates.size() > 1) {
    std::sort(candidates.begin(), candidates.end(), std::greater<>());
    candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
  }
  return candidates;
}

void DuplicateTable::Unmap::operator()(uint64_t* slots) const { ::munmap(slots, bytes); }

// From the system, which zeroes pages as they are first touched: a new generation costs no pause.
// Large pages, because nearly every access is to another one.
std::unique_ptr<uint64_t[], DuplicateTable::Unmap> DuplicateTable::MapZeros(size_t slot_count) {
  const size_t bytes = slot_count * sizeof(uint64_t);
  void* const mapped =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  GRAVEN_CHECK(mapped != MAP_FAILED);
  if (bytes >= kLargePageBytes) (void)::madvise(mapped, bytes, MADV_HUGEPAGE);
  return {static_cast<uint64_t*>(mapped), Unmap{bytes}};
}

void DuplicateTable::StartGeneration() {
  size_t slot_count = generations_.empty()
                          ? std::bit_ceil(std::max<size_t>(options_.first_slots, 16))
                          : generations_.back().slot_count * kGrowth;
  slot_count = std::min(slot_count, slots_max_);
  const size_t bytes = slot_count * sizeof(uint64_t);
  while (!generations_.empty() && bytes_ + bytes > options_.bytes_max) DropOldest();
  Generation& generation = generations_.emplace_back();
  generation.slots = MapZeros(slot_count);
  generation.slot_count = slot_count;
  GRAVEN_CHECK(generations_.size() <= 64);  // the bits of a Scope
  bytes_ += bytes;
  last_scope_.reset();
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
  ++drops_;
  generations_.pop_front();
  last_highest_ = nullptr;
  last_scope_.reset();
}

void DuplicateTable::Insert(uint64_t fingerprint, LogIndex index, uint32_t log_number) {
  if (generations_.empty() ||
      generations_.back().entries >= EntriesMax(generations_.back().slot_count)) {
    StartGeneration();
  }
  Generation& newest = generations_.back();
  const size_t mask = newest.slot_count - 1;
  size_t at = Home(fingerprint, newest.slot_count);
  size_t free = 0;
  while ((free = FirstFree(&newest.slots[at])) == kLineSlots) at = (at + kLineSlots) & mask;
  newest.slots[at + free] = SlotTag(fingerprint) | (index.value & kIndexMask);
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

}  // namespace graven::ledger
