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
#include "index/go_on.h"
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

  // Whether the chunk is about the records that the log has there. An error: it cannot be told now.
  using IsOfLog = std::function<absl::StatusOr<bool>(const Chunk& chunk)>;
  using Report = std::function<void(const std::string&)>;

  struct Opened {
    // Those that are right, in order, without those that lie within a larger one.
    std::vector<std::shared_ptr<const Chunk>> chunks;
    // Those that could not be read now, which says nothing of them: they are left as they are.
    std::vector<ChunkPlace> unread;
  };
  // What is there. Other files are removed (temporaries, other versions, other records, within a
  // larger one) or set aside (damaged), as far as the disk lets it; each is told to `report`. No
  // folder: none. kCancelled; errors of listing the folder.
  absl::StatusOr<Opened> Open(const IsOfLog& is_of_log, const Report& report,
                              const GoOn& go_on = {});

  // One of them. Null: it was not right, and was removed or set aside, as told to `report`. An
  // error: it could not be read now, and was left as it is.
  absl::StatusOr<std::shared_ptr<const Chunk>> OpenRight(ChunkPlace place, const IsOfLog& is_of_log,
                                                         const Report& report);

  // On return OK the file is durable under its name, and opened. On an error there is no such file,
  // or a temporary one, or a whole one. kCancelled: there is none, unless it was there before.
  absl::StatusOr<std::shared_ptr<const Chunk>> Write(ChunkPlace place, std::string_view content,
                                                     const GoOn& go_on = {});

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

}  // namespace graven::index
