#include "index/chunk_store.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/status_macros.h"
#include "base/status_text.h"
#include "io/durable_file.h"

namespace graven::index {
namespace {

// A sync of more would make the journal's wait.
constexpr size_t kPieceBytes = size_t{1} << 20;
constexpr std::string_view kTemporarySuffix = ".new";  // io::TemporaryPath
constexpr std::string_view kDamagedSuffix = ".damaged";

absl::Status AppendInPieces(io::File& file, uint64_t offset, std::string_view bytes,
                            const GoOn& go_on) {
  for (size_t at = 0; at < bytes.size(); at += kPieceBytes) {
    RETURN_IF_ERROR(CheckWanted(go_on));
    RETURN_IF_ERROR(file.WriteAt(offset + at, bytes.substr(at, kPieceBytes)));
    RETURN_IF_ERROR(file.Sync());
  }
  return absl::OkStatus();
}

// The chunk as a file in steps that leave the disk to others in between.
absl::Status WriteChunkFile(io::FileSystem& fs, const std::string& path, std::string_view content,
                            const GoOn& go_on) {
  const std::string temporary = io::TemporaryPath(path);
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<io::File> file,
                     fs.Open(temporary, io::OpenMode::kCreateOrTruncate));
    RETURN_IF_ERROR(AppendInPieces(*file, 0, content, go_on));
    RETURN_IF_ERROR(AppendInPieces(*file, content.size(), TailOf(content), go_on));
  }
  // Until here there is a temporary file at most, which the next Open removes.
  RETURN_IF_ERROR(fs.Rename(temporary, path));
  return fs.SyncDirectory(io::ParentDirectory(path));
}

}  // namespace

std::string ChunkStore::PathOf(ChunkPlace place) const {
  return io::JoinPath(folder_, ChunkFileName(place.first, place.level));
}

absl::StatusOr<std::shared_ptr<const Chunk>> ChunkStore::OpenOne(ChunkPlace place) {
  const std::string path = PathOf(place);
  ASSIGN_OR_RETURN(std::shared_ptr<const Content> content, ContentOfFile(fs_, path, cache_));
  ASSIGN_OR_RETURN(std::shared_ptr<const Chunk> chunk, Chunk::Open(std::move(content)));
  if (chunk->first() != place.first || chunk->level() != place.level) {
    return absl::DataLossError(fmt::format("index file {}: holds another range", path));
  }
  return chunk;
}

absl::StatusOr<std::shared_ptr<const Chunk>> ChunkStore::OpenRight(ChunkPlace place,
                                                                   const IsOfLog& is_of_log,
                                                                   const Report& report) {
  absl::StatusOr<std::shared_ptr<const Chunk>> chunk = OpenOne(place);
  if (chunk.ok()) {
    ASSIGN_OR_RETURN(const bool right, is_of_log(**chunk));
    if (right) return chunk;
    report(fmt::format("index file {}: is about other records; it is built anew", PathOf(place)));
    (void)Remove(place);
  } else if (absl::IsDataLoss(chunk.status())) {
    report(fmt::format("{}; it is set aside and built anew", MessageOf(chunk.status())));
    (void)SetAside(place);
  } else if (absl::IsFailedPrecondition(chunk.status()) || absl::IsNotFound(chunk.status())) {
    report(fmt::format("index file {}: {}; it is built anew", PathOf(place),
                       MessageOf(chunk.status())));
    (void)Remove(place);
  } else {
    return chunk.status();
  }
  return nullptr;
}

absl::StatusOr<ChunkStore::Opened> ChunkStore::Open(const IsOfLog& is_of_log, const Report& report,
                                                    const GoOn& go_on) {
  Opened opened;
  const absl::StatusOr<std::vector<std::string>> names = fs_.List(folder_);
  if (absl::IsNotFound(names.status())) return opened;
  if (!names.ok()) return names.status();
  std::vector<ChunkPlace> places;
  for (const std::string& name : *names) {
    if (const auto place = ParseChunkFileName(name)) {
      places.push_back(*place);
    } else if (name.ends_with(kTemporarySuffix)) {
      (void)fs_.Remove(io::JoinPath(folder_, name));
    }
  }
  // The large ones first: what lies within one is not needed.
  std::sort(places.begin(), places.end(), [](const ChunkPlace& a, const ChunkPlace& b) {
    return a.level != b.level ? a.level > b.level : a.first < b.first;
  });
  for (const ChunkPlace& place : places) {
    RETURN_IF_ERROR(CheckWanted(go_on));
    const bool covered =
        std::any_of(opened.chunks.begin(), opened.chunks.end(), [&](const auto& chunk) {
          return chunk->first() <= place.first && place.end() <= chunk->end();
        });
    if (covered) {
      (void)Remove(place);
      continue;
    }
    absl::StatusOr<std::shared_ptr<const Chunk>> chunk = OpenRight(place, is_of_log, report);
    if (!chunk.ok()) {
      report(fmt::format("index file {}: {}; it is read again later", PathOf(place),
                         MessageOf(chunk.status())));
      opened.unread.push_back(place);
    } else if (*chunk != nullptr) {
      opened.chunks.push_back(*std::move(chunk));
    }
  }
  std::sort(opened.chunks.begin(), opened.chunks.end(),
            [](const auto& a, const auto& b) { return a->first() < b->first(); });
  return opened;
}

absl::StatusOr<std::shared_ptr<const Chunk>> ChunkStore::Write(ChunkPlace place,
                                                               std::string_view content,
                                                               const GoOn& go_on) {
  RETURN_IF_ERROR(io::MakeDirectoryDurably(fs_, folder_));
  const std::string path = PathOf(place);
  if (absl::Status written = WriteChunkFile(fs_, path, content, go_on); !written.ok()) {
    (void)fs_.Remove(io::TemporaryPath(path));
    return written;
  }
  return OpenOne(place);
}

absl::Status ChunkStore::Remove(ChunkPlace place) { return fs_.Remove(PathOf(place)); }

absl::Status ChunkStore::SetAside(ChunkPlace place) {
  const std::string path = PathOf(place);
  return fs_.Rename(path, path + std::string(kDamagedSuffix));
}

}  // namespace graven::index
