#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "index/chunk.h"
#include "index/chunk_builder.h"
#include "index/chunk_merger.h"
#include "io/file_system.h"
#include "merkle/frontier.h"

namespace graven::index {

// What one index file is, in the words that every node and auditor can check: of these records this
// version of the format makes exactly these bytes.
struct ManifestEntry {
  uint64_t first = 0;
  uint64_t end = 0;
  Hash subtree_root;  // of the tree over the records
  Hash index_root;    // of the file's content

  bool operator==(const ManifestEntry&) const = default;
};

// The manifest of one log (docs/format.md). Its hash is SHA-256 of the text.
std::string FormatManifest(std::string_view origin, const std::vector<ManifestEntry>& entries);

// Makes the index files of one log again from its records, and holds those that are there against
// them, byte by byte. Not thread-safe. Memory: one chunk of 2^20 records and its sixteen parts.
class IndexChecker {
 public:
  // `folder` is that of the log's index; it need not be there.
  // `merged_content_bytes_max` is part of the format; tests have less.
  IndexChecker(io::FileSystem& fs, std::string folder, std::string_view origin,
               uint64_t merged_content_bytes_max = kMergedContentBytesMax);

  // The log's records, each, from the first on. Whether they hold is checked elsewhere.
  void Add(LogIndex index, std::string_view record);

  struct Verdict {
    std::vector<ManifestEntry> entries;  // of the files that are right, in order
    // Files that are not what the records make, or about records that there are not; a folder that
    // cannot be looked into.
    std::vector<std::string> problems;
  };
  // No more records come.
  Verdict Finish();

 private:
  void EndMiddle();
  void EndLarge(uint64_t end);
  void Compare(ChunkPlace place, const std::string& content, const Hash& subtree_root);
  void SayWrong(ChunkPlace place, std::string_view why);

  io::FileSystem& fs_;
  const std::string folder_;
  const uint64_t merged_content_bytes_max_;
  const IdKey key_;
  BlockCache cache_{size_t{1} << 20};
  std::vector<ChunkPlace> places_;  // files that are there and not compared yet
  Verdict verdict_;
  std::unique_ptr<ChunkBuilder> builder_;
  query::RecordView view_;
  std::vector<Hash> leaves_;
  std::vector<std::shared_ptr<const Chunk>> parts_;
  uint64_t parts_bytes_ = 0;
  merkle::Frontier parts_tree_;
  bool is_stuck_ = false;
};

}  // namespace graven::index
