#include "index/blocks.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "base/encoding.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "index/chunk_format.h"
#include "merkle/frontier.h"

namespace graven::index {
namespace {

constexpr size_t kChecksumBytes = 8;
// Magic, bytes of content, root, checksum of the table and of what stands before it here.
constexpr size_t kTailBytes = 8 + 8 + Hash::kSize + kChecksumBytes;
// What a chunk of 2^20 records, each at its limit of terms, could not fill.
constexpr uint64_t kContentBytesMax = uint64_t{32} << 30;

uint64_t BlocksOf(uint64_t bytes) { return (bytes + kBlockBytes - 1) / kBlockBytes; }

uint64_t ChecksumOf(std::string_view block, uint64_t number) {
  return XXH3_64bits_withSeed(block.data(), block.size(), number);
}

absl::Status Damaged(const std::string& path, std::string_view why) {
  return absl::DataLossError(fmt::format("index file {}: {}", path, why));
}

absl::Status Beyond() { return absl::OutOfRangeError("index: a read beyond the content"); }

class MemoryContent final : public Content {
 public:
  explicit MemoryContent(std::string content)
      : Content(content.size(), Hash()), content_(std::move(content)) {}

  absl::Status Read(uint64_t offset, uint64_t size, std::string* out) const override {
    if (!Has(offset, size)) return Beyond();
    out->assign(content_, offset, size);
    return absl::OkStatus();
  }
  absl::Status Check(const GoOn& /*go_on*/) const override { return absl::OkStatus(); }

 private:
  const std::string content_;
};

class FileContent final : public Content {
 public:
  FileContent(io::FileSystem& fs, std::string path, BlockCache& cache, uint64_t bytes, Hash root,
              std::string checksums)
      : Content(bytes, root),
        fs_(fs),
        path_(std::move(path)),
        cache_(cache),
        number_(cache.NewContentNumber()),
        checksums_(std::move(checksums)) {}

  absl::Status Read(uint64_t offset, uint64_t size, std::string* out) const override {
    out->clear();
    if (!Has(offset, size)) return Beyond();
    out->reserve(size);
    while (size > 0) {
      ASSIGN_OR_RETURN(const BlockCache::Block block, BlockAt(offset / kBlockBytes));
      const uint64_t within = offset % kBlockBytes;
      const uint64_t part = std::min<uint64_t>(size, kBlockBytes - within);
      out->append(*block, within, part);
      offset += part;
      size -= part;
    }
    return absl::OkStatus();
  }

