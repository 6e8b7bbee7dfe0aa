#include "index/chunk.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/encoding.h"
#include "base/status_macros.h"
#include "index/packed.h"
#include "query/text.h"

namespace graven::index {
namespace {

absl::Status Wrong(const char* what) {
  return absl::DataLossError(std::string("index: ").append(what).append(" is not as it must be"));
}

// Reads a list of `count` leaves that PutLeaves wrote. False: it is not one, or not below `limit`.
bool ReadLeaves(std::string_view* in, uint64_t count, uint64_t limit, uint32_t* leaves) {
  uint64_t leaf = 0;
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t distance;
    if (!GetVarint(in, &distance) || distance >= limit || (i > 0 && distance == 0)) return false;
    leaf += distance;
    if (leaf >= limit) return false;
    leaves[i] = static_cast<uint32_t>(leaf);
  }
  return true;
}

constexpr size_t kTimeEntryBytes = 16;
constexpr size_t kOccurredBytes = 32;
constexpr size_t kIdHeadBytes = 8;

}  // namespace

absl::StatusOr<std::shared_ptr<const Chunk>> Chunk::Open(std::shared_ptr<const Content> content) {
  std::string bytes;
  if (content->bytes() < kChunkHeaderBytes) return Wrong("the header");
  RETURN_IF_ERROR(content->Read(0, kChunkHeaderBytes, &bytes));
  if (bytes.starts_with(kChunkMagic) && GetFixed32(bytes.data() + 8) != kChunkVersion) {
    return absl::FailedPreconditionError("index: of another version of the format");
  }
  std::optional<ChunkHeader> header = ParseHeader(bytes, content->bytes());
  if (!header) return Wrong("the header");
  if (header->unicode_version != query::UnicodeVersion()) {
    return absl::FailedPreconditionError("index: its words are of another version of Unicode");
  }
  std::shared_ptr<Chunk> chunk(new Chunk(std::move(content), *std::move(header)));
  RETURN_IF_ERROR(chunk->ReadDirectory());
  return chunk;
}

absl::Status Chunk::ReadSection(Section section, std::string* bytes) const {
  const Extent& extent = header_.section(section);
  return content_->Read(extent.offset, extent.bytes, bytes);
}

absl::Status Chunk::ReadWithin(const Extent& section, uint64_t offset, uint64_t size,
                               std::string* bytes) const {
  if (offset > section.bytes || size > section.bytes - offset) return Wrong("a section");
  return content_->Read(section.offset + offset, size, bytes);
}

absl::Status Chunk::ReadDirectory() {
  RETURN_IF_ERROR(ReadSection(Section::kDirectory, &directory_));
  const uint64_t pages_bytes = header_.section(Section::kPages).bytes;
  const uint64_t postings_bytes = header_.section(Section::kPostings).bytes;
  std::string_view rest = directory_;
  while (!rest.empty()) {
    Page page;
    uint64_t key_bytes;
    if (!GetVarint(&rest, &page.begin) || !GetVarint(&rest, &page.first_term) ||
        !GetVarint(&rest, &page.postings_begin) || !GetVarint(&rest, &key_bytes) ||
        key_bytes == 0 || key_bytes > kKeyBytesMax || key_bytes > rest.size()) {
      return Wrong("the directory");
    }
    page.first_key = rest.substr(0, key_bytes);
    rest.remove_prefix(key_bytes);
    const bool first = pages_.empty();
    if (page.begin >= pages_bytes || page.postings_begin > postings_bytes ||
        page.first_term >= header_.terms || (first && (page.begin != 0 || page.first_term != 0)) ||
        (!first &&
         (page.begin <= pages_.back().begin || page.first_term <= pages_.back().first_term ||
          page.postings_begin < pages_.back().postings_begin ||
          page.first_key <= pages_.back().first_key))) {
      return Wrong("the directory");
    }
    pages_.push_back(page);
  }
  if (pages_.empty() && (header_.terms != 0 || pages_bytes != 0)) return Wrong("the directory");
  return absl::OkStatus();
}

absl::StatusOr<Bitmap> Chunk::LeavesOf(std::string_view key) const {
  TermCursor cursor(*this);
  RETURN_IF_ERROR(cursor.Seek(key));
  if (!cursor.valid() || cursor.key() != key) return Bitmap();
  return cursor.Leaves();
}

