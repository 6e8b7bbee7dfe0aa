#pragma once

#include <bit>
#include <span>
#include <vector>

#include "base/check.h"
#include "base/sha256.h"
#include "merkle/leaf.h"
#include "merkle/proof.h"

// The definitions of RFC 6962 section 2.1 written down as they stand there, recursive and slow:
// what the tests hold the real code against. Nothing but tests includes this.
namespace graven::merkle {

inline Hash SlowRoot(std::span<const Hash> leaves) {
  if (leaves.empty()) return EmptyRoot();
  if (leaves.size() == 1) return leaves[0];
  const size_t split = std::bit_floor(leaves.size() - 1);
  return Sha256Node(SlowRoot(leaves.first(split)), SlowRoot(leaves.subspan(split)));
}

inline std::vector<Hash> SlowInclusion(size_t index, std::span<const Hash> leaves) {
  if (leaves.size() == 1) return {};
  const size_t split = std::bit_floor(leaves.size() - 1);
  const bool left = index < split;
  std::vector<Hash> path = left ? SlowInclusion(index, leaves.first(split))
                                : SlowInclusion(index - split, leaves.subspan(split));
  path.push_back(SlowRoot(left ? leaves.subspan(split) : leaves.first(split)));
  return path;
}

inline std::vector<Hash> SlowConsistency(size_t old_size, std::span<const Hash> leaves,
                                         bool whole = true) {
  if (old_size == leaves.size()) {
    return whole ? std::vector<Hash>{} : std::vector<Hash>{SlowRoot(leaves)};
  }
  const size_t split = std::bit_floor(leaves.size() - 1);
  const bool left = old_size <= split;
  std::vector<Hash> path = left ? SlowConsistency(old_size, leaves.first(split), whole)
                                : SlowConsistency(old_size - split, leaves.subspan(split), false);
  path.push_back(SlowRoot(left ? leaves.subspan(split) : leaves.first(split)));
  return path;
}

// Perfect subtrees over leaves held in memory; counts what it was asked for.
class LeafSource : public NodeSource {
 public:
  explicit LeafSource(std::span<const Hash> leaves) : leaves_(leaves) {}

  absl::StatusOr<Hash> Node(int level, uint64_t index) override {
    ++reads;
    GRAVEN_CHECK((index + 1) << level <= leaves_.size());
    return SlowRoot(leaves_.subspan(index << level, size_t{1} << level));
  }

  int reads = 0;

 private:
  std::span<const Hash> leaves_;
};

// Leaf i is the single byte i (and beyond 255 its two bytes), as in the draft's vectors.
inline std::vector<Hash> CountedLeaves(size_t count) {
  std::vector<Hash> leaves;
  for (size_t i = 0; i < count; ++i) {
    std::string bytes(1, static_cast<char>(i));
    if (i > 255) bytes += static_cast<char>(i >> 8);
    leaves.push_back(HashLeaf(bytes));
  }
  return leaves;
}

}  // namespace graven::merkle
