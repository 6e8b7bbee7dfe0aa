#include <bit>
#include <cstdint>

#include "base/encoding.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "merkle/leaf.h"
#include "merkle/proof.h"

namespace graven::merkle {
namespace {

absl::Status Malformed(std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("malformed proof: {}", what));
}

absl::Status WrongLength(size_t expected, size_t actual) {
  return Malformed(fmt::format("{} hashes where {} are needed", actual, expected));
}

absl::Status CompareRoots(std::string_view which, const Hash& computed, const Hash& given) {
  if (computed == given) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("wrong proof: it leads to the {} {}, not to {}",
                                                which, HexEncode(computed), HexEncode(given)));
}

absl::Status CheckTreeSize(TreeSize size) {
  if (size.value <= kLogIndexLimit) return absl::OkStatus();
  return Malformed(fmt::format("tree size {} is above the limit of 2^63", size.value));
}

// Where the path from the leaf `last` of a tree goes, when the tree's last leaf is `tree_last`: up
// to `inner` levels both have their own ancestors; above that each left sibling on the way to the
// root is one more hash, `border` of them.
struct PathShape {
  int inner;
  int border;
};
PathShape ShapeOf(uint64_t leaf, uint64_t tree_last) {
  const int inner = std::bit_width(leaf ^ tree_last);
  return {inner, std::popcount(leaf >> inner)};
}

}  // namespace

absl::StatusOr<Hash> RootFromInclusion(LogIndex index, TreeSize size, const Hash& leaf,
                                       std::span<const Hash> proof) {
  RETURN_IF_ERROR(CheckTreeSize(size));
  if (!Contains(size, index)) {
    return Malformed(
        fmt::format("index {} is not below the tree size {}", index.value, size.value));
  }
  const PathShape shape = ShapeOf(index.value, size.value - 1);
  const size_t expected = static_cast<size_t>(shape.inner + shape.border);
  if (proof.size() != expected) return WrongLength(expected, proof.size());
  Hash hash = leaf;
  for (size_t k = 0; k < proof.size(); ++k) {
    const bool sibling_is_left =
        k >= static_cast<size_t>(shape.inner) || ((index.value >> k) & 1) != 0;
    hash = sibling_is_left ? Sha256Node(proof[k], hash) : Sha256Node(hash, proof[k]);
  }
  return hash;
}

absl::Status CheckInclusion(LogIndex index, TreeSize size, const Hash& leaf,
                            std::span<const Hash> proof, const Hash& root) {
  ASSIGN_OR_RETURN(Hash computed, RootFromInclusion(index, size, leaf, proof));
  return CompareRoots("root", computed, root);
}

absl::Status CheckConsistency(TreeSize old_size, TreeSize new_size, std::span<const Hash> proof,
                              const Hash& old_root, const Hash& new_root) {
  RETURN_IF_ERROR(CheckTreeSize(new_size));
  if (old_size.value == 0) return Malformed("old size 0: no proof leads from the empty tree");
  if (old_size > new_size) {
    return Malformed(
        fmt::format("old size {} is above the new size {}", old_size.value, new_size.value));
  }
  if (old_size == new_size) {
    if (!proof.empty()) return WrongLength(0, proof.size());
    return CompareRoots("root", old_root, new_root);
  }
  const PathShape shape = ShapeOf(old_size.value - 1, new_size.value - 1);
  // The path begins at the largest perfect subtree that ends the old tree.
  const int skipped = std::countr_zero(old_size.value);
  const bool begins_at_old_root = std::has_single_bit(old_size.value);
  const size_t inner = static_cast<size_t>(shape.inner - skipped);
  const size_t expected = inner + static_cast<size_t>(shape.border) + (begins_at_old_root ? 0 : 1);
  if (proof.size() != expected) return WrongLength(expected, proof.size());

  Hash old_hash = begins_at_old_root ? old_root : proof[0];
  Hash new_hash = old_hash;
  const std::span<const Hash> rest = proof.subspan(begins_at_old_root ? 0 : 1);
  const uint64_t turns = (old_size.value - 1) >> skipped;
  for (size_t k = 0; k < rest.size(); ++k) {
    if (k < inner && ((turns >> k) & 1) == 0) {
      // The sibling lies to the right, where the old tree had no leaves.
      new_hash = Sha256Node(new_hash, rest[k]);
    } else {
      old_hash = Sha256Node(rest[k], old_hash);
      new_hash = Sha256Node(rest[k], new_hash);
    }
  }
  RETURN_IF_ERROR(CompareRoots("old root", old_hash, old_root));
  return CompareRoots("new root", new_hash, new_root);
}

absl::Status CheckSubtreeInclusion(LogIndex index, LeafRange subtree, const Hash& leaf,
                                   std::span<const Hash> proof, const Hash& subtree_root) {
  if (!IsSubtree(subtree)) {
    return Malformed(fmt::format("[{}, {}) is no subtree", subtree.first, subtree.end));
  }
  if (index.value < subtree.first || index.value >= subtree.end) {
    return Malformed(
        fmt::format("index {} is not within [{}, {})", index.value, subtree.first, subtree.end));
  }
  return CheckInclusion(LogIndex(index.value - subtree.first),
                        TreeSize(subtree.end - subtree.first), leaf, proof, subtree_root);
}

absl::Status CheckSubtreeConsistency(LeafRange subtree, TreeSize size, std::span<const Hash> proof,
                                     const Hash& subtree_root, const Hash& root) {
  RETURN_IF_ERROR(CheckTreeSize(size));
  if (!IsSubtree(subtree) || subtree.end > size.value) {
    return Malformed(fmt::format("[{}, {}) is no subtree of a tree of size {}", subtree.first,
                                 subtree.end, size.value));
  }
  if (subtree.first == subtree.end) {
    if (!proof.empty()) return WrongLength(0, proof.size());
    return CompareRoots("subtree root", EmptyRoot(), subtree_root);
  }
  // Positions, at the level reached, of the subtree's first and last node and of the tree's last.
  uint64_t first = subtree.first;
  uint64_t last = subtree.end - 1;
  uint64_t tree_last = size.value - 1;
  const auto ascend = [&] {
    first >>= 1;
    last >>= 1;
    tree_last >>= 1;
  };
  // Up to the largest node that ends the subtree wholly: the path begins there.
  const bool reaches_tree_end = last == tree_last;
  while (first != last && (reaches_tree_end || (last & 1) != 0)) ascend();

  const bool begins_at_subtree_root = first == last;
  if (!begins_at_subtree_root && proof.empty()) return WrongLength(1, 0);
  Hash subtree_hash = begins_at_subtree_root ? subtree_root : proof[0];
  Hash tree_hash = subtree_hash;
  for (const Hash& sibling : proof.subspan(begins_at_subtree_root ? 0 : 1)) {
    if (tree_last == 0) return Malformed("more hashes than the path has");
    if ((last & 1) != 0 || last == tree_last) {
      if (first < last) subtree_hash = Sha256Node(sibling, subtree_hash);
      tree_hash = Sha256Node(sibling, tree_hash);
      // A node without a right sibling moves up as it is.
      while ((last & 1) == 0 && last != 0) ascend();
    } else {
      tree_hash = Sha256Node(tree_hash, sibling);
    }
    ascend();
  }
  if (tree_last != 0) return Malformed("fewer hashes than the path has");
  RETURN_IF_ERROR(CompareRoots("subtree root", subtree_hash, subtree_root));
  return CompareRoots("root", tree_hash, root);
}

}  // namespace graven::merkle
