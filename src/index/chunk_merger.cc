#include "index/chunk_merger.h"

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "base/status_macros.h"

namespace graven::index {
namespace {

using Parts = std::span<const std::shared_ptr<const Chunk>>;

// Between two looks whether it is still wanted: some milliseconds of work.
constexpr uint64_t kTermsPerLook = 4096;

// What reading a part came to.
absl::Status Judged(const Chunk& part, absl::Status status) {
  if (IsDamage(status)) part.Distrust();
  return status;
}

// Terms of all parts in the order of their keys; the leaves of one key come from part after part.
absl::Status MergeTerms(Parts parts, const GoOn& go_on, ChunkEncoder* encoder) {
  std::vector<TermCursor> cursors;
  cursors.reserve(parts.size());
  std::vector<uint32_t> heap;  // the part whose key is lowest first, of equals the first part
  const auto later = [&](uint32_t a, uint32_t b) {
    const int order = cursors[a].key().compare(cursors[b].key());
    return order != 0 ? order > 0 : a > b;
  };
  for (uint32_t i = 0; i < parts.size(); ++i) {
    cursors.emplace_back(*parts[i]);
    RETURN_IF_ERROR(Judged(*parts[i], cursors[i].Seek("")));
    if (cursors[i].valid()) heap.push_back(i);
  }
  std::make_heap(heap.begin(), heap.end(), later);
  std::string key;
  std::vector<uint32_t> leaves;
  for (uint64_t taken = 0; !heap.empty(); ++taken) {
    if (taken % kTermsPerLook == 0) RETURN_IF_ERROR(CheckWanted(go_on));
    const uint32_t part = heap.front();
    TermCursor& cursor = cursors[part];
    if (cursor.key() != key) {
      if (!leaves.empty()) encoder->AddTerm(key, leaves);
      leaves.clear();
      key = cursor.key();
    }
    RETURN_IF_ERROR(
        Judged(*parts[part], cursor.AppendLeaves(part * parts[part]->leaves(), &leaves)));
    std::pop_heap(heap.begin(), heap.end(), later);
    RETURN_IF_ERROR(Judged(*parts[part], cursor.Next()));
    if (cursor.valid()) {
      std::push_heap(heap.begin(), heap.end(), later);
    } else {
      heap.pop_back();
    }
  }
  if (!leaves.empty()) encoder->AddTerm(key, leaves);
  return absl::OkStatus();
}

// What is one of each record, or of each group of them: behind what is there.
absl::Status AppendColumns(const Chunk& part, uint32_t first_leaf,
                           std::vector<int64_t>* received_ns, std::vector<OccurredGroup>* occurred,
                           ChunkEncoder::Columns* columns) {
  RETURN_IF_ERROR(part.ReadTimes(received_ns));
  ASSIGN_OR_RETURN(const std::vector<OccurredGroup> groups, part.Occurred());
  occurred->insert(occurred->end(), groups.begin(), groups.end());
  std::vector<IdEntry> ids;
  for (size_t kind = 0; kind < kIdKinds; ++kind) {
    RETURN_IF_ERROR(part.ReadIds(static_cast<IdKind>(kind), &ids));
    std::vector<IdEntry>& all = columns->ids[kind];
    const auto middle = static_cast<ptrdiff_t>(all.size());
    for (const IdEntry entry : ids) all.push_back(entry + first_leaf);
    std::inplace_merge(all.begin(), all.begin() + middle, all.end());
  }
  return absl::OkStatus();
}

}  // namespace

bool MayMerge(Parts parts, uint64_t content_bytes_max) {
  if (parts.size() != kMergedChunks) return false;
  const int level = parts[0]->level();
  if (level == kLargeLevel || parts[0]->first() % (uint64_t{1} << (level + kMergedLevels)) != 0) {
    return false;
  }
  uint64_t bytes = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    bytes += parts[i]->bytes();
    if (parts[i]->level() != level) return false;
    if (i > 0 && parts[i]->first() != parts[i - 1]->end()) return false;
  }
  return bytes <= content_bytes_max;
}

absl::StatusOr<std::string> MergeChunks(Parts parts, const Hash& subtree_root, const GoOn& go_on) {
  GRAVEN_CHECK(MayMerge(parts, UINT64_MAX));
  const int level = parts[0]->level();
  ChunkEncoder encoder(parts[0]->first(), level + kMergedLevels);
  RETURN_IF_ERROR(MergeTerms(parts, go_on, &encoder));
  std::vector<int64_t> received_ns;
  received_ns.reserve(parts.size() << level);
  std::vector<OccurredGroup> occurred;
  ChunkEncoder::Columns columns;
  for (uint32_t i = 0; i < parts.size(); ++i) {
    RETURN_IF_ERROR(CheckWanted(go_on));
    RETURN_IF_ERROR(Judged(*parts[i], AppendColumns(*parts[i], i * parts[i]->leaves(), &received_ns,
                                                    &occurred, &columns)));
  }
  RETURN_IF_ERROR(CheckWanted(go_on));
  columns.received_ns = received_ns;
  columns.occurred = occurred;
  columns.subtree_root = subtree_root;
  return encoder.Finish(columns);
}

}  // namespace graven::index
