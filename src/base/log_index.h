#pragma once

#include <compare>
#include <cstdint>

namespace graven {

// The position of a record in its log, from 0. Not a size: the last record of a log of size 5 has
// index 4. Stays below 2^63, because other implementations parse it as a signed number
// (C2SP tlog-checkpoint).
struct LogIndex {
  uint64_t value = 0;

  constexpr LogIndex() = default;
  constexpr explicit LogIndex(uint64_t v) : value(v) {}
  auto operator<=>(const LogIndex&) const = default;
};

// The number of records of a log. Not an index: it is the index that the next record will have.
struct TreeSize {
  uint64_t value = 0;

  constexpr TreeSize() = default;
  constexpr explicit TreeSize(uint64_t v) : value(v) {}
  auto operator<=>(const TreeSize&) const = default;
};

inline constexpr uint64_t kLogIndexLimit = uint64_t{1} << 63;

// The index that the next record of a log of this size gets.
constexpr LogIndex NextIndex(TreeSize size) { return LogIndex(size.value); }

// The size of the smallest tree that contains `index`.
constexpr TreeSize SizeThrough(LogIndex index) { return TreeSize(index.value + 1); }

constexpr bool Contains(TreeSize size, LogIndex index) { return index.value < size.value; }

constexpr LogIndex operator+(LogIndex index, uint64_t n) { return LogIndex(index.value + n); }
constexpr TreeSize operator+(TreeSize size, uint64_t n) { return TreeSize(size.value + n); }

}  // namespace graven
