#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hash.h"
#include "base/log_index.h"

// Inclusion and consistency proofs of RFC 6962 section 2.1 (and their subtree forms, of
// draft-ietf-plants-merkle-tree-certs). Each proof has two halves that know nothing of each other:
// making one names ranges of leaves and reads their hashes; checking one only folds hashes.
// Pure: no I/O, no clock, no thread; whatever a NodeSource does is its own affair.
namespace graven::merkle {

// The most hashes that any valid proof has, trees being at most 2^63 large.
inline constexpr size_t kProofHashesMax = 64;

// The node (level, index) is the root of the perfect subtree over the leaves
// [index << level, (index + 1) << level).
struct NodeId {
  int level = 0;
  uint64_t index = 0;
  auto operator<=>(const NodeId&) const = default;
};

// Leaves from `first` to `end`, which is not among them.
struct LeafRange {
  uint64_t first = 0;
  uint64_t end = 0;
  auto operator<=>(const LeafRange&) const = default;
};

// Where the hashes of perfect subtrees come from: the only reading that a proof does.
class NodeSource {
 public:
  virtual ~NodeSource() = default;

  // REQUIRES: the subtree lies within the tree that the caller named. Errors go through unchanged.
  virtual absl::StatusOr<Hash> Node(int level, uint64_t index) = 0;
};

// Which ranges a proof is made of, in the proof's order.
// REQUIRES: index < size; 0 < old_size <= new_size; IsSubtree(subtree), subtree.end <= size.
std::vector<LeafRange> InclusionRanges(LogIndex index, TreeSize size);
std::vector<LeafRange> ConsistencyRanges(TreeSize old_size, TreeSize new_size);
std::vector<LeafRange> SubtreeConsistencyRanges(LeafRange subtree, TreeSize size);

// The perfect subtrees that `range` falls into, the largest (leftmost) first.
// REQUIRES: IsSubtree(range), not empty.
std::vector<NodeId> NodesOfRange(LeafRange range);

// The root of the tree over the leaves of `range` alone. REQUIRES: IsSubtree(range).
absl::StatusOr<Hash> RangeRoot(NodeSource& source, LeafRange range);

// kInvalidArgument: `index` is not below `size`, or `size` is above 2^63.
absl::StatusOr<std::vector<Hash>> InclusionProof(NodeSource& source, LogIndex index, TreeSize size);

// Empty when the sizes are equal. kInvalidArgument: `old_size` is 0 (no proof exists) or above
// `new_size`.
absl::StatusOr<std::vector<Hash>> ConsistencyProof(NodeSource& source, TreeSize old_size,
                                                   TreeSize new_size);

absl::StatusOr<Hash> RootFromNodes(NodeSource& source, TreeSize size);

// The root that a tree of `size` has, if `leaf` is at `index` and `proof` is its path.
// kInvalidArgument: `index` is not below `size`, or the proof has another number of hashes than
// such a path.
absl::StatusOr<Hash> RootFromInclusion(LogIndex index, TreeSize size, const Hash& leaf,
                                       std::span<const Hash> proof);

// OK: `leaf` is at `index` in the tree of `size` with this `root`.
// kInvalidArgument: the proof is malformed, or leads to another root (the message says which).
absl::Status CheckInclusion(LogIndex index, TreeSize size, const Hash& leaf,
                            std::span<const Hash> proof, const Hash& root);

// OK: the tree with `old_root` is a prefix of the one with `new_root`.
// kInvalidArgument: the sizes are wrong (an old size of 0 too: there is nothing to prove), the
// proof is malformed, or leads to other roots (the message says which).
absl::Status CheckConsistency(TreeSize old_size, TreeSize new_size, std::span<const Hash> proof,
                              const Hash& old_root, const Hash& new_root);

// Whether some tree has these leaves below one node: the range is empty, begins at 0, or begins at
// a multiple of the smallest power of two that is not below its length.
bool IsSubtree(LeafRange range);

// As CheckInclusion, in the tree of the leaves of `subtree` alone.
absl::Status CheckSubtreeInclusion(LogIndex index, LeafRange subtree, const Hash& leaf,
                                   std::span<const Hash> proof, const Hash& subtree_root);

// OK: the leaves of `subtree`, with the root `subtree_root`, stand at their place in the tree of
// `size` with `root`.
absl::Status CheckSubtreeConsistency(LeafRange subtree, TreeSize size, std::span<const Hash> proof,
                                     const Hash& subtree_root, const Hash& root);

}  // namespace graven::merkle
