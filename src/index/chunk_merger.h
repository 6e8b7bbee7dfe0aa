#pragma once

#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "index/chunk.h"

namespace graven::index {

// The content of the chunk that sixteen smaller ones make, in order: byte for byte what a
// ChunkBuilder makes of the records. Errors as of reading the parts. Memory: the result, and some
// forty bytes a leaf.
absl::StatusOr<std::string> MergeChunks(std::span<const std::shared_ptr<const Chunk>> parts,
                                        const Hash& subtree_root = Hash());

}  // namespace graven::index
