#include "merkle/frontier.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "absl/status/status.h"
#include "base/check.h"
#include "base/sha256.h"
#include "fmt/format.h"
#include "merkle/leaf.h"

namespace graven::merkle {
namespace {

// Leaves hashed level by level in one go. Large enough to keep the two-way hashing busy, small
// enough that the row stays in the first-level cache.
constexpr size_t kChunkLeaves = 512;

// Below this, setting up a row costs more than hashing in groups gains.
constexpr size_t kGroupLeavesMin = 16;

}  // namespace

absl::StatusOr<Frontier> Frontier::FromSubtreeRoots(TreeSize size,
                                                    std::vector<Hash> subtree_roots) {
  if (size.value > kLogIndexLimit) {
    return absl::InvalidArgumentError(
        fmt::format("tree size {} is above the limit of 2^63", size.value));
  }
  const size_t expected = static_cast<size_t>(std::popcount(size.value));
  if (subtree_roots.size() != expected) {
    return absl::InvalidArgumentError(
        fmt::format("a tree of size {} has {} perfect subtrees, not {}", size.value, expected,
                    subtree_roots.size()));
  }
  Frontier frontier;
  frontier.size_ = size;
  frontier.subtree_roots_ = std::move(subtree_roots);
  return frontier;
}

Hash Frontier::Root() const {
  if (subtree_roots_.empty()) return EmptyRoot();
  Hash root = subtree_roots_.back();
  for (size_t i = subtree_roots_.size() - 1; i-- > 0;) root = Sha256Node(subtree_roots_[i], root);
  return root;
}

void Frontier::Append(const Hash& leaf) { AppendOne(leaf, nullptr); }

void Frontier::AppendOne(const Hash& leaf, NodeSink* sink) {
  GRAVEN_CHECK(size_.value < kLogIndexLimit);
  Hash carry = leaf;
  int level = 0;
  for (uint64_t rest = size_.value; (rest & 1) != 0; rest >>= 1) {
    carry = Sha256Node(subtree_roots_.back(), carry);
    subtree_roots_.pop_back();
    ++level;
    if (sink != nullptr) sink->OnNodes(level, rest >> 1, std::span<const Hash>(&carry, 1));
  }
  subtree_roots_.push_back(carry);
  size_ = size_ + 1;
}

void Frontier::AppendAll(std::span<const Hash> leaves, NodeSink* sink) {
  GRAVEN_CHECK(leaves.size() <= kLogIndexLimit - size_.value);
  while (!leaves.empty()) {
    const size_t count = std::min(leaves.size(), kChunkLeaves);
    if (count < kGroupLeavesMin) {
      for (const Hash& leaf : leaves) AppendOne(leaf, sink);
      return;
    }
    AppendChunk(leaves.first(count), sink);
    leaves = leaves.subspan(count);
  }
}

void Frontier::AppendChunk(std::span<const Hash> leaves, NodeSink* sink) {
  // The complete nodes of one level that are new, with room in front for an older left sibling.
  std::array<Hash, kChunkLeaves + 1> row;
  size_t row_begin = 1;
  size_t row_count = leaves.size();
  std::copy(leaves.begin(), leaves.end(), row.begin() + 1);

  // New perfect subtree roots, the smallest first.
  std::array<Hash, 64> singles;
  size_t single_count = 0;

  uint64_t first_index = size_.value;
  for (int level = 0; row_count > 0; ++level) {
    if (level > 0 && sink != nullptr) {
      sink->OnNodes(level, first_index, std::span<const Hash>(row.data() + row_begin, row_count));
    }
    // Every level below had new nodes and took its older sibling, so the last root is this level's.
    if ((first_index & 1) != 0) {
      row[--row_begin] = subtree_roots_.back();
      subtree_roots_.pop_back();
      ++row_count;
      --first_index;
    }
    const size_t pairs = row_count / 2;
    if (row_count % 2 != 0) singles[single_count++] = row[row_begin + row_count - 1];
    // Parents go to the front of the room, one place in, so that the next sibling fits before them.
    Sha256Nodes(row.data() + row_begin, pairs, row.data() + row_begin);
    if (row_begin == 0 && pairs > 0) {
      std::copy_backward(row.begin(), row.begin() + static_cast<ptrdiff_t>(pairs),
                         row.begin() + static_cast<ptrdiff_t>(pairs) + 1);
      row_begin = 1;
    }
    row_count = pairs;
    first_index /= 2;
  }
  while (single_count > 0) subtree_roots_.push_back(singles[--single_count]);
  size_ = size_ + leaves.size();
}

}  // namespace graven::merkle
