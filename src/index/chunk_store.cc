#include "index/chunk_store.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/status_macros.h"
#include "io/durable_file.h"

namespace graven::index {
namespace {

// A sync of more would make the journal's wait.
constexpr size_t kPieceBytes = size_t{1} << 20;
constexpr std::string_view kTemporarySuffix = ".new";  // io::TemporaryPath
constexpr std::string_view kDamagedSuffix = ".damaged";

std::string MessageOf(const absl::Status& status) {
  return std::string(status.message().data(), status.message().size());
}

}  // namespace

absl::Status WriteInPieces(io::FileSystem& fs, const std::string& path, std::string_view bytes) {
  const std::string temporary = io::TemporaryPath(path);
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<io::File> file,
                     fs.Open(temporary, io::OpenMode::kCreateOrTruncate));
    for (size_t at = 0; at < bytes.size(); at += kPieceBytes) {
      RETURN_IF_ERROR(file->WriteAt(at, bytes.substr(at, kPieceBytes)));
      RETURN_IF_ERROR(file->Sync());
    }
    RETURN_IF_ERROR(file->Sync());
  }
  // Until here there is a temporary file at most, which the next Open removes.
  RETURN_IF_ERROR(fs.Rename(temporary, path));
  return fs.SyncDirectory(io::ParentDirectory(path));
}

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

absl::StatusOr<std::vector<std::shared_ptr<const Chunk>>> ChunkStore::Open(
    const IsOfLog& is_of_log, const std::function<void(const std::string&)>& report) {
  std::vector<std::shared_ptr<const Chunk>> chunks;
  const absl::StatusOr<std::vector<std::string>> names = fs_.List(folder_);
  if (absl::IsNotFound(names.status())) return chunks;
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
    const bool covered = std::any_of(chunks.begin(), chunks.end(), [&](const auto& chunk) {
      return chunk->first() <= place.first && place.end() <= chunk->end();
    });
    if (covered) {
      (void)Remove(place);
      continue;
    }
    absl::StatusOr<std::shared_ptr<const Chunk>> chunk = OpenOne(place);
    if (chunk.ok() && is_of_log(**chunk)) {
      chunks.push_back(*std::move(chunk));
      continue;
    }
    if (absl::IsDataLoss(chunk.status())) {
      report(fmt::format("{}; it is set aside and built anew", MessageOf(chunk.status())));
      (void)SetAside(place);
    } else {
      report(fmt::format("index file {}: {}; it is built anew", PathOf(place),
                         chunk.ok() ? "is about other records" : MessageOf(chunk.status())));
      (void)Remove(place);
    }
  }
  std::sort(chunks.begin(), chunks.end(),
            [](const auto& a, const auto& b) { return a->first() < b->first(); });
  return chunks;
}

absl::StatusOr<std::shared_ptr<const Chunk>> ChunkStore::Write(ChunkPlace place,
                                                               std::string_view content) {
  RETURN_IF_ERROR(io::MakeDirectoryDurably(fs_, folder_));
  const std::string path = PathOf(place);
  if (absl::Status written = WriteInPieces(fs_, path, FileOf(content)); !written.ok()) {
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
