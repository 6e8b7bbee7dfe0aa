#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "base/hash.h"
#include "base/log_index.h"

namespace graven::merkle {

// Hears of inner nodes as they become complete: those of level >= 1 whose last leaf was just
// appended. A level's nodes come in ascending order without gaps; between levels there is no order.
class NodeSink {
 public:
  virtual ~NodeSink() = default;

  // `hashes` are the nodes (level, first_index), (level, first_index + 1), ...; valid during the
  // call.
  virtual void OnNodes(int level, uint64_t first_index, std::span<const Hash> hashes) = 0;
};

// What it takes to append to an RFC 6962 tree and to name its root: the roots of the perfect
// subtrees that the leaves fall into, at most 64 hashes whatever the size. Pure: no I/O, no clock,
// no thread. Not thread-safe; a copy is cheap and independent. Invariant: one root for each bit
// that is set in the size, the largest subtree first.
class Frontier {
 public:
  Frontier() = default;

  // The frontier of a tree of `size`, whose perfect subtrees have these roots, the largest first.
  // kInvalidArgument: `subtree_roots` has another length than the number of bits set in `size`, or
  // `size` is above 2^63.
  static absl::StatusOr<Frontier> FromSubtreeRoots(TreeSize size, std::vector<Hash> subtree_roots);

  TreeSize size() const { return size_; }

  // The root of the whole tree; of an empty one SHA-256(""). Costs one node hash for each bit set
  // in the size, less one.
  Hash Root() const;

  // Adds one leaf hash: one node hash on average.
  void Append(const Hash& leaf);

  // Adds leaf hashes in order, hashing inner nodes in groups, which is faster than one by one.
  void AppendAll(std::span<const Hash> leaves, NodeSink* sink = nullptr);

  // The largest first.
  const std::vector<Hash>& subtree_roots() const { return subtree_roots_; }

  bool operator==(const Frontier&) const = default;

 private:
  void AppendOne(const Hash& leaf, NodeSink* sink);
  void AppendChunk(std::span<const Hash> leaves, NodeSink* sink);

  TreeSize size_;
  std::vector<Hash> subtree_roots_;
};

}  // namespace graven::merkle
