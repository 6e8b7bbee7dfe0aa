#include <algorithm>
#include <bit>

#include "base/check.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "merkle/leaf.h"
#include "merkle/proof.h"

namespace graven::merkle {
namespace {

// Where the tree over `range` splits: after the largest power of two below its length.
// REQUIRES: at least two leaves.
uint64_t SplitOf(LeafRange range) {
  return range.first + std::bit_floor(range.end - range.first - 1);
}

absl::Status CheckSize(TreeSize size) {
  if (size.value > kLogIndexLimit) {
    return absl::InvalidArgumentError(
        fmt::format("tree size {} is above the limit of 2^63", size.value));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Hash>> HashesOf(NodeSource& source,
                                           const std::vector<LeafRange>& ranges) {
  std::vector<Hash> hashes;
  hashes.reserve(ranges.size());
  for (const LeafRange& range : ranges) {
    ASSIGN_OR_RETURN(Hash hash, RangeRoot(source, range));
    hashes.push_back(hash);
  }
  return hashes;
}

}  // namespace

bool IsSubtree(LeafRange range) {
  if (range.first > range.end) return false;
  if (range.first == 0 || range.first == range.end) return true;
  const uint64_t length = range.end - range.first;
  // Beyond this std::bit_ceil has no answer, and no range that begins above 0 can be aligned so.
  if (length > kLogIndexLimit) return false;
  return range.first % std::bit_ceil(length) == 0;
}

std::vector<LeafRange> InclusionRanges(LogIndex index, TreeSize size) {
  GRAVEN_CHECK(Contains(size, index));
  std::vector<LeafRange> ranges;
  LeafRange around{0, size.value};
  while (around.end - around.first > 1) {
    const uint64_t split = SplitOf(around);
    if (index.value < split) {
      ranges.push_back({split, around.end});
      around.end = split;
    } else {
      ranges.push_back({around.first, split});
      around.first = split;
    }
  }
  std::reverse(ranges.begin(), ranges.end());
  return ranges;
}

std::vector<LeafRange> ConsistencyRanges(TreeSize old_size, TreeSize new_size) {
  GRAVEN_CHECK(old_size.value > 0);
  return SubtreeConsistencyRanges({0, old_size.value}, new_size);
}

std::vector<LeafRange> SubtreeConsistencyRanges(LeafRange subtree, TreeSize size) {
  GRAVEN_CHECK(IsSubtree(subtree) && subtree.end <= size.value);
  std::vector<LeafRange> ranges;
  if (subtree.first == subtree.end) return ranges;
  LeafRange around{0, size.value};
  // As long as no part of the subtree was split off, its whole root is known to who checks.
  bool whole = true;
  while (subtree != around) {
    const uint64_t split = SplitOf(around);
    if (subtree.end <= split) {
      ranges.push_back({split, around.end});
      around.end = split;
    } else {
      ranges.push_back({around.first, split});
      // A subtree that crosses the split begins where `around` does.
      if (subtree.first < split) whole = false;
      subtree.first = std::max(subtree.first, split);
      around.first = split;
    }
  }
  if (!whole) ranges.push_back(around);
  std::reverse(ranges.begin(), ranges.end());
  return ranges;
}

std::vector<NodeId> NodesOfRange(LeafRange range) {
  GRAVEN_CHECK(IsSubtree(range) && range.first < range.end);
  std::vector<NodeId> nodes;
  for (uint64_t first = range.first; first < range.end;) {
    const int level = std::bit_width(range.end - first) - 1;
    nodes.push_back({level, first >> level});
    first += uint64_t{1} << level;
  }
  return nodes;
}

absl::StatusOr<Hash> RangeRoot(NodeSource& source, LeafRange range) {
  if (range.first == range.end) return EmptyRoot();
  const std::vector<NodeId> nodes = NodesOfRange(range);
  ASSIGN_OR_RETURN(Hash root, source.Node(nodes.back().level, nodes.back().index));
  for (size_t i = nodes.size() - 1; i-- > 0;) {
    ASSIGN_OR_RETURN(Hash left, source.Node(nodes[i].level, nodes[i].index));
    root = Sha256Node(left, root);
  }
  return root;
}

absl::StatusOr<std::vector<Hash>> InclusionProof(NodeSource& source, LogIndex index,
                                                 TreeSize size) {
  RETURN_IF_ERROR(CheckSize(size));
  if (!Contains(size, index)) {
    return absl::InvalidArgumentError(
        fmt::format("index {} is not below the tree size {}", index.value, size.value));
  }
  return HashesOf(source, InclusionRanges(index, size));
}

absl::StatusOr<std::vector<Hash>> ConsistencyProof(NodeSource& source, TreeSize old_size,
                                                   TreeSize new_size) {
  RETURN_IF_ERROR(CheckSize(new_size));
  if (old_size.value == 0) {
    return absl::InvalidArgumentError("old size 0: no proof leads from the empty tree");
  }
  if (old_size > new_size) {
    return absl::InvalidArgumentError(
        fmt::format("old size {} is above the new size {}", old_size.value, new_size.value));
  }
  return HashesOf(source, ConsistencyRanges(old_size, new_size));
}

absl::StatusOr<Hash> RootFromNodes(NodeSource& source, TreeSize size) {
  RETURN_IF_ERROR(CheckSize(size));
  return RangeRoot(source, {0, size.value});
}

}  // namespace graven::merkle
