#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/chunk.h"
#include "index/chunk_format.h"
#include "io/file_system.h"

namespace graven::index {

// The index files of one log. One thread at a time; it owns no state but where they are.
//
// Invariant: a file of a chunk's name is whole and durable, whatever happens while it is written.
class ChunkStore {
 public:
  // The cache and the file system must outlive it and the chunks.
  ChunkStore(io::FileSystem& fs, std::string folder, BlockCache& cache)
      : fs_(fs), folder_(std::move(folder)), cache_(cache) {}

  // Whether the chunk is about the records that the log has there.
  using IsOfLog = std::function<bool(const Chunk& chunk)>;

  // Those that are there and right, in order, without those that lie within a larger one. The
  // others are removed (temporaries, other versions, other records, within a larger one) or set
  // aside (damaged), as far as the disk lets it; each is told to `report`. No folder: none.
  absl::StatusOr<std::vector<std::shared_ptr<const Chunk>>> Open(
      const IsOfLog& is_of_log, const std::function<void(const std::string&)>& report);

  // On return OK the file is durable under its name, and opened. On an error there is no such file,
  // or a temporary one, or a whole one.
  absl::StatusOr<std::shared_ptr<const Chunk>> Write(ChunkPlace place, std::string_view content);

  // Opens one.
  absl::StatusOr<std::shared_ptr<const Chunk>> OpenOne(ChunkPlace place);

  absl::Status Remove(ChunkPlace place);
  // Renames it to "<name>.damaged", over an older one.
  absl::Status SetAside(ChunkPlace place);

  const std::string& folder() const { return folder_; }

 private:
  std::string PathOf(ChunkPlace place) const;

  io::FileSystem& fs_;
  const std::string folder_;
  BlockCache& cache_;
};

// The chunk as a file in steps that leave the disk to others in between.
absl::Status WriteInPieces(io::FileSystem& fs, const std::string& path, std::string_view bytes);

}  // namespace graven::index
