#include "shelf/tail.h"

#include <algorithm>

#include "base/check.h"

namespace graven::shelf {

Tail::Tail(LogIndex first, std::span<const Hash> hashes_before)
    : first_chunk_(first.value / kChunkRecords), next_(first.value) {
  GRAVEN_CHECK(hashes_before.size() == first.value % kChunkRecords);
  if (hashes_before.empty()) return;
  chunks_.push_back(std::make_shared<Chunk>());
  last_ = chunks_.back().get();
  std::copy(hashes_before.begin(), hashes_before.end(), last_->hashes.begin());
  last_->located_from = static_cast<uint32_t>(hashes_before.size());
}

void Tail::Append(const Hash& hash, uint64_t check, const journal::RecordLocation& location) {
  uint64_t place = next_ % kChunkRecords;
  if (place == 0) {
    auto chunk = std::make_shared<Chunk>();
    last_ = chunk.get();
    std::lock_guard lock(mutex_);
    // Everything was dropped meanwhile: the list begins anew here.
    if (chunks_.empty()) first_chunk_ = next_ / kChunkRecords;
    chunks_.push_back(std::move(chunk));
  }
  last_->hashes[place] = hash;
  last_->locations[place] = location;
  last_->checks[place] = check;
  ++next_;
}

void Tail::SetNode(uint64_t chunk, const Hash& node) {
  std::lock_guard lock(mutex_);
  if (chunk < first_chunk_ || chunk - first_chunk_ >= chunks_.size()) return;
  chunks_[chunk - first_chunk_]->node = node;
}

std::vector<std::shared_ptr<const Tail::Chunk>> Tail::Chunks(uint64_t first_chunk,
                                                             uint64_t count) const {
  std::vector<std::shared_ptr<const Chunk>> found;
  std::lock_guard lock(mutex_);
  if (first_chunk < first_chunk_ || first_chunk - first_chunk_ + count > chunks_.size()) {
    return found;
  }
  auto begin = chunks_.begin() + static_cast<ptrdiff_t>(first_chunk - first_chunk_);
  found.assign(begin, begin + static_cast<ptrdiff_t>(count));
  return found;
}

std::vector<Tail::Entry> Tail::Find(LogIndex first, uint64_t count) const {
  std::vector<Entry> entries;
  if (count == 0) return entries;
  uint64_t first_chunk = first.value / kChunkRecords;
  uint64_t last_chunk = (first.value + count - 1) / kChunkRecords;
  auto chunks = Chunks(first_chunk, last_chunk - first_chunk + 1);
  if (chunks.empty()) return entries;
  entries.reserve(count);
  for (uint64_t index = first.value; index < first.value + count; ++index) {
    const Chunk& chunk = *chunks[index / kChunkRecords - first_chunk];
    uint64_t place = index % kChunkRecords;
    Entry entry{chunk.hashes[place], 0, std::nullopt};
    if (place >= chunk.located_from) {
      entry.location = chunk.locations[place];
      entry.check = chunk.checks[place];
    }
    entries.push_back(entry);
  }
  return entries;
}

bool Tail::Hashes(LogIndex first, std::span<Hash> out) const {
  if (out.empty()) return true;
  uint64_t first_chunk = first.value / kChunkRecords;
  uint64_t last_chunk = (first.value + out.size() - 1) / kChunkRecords;
  auto chunks = Chunks(first_chunk, last_chunk - first_chunk + 1);
  if (chunks.empty()) return false;
  for (size_t i = 0; i < out.size(); ++i) {
    uint64_t index = first.value + i;
    out[i] = chunks[index / kChunkRecords - first_chunk]->hashes[index % kChunkRecords];
  }
  return true;
}

bool Tail::Nodes(uint64_t first_chunk, std::span<Hash> out) const {
  if (out.empty()) return true;
  auto chunks = Chunks(first_chunk, out.size());
  if (chunks.empty()) return false;
  for (size_t i = 0; i < out.size(); ++i) out[i] = chunks[i]->node;
  return true;
}

void Tail::DropBelow(LogIndex index) {
  uint64_t keep_from = index.value / kChunkRecords;
  std::vector<std::shared_ptr<Chunk>> dropped;  // freed outside the lock
  std::lock_guard lock(mutex_);
  while (!chunks_.empty() && first_chunk_ < keep_from) {
    dropped.push_back(std::move(chunks_.front()));
    chunks_.pop_front();
    ++first_chunk_;
  }
}

}  // namespace graven::shelf
