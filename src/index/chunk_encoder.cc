#include "index/chunk_encoder.h"

#include <algorithm>
#include <bit>

#include "base/check.h"
#include "base/encoding.h"
#include "index/bitmap.h"
#include "index/packed.h"
#include "query/text.h"
#include "record/wire.h"

namespace graven::index {
namespace {

void Put64(uint64_t value, std::string* out) {
  char buffer[8];
  PutFixed64(buffer, value);
  out->append(buffer, sizeof(buffer));
}

void Put32(uint32_t value, std::string* out) {
  char buffer[4];
  PutFixed32(buffer, value);
  out->append(buffer, sizeof(buffer));
}

// The first as it is, each other as its distance from the one before.
void PutLeaves(std::span<const uint32_t> leaves, std::string* out) {
  uint32_t before = 0;
  for (const uint32_t leaf : leaves) {
    record::AppendVarint(leaf - before, out);
    before = leaf;
  }
}

size_t SharedPrefix(std::string_view a, std::string_view b) {
  const auto [end, other] = std::mismatch(
      a.begin(), a.begin() + static_cast<ptrdiff_t>(std::min(a.size(), b.size())), b.begin());
  return static_cast<size_t>(end - a.begin());
}

}  // namespace

ChunkEncoder::ChunkEncoder(uint64_t first, int level) : frequent_(uint64_t{1} << level) {
  header_.first = first;
  header_.level = level;
  header_.unicode_version = query::UnicodeVersion();
  out_.assign(kChunkHeaderBytes, '\0');
  page_begin_ = out_.size();
  for (std::vector<uint32_t>& column : columns_) column.assign(header_.count(), 0);
}

void ChunkEncoder::AddTerm(std::string_view key, std::span<const uint32_t> leaves) {
  GRAVEN_CHECK(!key.empty() && key.size() <= kKeyBytesMax && !leaves.empty());
  GRAVEN_CHECK(header_.terms == 0 || std::string_view(last_key_) < key);
  size_t shared = 0;
  if (out_.size() == page_begin_) {
    // A page: where it begins, how many terms and what bytes of leaves are before it, its first
    // key.
    record::AppendVarint(page_begin_ - kChunkHeaderBytes, &directory_);
    record::AppendVarint(header_.terms, &directory_);
    record::AppendVarint(postings_.size(), &directory_);
    record::AppendVarint(key.size(), &directory_);
    directory_ += key;
  } else {
    shared = SharedPrefix(last_key_, key);
  }
  record::AppendVarint(shared, &out_);
  record::AppendVarint(key.size() - shared, &out_);
  out_ += key.substr(shared);
  record::AppendVarint(leaves.size(), &out_);
  AppendLeaves(leaves);
  if (const auto column = ColumnOf(static_cast<KeyKind>(key[0]))) AddToColumn(*column, leaves);
  frequent_.AddTerm(key, leaves);
  last_key_ = key;
  ++header_.terms;
  if (out_.size() - page_begin_ >= kPageBytes) EndPage();
}

void ChunkEncoder::AppendLeaves(std::span<const uint32_t> leaves) {
  if (leaves.size() <= kInlineLeavesMax) {
    PutLeaves(leaves, &out_);
    return;
  }
  const size_t before = postings_.size();
  if (leaves.size() <= kListLeavesMax) {
    PutLeaves(leaves, &postings_);
  } else {
    postings_ += Bitmap::Of(leaves).Serialize();
  }
  record::AppendVarint(postings_.size() - before, &out_);
}

void ChunkEncoder::AddToColumn(size_t column, std::span<const uint32_t> leaves) {
  const uint32_t value = ++values_[column];
  for (const uint32_t leaf : leaves) columns_[column][leaf] = value;
}

void ChunkEncoder::EndPage() { page_begin_ = out_.size(); }

void ChunkEncoder::BeginSection(Section section) {
  header_.sections[static_cast<size_t>(section)].offset = out_.size();
}

void ChunkEncoder::EndSection(Section section) {
  Extent& extent = header_.sections[static_cast<size_t>(section)];
  extent.bytes = out_.size() - extent.offset;
}

std::string ChunkEncoder::Finish(const Columns& columns) {
  GRAVEN_CHECK(columns.received_ns.size() == header_.count());
  header_.sections[static_cast<size_t>(Section::kPages)].offset = kChunkHeaderBytes;
  EndSection(Section::kPages);
  BeginSection(Section::kDirectory);
  out_ += directory_;
  EndSection(Section::kDirectory);
  BeginSection(Section::kPostings);
  out_ += postings_;
  EndSection(Section::kPostings);
  AppendColumns();
  AppendTimes(columns.received_ns);
  AppendOccurred(columns.occurred);
  BeginSection(Section::kFrequent);
  out_ += frequent_.Finish();
  EndSection(Section::kFrequent);
  for (size_t kind = 0; kind < kIdKinds; ++kind) {
    AppendIds(static_cast<IdKind>(kind), columns.ids[kind]);
  }
  header_.subtree_root = columns.subtree_root;
  EncodeHeader(header_, out_.data());
  return std::move(out_);
}

void ChunkEncoder::AppendColumns() {
  for (size_t column = 0; column < kColumns; ++column) {
    const auto section = static_cast<Section>(static_cast<size_t>(Section::kActors) + column);
    BeginSection(section);
    // Width in a word of its own, so that the numbers begin at a multiple of eight.
    const int width = BitsFor(values_[column]);
    Put64(static_cast<uint64_t>(width), &out_);
    PackedWriter writer(header_.count(), width, &out_);
    for (const uint32_t value : columns_[column]) writer.Add(value);
    EndSection(section);
  }
}

// A table of the groups {time of its first record, where its numbers begin with their width in the
// lowest six bits}, then the numbers: how long after the first.
void ChunkEncoder::AppendTimes(std::span<const int64_t> received_ns) {
  BeginSection(Section::kTimes);
  std::string numbers;
  for (size_t at = 0; at < received_ns.size(); at += kTimesPerGroup) {
    const auto group = received_ns.subspan(at, kTimesPerGroup);
    const auto base = static_cast<uint64_t>(group.front());
    int width = BitsFor(static_cast<uint64_t>(group.back()) - base);
    // A pause of years within a group: whole words.
    if (width > kPackedWidthMax) width = 63;
    Put64(base, &out_);
    Put64((uint64_t{numbers.size()} << 6) | static_cast<uint64_t>(width), &out_);
    if (width > kPackedWidthMax) {
      for (const int64_t time : group) Put64(static_cast<uint64_t>(time) - base, &numbers);
      continue;
    }
    PackedWriter writer(group.size(), width, &numbers);
    for (const int64_t time : group) writer.Add(static_cast<uint64_t>(time) - base);
  }
  out_ += numbers;
  EndSection(Section::kTimes);
}

void ChunkEncoder::AppendOccurred(std::span<const OccurredGroup> groups) {
  GRAVEN_CHECK(groups.size() == header_.count() / kOccurredPerGroup);
  BeginSection(Section::kOccurred);
  for (const OccurredGroup& group : groups) {
    for (const record::TimePoint& time : {group.earliest, group.latest}) {
      Put64(static_cast<uint64_t>(time.seconds), &out_);
      Put64(static_cast<uint64_t>(time.nanos), &out_);
    }
  }
  EndSection(Section::kOccurred);
}

// Entries fall into buckets by their highest bits, some sixteen each; what is left of the 32 bits
// and the leaf are packed.
void ChunkEncoder::AppendIds(IdKind kind, std::span<const IdEntry> entries) {
  const auto section =
      static_cast<Section>(static_cast<size_t>(Section::kIds) + static_cast<size_t>(kind));
  BeginSection(section);
  if (!entries.empty()) {
    const int bucket_bits = std::max(0, BitsFor(entries.size()) - 5);
    const int rest_bits = 32 - bucket_bits;
    Put32(static_cast<uint32_t>(entries.size()), &out_);
    Put32(static_cast<uint32_t>(bucket_bits), &out_);
    size_t at = 0;
    for (uint64_t bucket = 0; bucket <= uint64_t{1} << bucket_bits; ++bucket) {
      const uint64_t begin = bucket << (32 + rest_bits);
      const bool is_last = bucket == uint64_t{1} << bucket_bits;
      while (at < entries.size() && (is_last || entries[at] < begin)) ++at;
      Put32(static_cast<uint32_t>(at), &out_);
    }
    PackedWriter writer(entries.size(), rest_bits + header_.level, &out_);
    const uint64_t rest_mask = (uint64_t{1} << rest_bits) - 1;
    for (const IdEntry entry : entries) {
      writer.Add((((entry >> 32) & rest_mask) << header_.level) | (entry & 0xFFFFFFFF));
    }
  }
  EndSection(section);
}

}  // namespace graven::index
