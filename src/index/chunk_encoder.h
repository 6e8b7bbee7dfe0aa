#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "index/chunk_format.h"
#include "index/frequent_values.h"
#include "record/time_text.h"

namespace graven::index {

// What a chunk says of 4,096 records: the client's times lie within.
struct OccurredGroup {
  record::TimePoint earliest;
  record::TimePoint latest;
  bool operator==(const OccurredGroup&) const = default;
};

// One id: its 32 bits above, its leaf below, so that they sort by both.
using IdEntry = uint64_t;
inline IdEntry MakeIdEntry(uint32_t fingerprint, uint32_t leaf) {
  return (uint64_t{fingerprint} << 32) | leaf;
}

// Writes the content of one chunk. The only place that does, whether the terms come from records or
// from smaller chunks: the same records make the same bytes. Not thread-safe.
class ChunkEncoder {
 public:
  ChunkEncoder(uint64_t first, int level);

  // REQUIRES: keys ascending; leaves ascending and at least one.
  void AddTerm(std::string_view key, std::span<const uint32_t> leaves);

  struct Columns {
    std::span<const int64_t> received_ns;            // one for each leaf, never falling
    std::span<const OccurredGroup> occurred;         // one for each group
    std::array<std::vector<IdEntry>, kIdKinds> ids;  // sorted
    Hash subtree_root;
  };
  // Ends it. The content.
  std::string Finish(const Columns& columns);

 private:
  void EndPage();
  void AppendLeaves(std::span<const uint32_t> leaves);
  void AddToColumn(size_t column, std::span<const uint32_t> leaves);
  void AppendColumns();
  void AppendTimes(std::span<const int64_t> received_ns);
  void AppendOccurred(std::span<const OccurredGroup> groups);
  void AppendIds(IdKind kind, std::span<const IdEntry> entries);
  void BeginSection(Section section);
  void EndSection(Section section);

  ChunkHeader header_;
  std::string out_;  // the header's place, then the pages
  std::string directory_;
  std::string postings_;
  size_t page_begin_;
  std::string last_key_;
  FrequentValuesWriter frequent_;
  // Of a column: of which leaf it says what. Value ids count from 1 in the order of the keys; a
  // leaf without a value has 0.
  std::array<std::vector<uint32_t>, kColumns> columns_;
  std::array<uint32_t, kColumns> values_{};
};

}  // namespace graven::index
