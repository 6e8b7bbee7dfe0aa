#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "index/chunk_format.h"

// What is most frequent in a log of a hundred chunks would be the sum over all values of each of
// them, most of which stand at the end of every list. So a chunk says of a field which values are
// frequent in it, and how many records a value has at most that it does not name.
namespace graven::index {

// Of one kind of key in a chunk.
inline constexpr size_t kFrequentValuesMax = 1024;

// Whether chunks say it of this kind: of all that can be counted but labels, each key of which is a
// field of its own.
bool HasFrequentValues(KeyKind kind);

struct FrequentValues {
  struct Listed {
    std::string value;
    uint64_t records = 0;
  };
  std::vector<Listed> listed;  // by records, the most first, then by bytes
  // No other value has more. 0: there is no other.
  uint64_t others_at_most = 0;
  uint64_t sum = 0;         // of the records of each value, named or not
  uint64_t with_value = 0;  // records that have one (or more)
  bool has_cut = false;     // a value stands for all that begin so
};

// Gathers them of the terms of one chunk and makes the section. Not thread-safe.
class FrequentValuesWriter {
 public:
  explicit FrequentValuesWriter(uint64_t chunk_leaves) : chunk_leaves_(chunk_leaves) {}

  // REQUIRES: keys ascending; leaves ascending and at least one.
  void AddTerm(std::string_view key, std::span<const uint32_t> leaves);
  // Ends it. The section.
  std::string Finish();

 private:
  void Begin(KeyKind kind);
  void End();
  void Consider(std::string_view value, uint64_t records);
  void CountLeaves(std::span<const uint32_t> leaves);

  const uint64_t chunk_leaves_;
  std::string section_;
  KeyKind kind_ = KeyKind::kOverfull;  // of `gathered_`; kOverfull: of none yet
  FrequentValues gathered_;            // a heap, the one that goes first in front
  std::vector<bool> has_value_;        // by leaf, where a record may have several
};

// What a section says of a kind; nothing is listed when no record has a value. kDataLoss: the bytes
// are not what a writer made of `chunk_leaves` leaves.
absl::StatusOr<FrequentValues> ParseFrequentValues(std::string_view section, KeyKind kind,
                                                   uint64_t chunk_leaves);

}  // namespace graven::index
