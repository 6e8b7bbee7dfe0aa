#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hash.h"
#include "base/mutex.h"
#include "index/go_on.h"
#include "io/file_system.h"

// The content of a chunk, wherever it is: a string in memory, or a file of blocks of which each is
// held against its checksum whenever it is read from the disk.
namespace graven::index {

// Blocks that were read and found right, up to so many bytes, those not used for longest leave
// first. Thread-safe; one for all chunks of the process.
class BlockCache {
 public:
  using Block = std::shared_ptr<const std::string>;

  explicit BlockCache(size_t bytes_max) : bytes_max_(bytes_max) {}

  // A number that no other content of this cache has.
  uint64_t NewContentNumber();
  // Null when it is not there.
  Block Find(uint64_t content, uint64_t block);
  void Add(uint64_t content, uint64_t block, Block bytes);

 private:
  struct Key {
    uint64_t content;
    uint64_t block;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const {
      return key.content * 0x9E3779B97F4A7C15U + key.block;
    }
  };
  struct Entry {
    Key key;
    Block bytes;
  };

  const size_t bytes_max_;
  Mutex mutex_;
  uint64_t last_content_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::list<Entry> used_ ABSL_GUARDED_BY(mutex_);  // the last used first
  std::unordered_map<Key, std::list<Entry>::iterator, KeyHash> entries_ ABSL_GUARDED_BY(mutex_);
};

// Thread-safe.
class Content {
 public:
  virtual ~Content() = default;

  uint64_t bytes() const { return bytes_; }
  // The Merkle root over the blocks (RFC 6962): what names the content of a file. Zeros in memory.
  const Hash& root() const { return root_; }

  // Puts `size` bytes from `offset` on into `out`. kDataLoss: a block contradicts its checksum, or
  // the file is not as long as it says; names the file. kNotFound: the file is gone. kOutOfRange.
  virtual absl::Status Read(uint64_t offset, uint64_t size, std::string* out) const = 0;
  // Holds all of it against its checksums, past the cache. Errors as of Read; kCancelled.
  virtual absl::Status Check(const GoOn& go_on) const = 0;

 protected:
  Content(uint64_t bytes, Hash root) : bytes_(bytes), root_(root) {}

  bool Has(uint64_t offset, uint64_t size) const {
    return offset <= bytes_ && size <= bytes_ - offset;
  }

 private:
  const uint64_t bytes_;
  const Hash root_;
};

// Whether an error says that the file is not what it was, so that it must be made anew: kDataLoss
// and kNotFound. Any other (no handle is left, the disk does not answer now) says nothing of the
// file: it is to be read again later.
bool IsDamage(const absl::Status& status);

Hash RootOfBlocks(std::string_view content);

std::shared_ptr<const Content> ContentInMemory(std::string content);

// The file opens at each read, so that thousands of chunks hold no handles. kDataLoss: not such a
// file, or its table of checksums is damaged. kNotFound. The cache must outlive it.
absl::StatusOr<std::shared_ptr<const Content>> ContentOfFile(io::FileSystem& fs,
                                                             const std::string& path,
                                                             BlockCache& cache);

// What stands behind a content in its file, and the whole file.
std::string TailOf(std::string_view content);
std::string FileOf(std::string_view content);

}  // namespace graven::index
