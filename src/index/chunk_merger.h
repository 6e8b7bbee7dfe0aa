#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "index/chunk.h"
#include "index/go_on.h"

namespace graven::index {

// Of what sixteen chunks hold together, for one to be made of them. Ordinary ones of 2^16 records
// have a fifth of it; what strangers filled up stays in sixteen files, and its merging would take
// memory in proportion.
inline constexpr uint64_t kMergedContentBytesMax = uint64_t{256} << 20;

// Whether `parts` become one chunk: they are sixteen of one level, a range of the next level
// without a gap, and hold no more than `content_bytes_max` together.
bool MayMerge(std::span<const std::shared_ptr<const Chunk>> parts,
              uint64_t content_bytes_max = kMergedContentBytesMax);

// The content of the chunk that sixteen smaller ones make, in order: byte for byte what a
// ChunkBuilder makes of the records. REQUIRES: MayMerge but for the bytes. Errors as of reading the
// parts: the one that is damaged is distrusted. kCancelled. Memory: the result, and some forty
// bytes a leaf.
absl::StatusOr<std::string> MergeChunks(std::span<const std::shared_ptr<const Chunk>> parts,
                                        const Hash& subtree_root = Hash(), const GoOn& go_on = {});

}  // namespace graven::index