  absl::Status Check(const GoOn& go_on) const override {
    ASSIGN_OR_RETURN(const std::unique_ptr<io::File> file, fs_.Open(path_, io::OpenMode::kRead));
    std::string block;
    for (uint64_t number = 0; number < BlocksOf(bytes()); ++number) {
      RETURN_IF_ERROR(CheckWanted(go_on));
      RETURN_IF_ERROR(ReadBlock(*file, number, &block));
    }
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<BlockCache::Block> BlockAt(uint64_t number) const {
    if (BlockCache::Block block = cache_.Find(number_, number)) return block;
    ASSIGN_OR_RETURN(const std::unique_ptr<io::File> file, fs_.Open(path_, io::OpenMode::kRead));
    auto bytes = std::make_shared<std::string>();
    RETURN_IF_ERROR(ReadBlock(*file, number, bytes.get()));
    cache_.Add(number_, number, bytes);
    return BlockCache::Block(std::move(bytes));
  }

  absl::Status ReadBlock(io::File& file, uint64_t number, std::string* out) const {
    const uint64_t offset = number * kBlockBytes;
    out->resize(std::min<uint64_t>(kBlockBytes, bytes() - offset));
    const absl::Status read = file.ReadAt(offset, std::span<char>(*out));
    if (absl::IsOutOfRange(read)) return Damaged(path_, "ends too early");
    RETURN_IF_ERROR(read);
    if (ChecksumOf(*out, number) != GetFixed64(checksums_.data() + number * kChecksumBytes)) {
      return Damaged(path_, fmt::format("block {} contradicts its checksum", number));
    }
    return absl::OkStatus();
  }

  io::FileSystem& fs_;
  const std::string path_;
  BlockCache& cache_;
  const uint64_t number_;
  const std::string checksums_;
};

}  // namespace

uint64_t BlockCache::NewContentNumber() {
  MutexLock lock(&mutex_);
  return ++last_content_;
}

BlockCache::Block BlockCache::Find(uint64_t content, uint64_t block) {
  MutexLock lock(&mutex_);
  const auto found = entries_.find(Key{content, block});
  if (found == entries_.end()) return nullptr;
  used_.splice(used_.begin(), used_, found->second);
  return found->second->bytes;
}

void BlockCache::Add(uint64_t content, uint64_t block, Block bytes) {
  MutexLock lock(&mutex_);
  const Key key{content, block};
  if (entries_.contains(key)) return;
  bytes_ += bytes->size();
  used_.push_front({key, std::move(bytes)});
  entries_[key] = used_.begin();
  while (bytes_ > bytes_max_ && used_.size() > 1) {
    bytes_ -= used_.back().bytes->size();
    entries_.erase(used_.back().key);
    used_.pop_back();
  }
}

bool IsDamage(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsNotFound(status);
}

Hash RootOfBlocks(std::string_view content) {
  merkle::Frontier frontier;
  for (uint64_t at = 0; at < content.size(); at += kBlockBytes) {
    frontier.Append(Sha256Prefixed(0, content.substr(at, kBlockBytes)));
  }
  return frontier.Root();
}

std::shared_ptr<const Content> ContentInMemory(std::string content) {
  return std::make_shared<MemoryContent>(std::move(content));
}

absl::StatusOr<std::shared_ptr<const Content>> ContentOfFile(io::FileSystem& fs,
                                                             const std::string& path,
                                                             BlockCache& cache) {
  ASSIGN_OR_RETURN(const std::unique_ptr<io::File> file, fs.Open(path, io::OpenMode::kRead));
  ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  if (size < kTailBytes) return Damaged(path, "is too short");
  std::string tail(kTailBytes, '\0');
  RETURN_IF_ERROR(file->ReadAt(size - kTailBytes, std::span<char>(tail)));
  if (!tail.starts_with(kChunkMagic)) return Damaged(path, "does not end as an index file does");
  const uint64_t bytes = GetFixed64(tail.data() + 8);
  if (bytes > kContentBytesMax || size != bytes + BlocksOf(bytes) * kChecksumBytes + kTailBytes) {
    return Damaged(path, "is not as long as it says");
  }
  std::string checksums(BlocksOf(bytes) * kChecksumBytes, '\0');
  RETURN_IF_ERROR(file->ReadAt(bytes, std::span<char>(checksums)));
  const std::string checked = checksums + tail.substr(0, kTailBytes - kChecksumBytes);
  if (ChecksumOf(checked, bytes) != GetFixed64(tail.data() + kTailBytes - kChecksumBytes)) {
    return Damaged(path, "its table of checksums is damaged");
  }
  const Hash root = Hash::FromBytes(std::string_view(tail).substr(16, Hash::kSize));
  return std::make_shared<FileContent>(fs, path, cache, bytes, root, std::move(checksums));
}

std::string TailOf(std::string_view content) {
  const uint64_t blocks = BlocksOf(content.size());
  std::string tail(blocks * kChecksumBytes + kTailBytes, '\0');
  char* at = tail.data();
  for (uint64_t i = 0; i < blocks; ++i, at += kChecksumBytes) {
    PutFixed64(at, ChecksumOf(content.substr(i * kBlockBytes, kBlockBytes), i));
  }
  std::copy(kChunkMagic.begin(), kChunkMagic.end(), at);
  PutFixed64(at + 8, content.size());
  const Hash root = RootOfBlocks(content);
  std::copy(root.bytes.begin(), root.bytes.end(), at + 16);
  const std::string_view checked(tail.data(), tail.size() - kChecksumBytes);
  PutFixed64(at + kTailBytes - kChecksumBytes, ChecksumOf(checked, content.size()));
  return tail;
}

std::string FileOf(std::string_view content) { return std::string(content) + TailOf(content); }

}  // namespace graven::index
