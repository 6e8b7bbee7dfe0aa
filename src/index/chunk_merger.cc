#include "index/chunk_merger.h"

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "base/status_macros.h"

namespace graven::index {
namespace {

// Terms of all parts in the order of their keys; the leaves of one key come from part after part.
absl::Status MergeTerms(std::span<const std::shared_ptr<const Chunk>> parts,
                        ChunkEncoder* encoder) {
  std::vector<TermCursor> cursors;
  cursors.reserve(parts.size());
  std::vector<uint32_t> heap;  // the part whose key is lowest first, of equals the first part
  const auto later = [&](uint32_t a, uint32_t b) {
    const int order = cursors[a].key().compare(cursors[b].key());
    return order != 0 ? order > 0 : a > b;
  };
  for (uint32_t i = 0; i < parts.size(); ++i) {
    cursors.emplace_back(*parts[i]);
    RETURN_IF_ERROR(cursors[i].Seek(""));
    if (cursors[i].valid()) heap.push_back(i);
  }
  std::make_heap(heap.begin(), heap.end(), later);
  std::string key;
  std::vector<uint32_t> leaves;
  while (!heap.empty()) {
    const uint32_t part = heap.front();
    TermCursor& cursor = cursors[part];
    if (cursor.key() != key) {
      if (!leaves.empty()) encoder->AddTerm(key, leaves);
      leaves.clear();
      key = cursor.key();
    }
    RETURN_IF_ERROR(cursor.AppendLeaves(part * parts[part]->leaves(), &leaves));
    std::pop_heap(heap.begin(), heap.end(), later);
    RETURN_IF_ERROR(cursor.Next());
    if (cursor.valid()) {
      std::push_heap(heap.begin(), heap.end(), later);
    } else {
      heap.pop_back();
    }
  }
  if (!leaves.empty()) encoder->AddTerm(key, leaves);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> MergeChunks(std::span<const std::shared_ptr<const Chunk>> parts,
                                        const Hash& subtree_root) {
  GRAVEN_CHECK(parts.size() == kMergedChunks);
  const int level = parts[0]->level();
  for (size_t i = 1; i < parts.size(); ++i) {
    GRAVEN_CHECK(parts[i]->level() == level && parts[i]->first() == parts[i - 1]->end());
  }
  ChunkEncoder encoder(parts[0]->first(), level + kMergedLevels);
  RETURN_IF_ERROR(MergeTerms(parts, &encoder));
  std::vector<int64_t> received_ns;
  received_ns.reserve(parts.size() << level);
  std::vector<OccurredGroup> occurred;
  ChunkEncoder::Columns columns;
  std::vector<IdEntry> ids;
  for (uint32_t part = 0; part < parts.size(); ++part) {
    RETURN_IF_ERROR(parts[part]->ReadTimes(&received_ns));
    ASSIGN_OR_RETURN(const std::vector<OccurredGroup> groups, parts[part]->Occurred());
    occurred.insert(occurred.end(), groups.begin(), groups.end());
    for (size_t kind = 0; kind < kIdKinds; ++kind) {
      RETURN_IF_ERROR(parts[part]->ReadIds(static_cast<IdKind>(kind), &ids));
      std::vector<IdEntry>& all = columns.ids[kind];
      const auto middle = static_cast<ptrdiff_t>(all.size());
      for (const IdEntry entry : ids) all.push_back(entry + part * parts[part]->leaves());
      std::inplace_merge(all.begin(), all.begin() + middle, all.end());
    }
  }
  columns.received_ns = received_ns;
  columns.occurred = occurred;
  columns.subtree_root = subtree_root;
  return encoder.Finish(columns);
}

}  // namespace graven::index