absl::Status Chunk::ReadTimeGroup(uint64_t group, std::vector<int64_t>* received_ns) const {
  const Extent& section = header_.section(Section::kTimes);
  const uint64_t table = header_.count() / kTimesPerGroup * kTimeEntryBytes;
  std::string bytes;
  RETURN_IF_ERROR(ReadWithin(section, group * kTimeEntryBytes, kTimeEntryBytes, &bytes));
  const uint64_t base = GetFixed64(bytes.data());
  const uint64_t place = GetFixed64(bytes.data() + 8);
  const int width = static_cast<int>(place & 63);
  const uint64_t offset = place >> 6;
  const bool whole_words = width > kPackedWidthMax;
  const uint64_t size = whole_words ? kTimesPerGroup * 8 : PackedBytes(kTimesPerGroup, width);
  RETURN_IF_ERROR(ReadWithin(section, table + offset, size, &bytes));
  for (uint64_t i = 0; i < kTimesPerGroup; ++i) {
    const uint64_t after =
        whole_words ? GetFixed64(bytes.data() + i * 8) : PackedAt(bytes, i, width);
    received_ns->push_back(static_cast<int64_t>(base + after));
  }
  return absl::OkStatus();
}

absl::StatusOr<uint32_t> Chunk::FirstSince(int64_t ns) const {
  // The last group that begins below `ns`: the border is in it, or at the next one's beginning.
  uint64_t low = 0;
  uint64_t high = header_.count() / kTimesPerGroup;
  std::string bytes;
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    RETURN_IF_ERROR(
        ReadWithin(header_.section(Section::kTimes), middle * kTimeEntryBytes, 8, &bytes));
    if (static_cast<int64_t>(GetFixed64(bytes.data())) < ns) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == 0) return 0;
  std::vector<int64_t> times;
  RETURN_IF_ERROR(ReadTimeGroup(low - 1, &times));
  const auto border = std::lower_bound(times.begin(), times.end(), ns);
  return static_cast<uint32_t>((low - 1) * kTimesPerGroup +
                               static_cast<uint64_t>(border - times.begin()));
}

