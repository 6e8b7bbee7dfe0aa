#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/bitmap.h"
#include "index/blocks.h"
#include "index/chunk_encoder.h"
#include "index/chunk_format.h"
#include "index/frequent_values.h"

namespace graven::index {

// One chunk, for reading. Immutable and thread-safe. Its directory of pages is in memory, all else
// is read when it is asked for.
//
// Errors of every call: kDataLoss, the bytes are damaged; kNotFound, the file is gone; what reading
// gives. Whatever the bytes are, nothing else happens.
class Chunk {
 public:
  // kFailedPrecondition: of another version of the format or of Unicode: build it anew.
  static absl::StatusOr<std::shared_ptr<const Chunk>> Open(std::shared_ptr<const Content> content);

  uint64_t first() const { return header_.first; }
  uint64_t end() const { return header_.first + header_.count(); }
  int level() const { return header_.level; }
  uint32_t leaves() const { return static_cast<uint32_t>(header_.count()); }
  uint64_t terms() const { return header_.terms; }
  uint64_t bytes() const { return content_->bytes(); }
  // Of a file; zeros of one in memory.
  const Hash& root() const { return content_->root(); }

  // Those of exactly this key; none when there is no such term.
  absl::StatusOr<Bitmap> LeavesOf(std::string_view key) const;

  // Leaves that may have the id.
  absl::StatusOr<std::vector<uint32_t>> LeavesOfId(IdKind kind, uint32_t fingerprint) const;
  // All of a kind, sorted.
  absl::Status ReadIds(IdKind kind, std::vector<IdEntry>* entries) const;

  // The first leaf received at `ns` or later; leaves() when there is none.
  absl::StatusOr<uint32_t> FirstSince(int64_t ns) const;
  absl::Status ReadTimes(std::vector<int64_t>* received_ns) const;

  absl::StatusOr<std::vector<OccurredGroup>> Occurred() const;

  // Of each leaf the number of its value: 0 for none, else counted from 1 in the order of the keys
  // of that kind.
  absl::Status ReadColumn(size_t column, std::vector<uint32_t>* values) const;

  // REQUIRES: HasFrequentValues(kind).
  absl::StatusOr<FrequentValues> Frequent(KeyKind kind) const;

  const ChunkHeader& header() const { return header_; }

  // Holds all of it against its checksums as they are on the disk now. kCancelled.
  absl::Status Check(const GoOn& go_on) const { return content_->Check(go_on); }
  // When whoever looks after it did so last, by his clock; INT64_MIN: not yet.
  void NoteChecked(int64_t ns) const { checked_ns_ = ns; }
  int64_t checked_ns() const { return checked_ns_; }

  // For whoever found it damaged or gone: whoever keeps the chunks looks after it.
  void Distrust() const { distrusted_ = true; }
  bool distrusted() const { return distrusted_; }

 private:
  friend class TermCursor;
  // Sixteen bytes a page and its first key.
  struct Page {
    uint64_t begin = 0;  // within the section
    uint64_t first_term = 0;
    uint64_t postings_begin = 0;
    std::string_view first_key;
  };

  Chunk(std::shared_ptr<const Content> content, ChunkHeader header)
      : content_(std::move(content)), header_(std::move(header)) {}

  absl::Status ReadDirectory();
  absl::Status ReadSection(Section section, std::string* bytes) const;
  absl::Status ReadWithin(const Extent& section, uint64_t offset, uint64_t size,
                          std::string* bytes) const;
  absl::Status ReadTimeGroup(uint64_t group, std::vector<int64_t>* received_ns) const;

  const std::shared_ptr<const Content> content_;
  const ChunkHeader header_;
  std::string directory_;
  std::vector<Page> pages_;
  mutable std::atomic<bool> distrusted_ = false;
  mutable std::atomic<int64_t> checked_ns_ = INT64_MIN;
};

// Goes through the terms of a chunk in the order of their keys. Not thread-safe; the chunk must
// outlive it. After an error it may only be destroyed.
class TermCursor {
 public:
  explicit TermCursor(const Chunk& chunk) : chunk_(chunk) {}

  // To the first term that is not below `key`.
  absl::Status Seek(std::string_view key);
  // To the next one. REQUIRES: valid().
  absl::Status Next();

  bool valid() const { return valid_; }
  std::string_view key() const { return key_; }
  // Counted from 0 in the order of the keys of the chunk.
  uint64_t number() const { return number_; }
  uint64_t count() const { return count_; }  // of its leaves, at least 1

  // Behind what is there, each with `offset` added.
  absl::Status AppendLeaves(uint32_t offset, std::vector<uint32_t>* leaves) const;
  absl::StatusOr<Bitmap> Leaves() const;

 private:
  absl::Status LoadPage(size_t page);
  absl::Status ReadEntry();
  absl::Status ReadPostings(std::string* bytes) const;
  absl::Status Wrong() const;

  const Chunk& chunk_;
  size_t page_ = 0;
  std::string bytes_;      // of the page
  std::string_view rest_;  // of it, not read yet
  bool valid_ = false;
  std::string key_;
  uint64_t number_ = 0;
  uint64_t count_ = 0;
  uint64_t postings_at_ = 0;  // of this term, where it has any
  uint64_t postings_bytes_ = 0;
  uint32_t inline_[kInlineLeavesMax] = {};
};

}  // namespace graven::index