absl::Status Chunk::ReadTimes(std::vector<int64_t>* received_ns) const {
  for (uint64_t group = 0; group < header_.count() / kTimesPerGroup; ++group) {
    RETURN_IF_ERROR(ReadTimeGroup(group, received_ns));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<OccurredGroup>> Chunk::Occurred() const {
  std::string bytes;
  RETURN_IF_ERROR(ReadSection(Section::kOccurred, &bytes));
  const uint64_t groups = header_.count() / kOccurredPerGroup;
  if (bytes.size() != groups * kOccurredBytes) return Wrong("the section of client's times");
  std::vector<OccurredGroup> occurred(groups);
  const char* at = bytes.data();
  for (OccurredGroup& group : occurred) {
    for (record::TimePoint* time : {&group.earliest, &group.latest}) {
      time->seconds = static_cast<int64_t>(GetFixed64(at));
      time->nanos = static_cast<int32_t>(GetFixed64(at + 8));
      at += 16;
    }
  }
  return occurred;
}

absl::Status Chunk::ReadColumn(size_t column, std::vector<uint32_t>* values) const {
  std::string bytes;
  RETURN_IF_ERROR(
      ReadSection(static_cast<Section>(static_cast<size_t>(Section::kActors) + column), &bytes));
  if (bytes.size() < 8) return Wrong("a column");
  const uint64_t width = GetFixed64(bytes.data());
  if (width > 32 || bytes.size() != 8 + PackedBytes(header_.count(), static_cast<int>(width))) {
    return Wrong("a column");
  }
  const std::string_view numbers = std::string_view(bytes).substr(8);
  values->resize(header_.count());
  for (uint64_t i = 0; i < header_.count(); ++i) {
    (*values)[i] = static_cast<uint32_t>(PackedAt(numbers, i, static_cast<int>(width)));
  }
  return absl::OkStatus();
}

absl::StatusOr<FrequentValues> Chunk::Frequent(KeyKind kind) const {
  std::string bytes;
  RETURN_IF_ERROR(ReadSection(Section::kFrequent, &bytes));
  return ParseFrequentValues(bytes, kind, leaves());
}

absl::StatusOr<std::vector<uint32_t>> Chunk::LeavesOfId(IdKind kind, uint32_t fingerprint) const {
  std::vector<uint32_t> leaves;
  const Extent& section = header_.ids(kind);
  if (section.bytes == 0) return leaves;
  std::string bytes;
  RETURN_IF_ERROR(ReadWithin(section, 0, kIdHeadBytes, &bytes));
  const uint64_t count = GetFixed32(bytes.data());
  const uint32_t bucket_bits = GetFixed32(bytes.data() + 4);
  if (bucket_bits >= 32) return Wrong("a section of ids");
  const int rest_bits = 32 - static_cast<int>(bucket_bits);
  const int width = rest_bits + header_.level;
  const uint64_t bucket = uint64_t{fingerprint} >> rest_bits;
  RETURN_IF_ERROR(ReadWithin(section, kIdHeadBytes + bucket * 4, 8, &bytes));
  const uint64_t begin = GetFixed32(bytes.data());
  const uint64_t end = GetFixed32(bytes.data() + 4);
  if (begin > end || end > count) return Wrong("a section of ids");
  if (begin == end) return leaves;
  const uint64_t table = kIdHeadBytes + ((uint64_t{1} << bucket_bits) + 1) * 4;
  const auto bits = static_cast<uint64_t>(width);
  const uint64_t from = begin * bits / 8;
  const uint64_t to = (end * bits + 7) / 8 + kPackedPadding;
  RETURN_IF_ERROR(ReadWithin(section, table + from, to - from, &bytes));
  const uint64_t skip = begin * bits % 8;
  const uint64_t rest = fingerprint & ((uint64_t{1} << rest_bits) - 1);
  for (uint64_t i = 0; i < end - begin; ++i) {
    const uint64_t bit = skip + i * bits;
    const uint64_t value =
        (GetFixed64(bytes.data() + bit / 8) >> (bit % 8)) & ((uint64_t{1} << width) - 1);
    if (value >> header_.level != rest) continue;
    leaves.push_back(static_cast<uint32_t>(value & (header_.count() - 1)));
  }
  if (!std::is_sorted(leaves.begin(), leaves.end())) return Wrong("a section of ids");
  return leaves;
}

absl::Status Chunk::ReadIds(IdKind kind, std::vector<IdEntry>* entries) const {
  const Extent& section = header_.ids(kind);
  entries->clear();
  if (section.bytes == 0) return absl::OkStatus();
  std::string bytes;
  RETURN_IF_ERROR(content_->Read(section.offset, section.bytes, &bytes));
  if (bytes.size() < kIdHeadBytes) return Wrong("a section of ids");
  const uint64_t count = GetFixed32(bytes.data());
  const uint32_t bucket_bits = GetFixed32(bytes.data() + 4);
  if (bucket_bits >= 32 || count > header_.count()) return Wrong("a section of ids");
  const int rest_bits = 32 - static_cast<int>(bucket_bits);
  const int width = rest_bits + header_.level;
  const uint64_t table = kIdHeadBytes + ((uint64_t{1} << bucket_bits) + 1) * 4;
  if (bytes.size() != table + PackedBytes(count, width)) return Wrong("a section of ids");
  const std::string_view numbers = std::string_view(bytes).substr(table);
  entries->reserve(count);
  for (uint64_t bucket = 0; bucket < uint64_t{1} << bucket_bits; ++bucket) {
    const char* place = bytes.data() + kIdHeadBytes + bucket * 4;
    const uint32_t begin = GetFixed32(place);
    const uint32_t end = GetFixed32(place + 4);
    if (begin != entries->size() || begin > end || end > count) return Wrong("a section of ids");
    for (uint32_t i = begin; i < end; ++i) {
      const uint64_t value = PackedAt(numbers, i, width);
      entries->push_back(
          MakeIdEntry(static_cast<uint32_t>((bucket << rest_bits) | (value >> header_.level)),
                      static_cast<uint32_t>(value & (header_.count() - 1))));
    }
  }
  if (!std::is_sorted(entries->begin(), entries->end())) return Wrong("a section of ids");
  return absl::OkStatus();
}

absl::Status TermCursor::Wrong() const { return index::Wrong("a page of terms"); }

absl::Status TermCursor::LoadPage(size_t page) {
  page_ = page;
  const Extent& section = chunk_.header_.section(Section::kPages);
  const Chunk::Page& at = chunk_.pages_[page];
  const uint64_t end =
      page + 1 < chunk_.pages_.size() ? chunk_.pages_[page + 1].begin : section.bytes;
  RETURN_IF_ERROR(chunk_.ReadWithin(section, at.begin, end - at.begin, &bytes_));
  rest_ = bytes_;
  number_ = at.first_term;
  postings_at_ = at.postings_begin;
  postings_bytes_ = 0;
  key_.clear();
  RETURN_IF_ERROR(ReadEntry());
  return key_ == at.first_key ? absl::OkStatus() : Wrong();
}

absl::Status TermCursor::ReadEntry() {
  uint64_t shared;
  uint64_t own;
  if (!GetVarint(&rest_, &shared) || shared > key_.size() || !GetVarint(&rest_, &own) || own == 0 ||
      own > rest_.size() || shared + own > kKeyBytesMax) {
    return Wrong();
  }
  const std::string_view own_bytes = rest_.substr(0, own);
  if (!key_.empty() && std::string_view(key_).substr(shared) >= own_bytes) return Wrong();
  key_.resize(shared);
  key_ += own_bytes;
  rest_.remove_prefix(own);
  if (!GetVarint(&rest_, &count_) || count_ == 0 || count_ > chunk_.leaves()) return Wrong();
  postings_at_ += postings_bytes_;
  postings_bytes_ = 0;
  valid_ = true;
  if (count_ > kInlineLeavesMax)
    return GetVarint(&rest_, &postings_bytes_) ? absl::OkStatus() : Wrong();
  return ReadLeaves(&rest_, count_, chunk_.leaves(), inline_) ? absl::OkStatus() : Wrong();
}

absl::Status TermCursor::Seek(std::string_view key) {
  valid_ = false;
  const auto& pages = chunk_.pages_;
  if (pages.empty()) return absl::OkStatus();
  auto after = std::upper_bound(
      pages.begin(), pages.end(), key,
      [](std::string_view wanted, const Chunk::Page& page) { return wanted < page.first_key; });
  const size_t page = after == pages.begin() ? 0 : static_cast<size_t>(after - pages.begin()) - 1;
  RETURN_IF_ERROR(LoadPage(page));
  while (valid_ && key_ < key) RETURN_IF_ERROR(Next());
  return absl::OkStatus();
}

absl::Status TermCursor::Next() {
  valid_ = false;
  if (!rest_.empty()) {
    ++number_;
    return ReadEntry();
  }
  if (page_ + 1 == chunk_.pages_.size()) return absl::OkStatus();
  const std::string before = key_;
  RETURN_IF_ERROR(LoadPage(page_ + 1));
  return before < key_ ? absl::OkStatus() : Wrong();
}

absl::Status TermCursor::ReadPostings(std::string* bytes) const {
  return chunk_.ReadWithin(chunk_.header_.section(Section::kPostings), postings_at_,
                           postings_bytes_, bytes);
}

absl::Status TermCursor::AppendLeaves(uint32_t offset, std::vector<uint32_t>* leaves) const {
  const size_t before = leaves->size();
  if (count_ <= kInlineLeavesMax) {
    leaves->insert(leaves->end(), inline_, inline_ + count_);
  } else if (count_ <= kListLeavesMax) {
    std::string bytes;
    RETURN_IF_ERROR(ReadPostings(&bytes));
    leaves->resize(before + count_);
    std::string_view rest = bytes;
    if (!ReadLeaves(&rest, count_, chunk_.leaves(), leaves->data() + before) || !rest.empty()) {
      return Wrong();
    }
  } else {
    ASSIGN_OR_RETURN(const Bitmap bitmap, Leaves());
    const std::vector<uint32_t> all = bitmap.Leaves();
    leaves->insert(leaves->end(), all.begin(), all.end());
  }
  for (size_t i = before; i < leaves->size(); ++i) (*leaves)[i] += offset;
  return absl::OkStatus();
}

absl::StatusOr<Bitmap> TermCursor::Leaves() const {
  if (count_ <= kListLeavesMax) {
    std::vector<uint32_t> leaves;
    RETURN_IF_ERROR(AppendLeaves(0, &leaves));
    return Bitmap::Of(leaves);
  }
  std::string bytes;
  RETURN_IF_ERROR(ReadPostings(&bytes));
  std::optional<Bitmap> bitmap = Bitmap::Parse(bytes, chunk_.leaves());
  if (!bitmap || bitmap->count() != count_) return Wrong();
  return *std::move(bitmap);
}

}  // namespace graven::index
