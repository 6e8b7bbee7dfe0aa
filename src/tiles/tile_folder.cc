#include "tiles/tile_folder.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/absl_views.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/durable_file.h"
#include "merkle/leaf.h"
#include "merkle/proof.h"
#include "note/checkpoint.h"
#include "note/note.h"

namespace graven::tiles {
namespace {

using merkle::kTileHeight;
using merkle::kTileWidth;
using merkle::Tile;

constexpr std::string_view kCheckpointName = "checkpoint";
constexpr std::string_view kPartialListName = ".partial-tiles";
constexpr std::string_view kLockName = ".export-lock";
constexpr size_t kPartialListBytesMax = size_t{16} << 20;
constexpr size_t kBundleBytesMax = kTileWidth * (2 + kEntryBytesMax);

// Hashes that a tree of `size` has at a tile level, and how many of them are in its last tile.
uint64_t HashesAt(int level, TreeSize size) {
  const int shift = kTileHeight * level;
  return shift < 64 ? size.value >> shift : 0;
}
size_t EdgeWidth(int level, TreeSize size) { return HashesAt(level, size) % kTileWidth; }
Tile EdgeTile(int level, TreeSize size) {
  Tile tile;
  tile.level = level;
  tile.index = HashesAt(level, size) / kTileWidth;
  tile.width = static_cast<int>(EdgeWidth(level, size));
  return tile;
}

Tile EntriesOf(Tile tile) {
  tile.is_entries = true;
  return tile;
}

std::string HashBytes(std::span<const Hash> hashes) {
  std::string bytes;
  bytes.reserve(hashes.size() * Hash::kSize);
  for (const Hash& hash : hashes) bytes += hash.view();
  return bytes;
}

// The root over a power of two of hashes.
Hash PerfectRoot(std::vector<Hash> hashes) {
  for (size_t pairs = hashes.size() / 2; pairs > 0; pairs /= 2) {
    Sha256Nodes(hashes.data(), pairs, hashes.data());
  }
  return hashes.front();
}

// The inner nodes that a root is folded from lie all in the last tiles of their levels.
class EdgeNodes final : public merkle::NodeSource {
 public:
  EdgeNodes(std::span<const std::vector<Hash>> edge, TreeSize size) : edge_(edge), size_(size) {}

  absl::StatusOr<Hash> Node(int level, uint64_t index) override {
    const int tile_level = level / kTileHeight;
    const size_t count = size_t{1} << (level % kTileHeight);
    const uint64_t first = (index * count) - EdgeTile(tile_level, size_).index * kTileWidth;
    const std::vector<Hash>& hashes = edge_[static_cast<size_t>(tile_level)];
    if (first + count > hashes.size()) return absl::InternalError("a node left of the edge");
    const auto from = hashes.begin() + static_cast<std::ptrdiff_t>(first);
    return PerfectRoot({from, from + static_cast<std::ptrdiff_t>(count)});
  }

 private:
  const std::span<const std::vector<Hash>> edge_;
  const TreeSize size_;
};

}  // namespace

TileFolder::TileFolder(io::FileSystem& fs, std::string folder, const note::VerifierKey& key)
    : fs_(fs), folder_(std::move(folder)), key_(key) {}

std::string TileFolder::PathOf(std::string_view name) const { return io::JoinPath(folder_, name); }

absl::StatusOr<std::unique_ptr<TileFolder>> TileFolder::Open(io::FileSystem& fs, std::string folder,
                                                             const note::VerifierKey& key) {
  RETURN_IF_ERROR(io::MakeDirectoryDurably(fs, folder));
  auto opened = std::unique_ptr<TileFolder>(new TileFolder(fs, std::move(folder), key));
  ASSIGN_OR_RETURN(opened->lock_, fs.Lock(opened->PathOf(kLockName)));
  RETURN_IF_ERROR(opened->TakePartialList());
  RETURN_IF_ERROR(opened->TakeCheckpoint());
  return opened;
}

absl::Status TileFolder::TakePartialList() {
  const std::string path = PathOf(kPartialListName);
  const auto text = io::ReadWholeFile(fs_, path, kPartialListBytesMax);
  if (absl::IsNotFound(text.status())) return absl::OkStatus();
  RETURN_IF_ERROR(text.status());
  std::string_view rest = *text;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const auto tile = merkle::ParseTilePath(rest.substr(0, end));
    // Only what is a partial tile may ever be removed.
    if (!tile || tile->width == kTileWidth) {
      return absl::DataLossError(
          fmt::format("{}: a line of it names no partial tile; the file was changed", path));
    }
    partials_.emplace(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return absl::OkStatus();
}

absl::Status TileFolder::TakeCheckpoint() {
  const std::string path = PathOf(kCheckpointName);
  auto text = io::ReadWholeFile(fs_, path, note::kNoteBytesMax);
  if (absl::IsNotFound(text.status())) return absl::OkStatus();
  RETURN_IF_ERROR(text.status());
  const auto checkpoint = note::OpenCheckpoint(*text, key_);
  if (!checkpoint.ok()) {
    return absl::Status(checkpoint.status().code(),
                        fmt::format("{}: not a checkpoint of this log: {}", path,
                                    ToStd(checkpoint.status().message())));
  }
  checkpoint_ = *std::move(text);
  published_ = size_ = checkpoint->size;
  for (int level = 0; HashesAt(level, size_) > 0; ++level) RETURN_IF_ERROR(TakeEdge(level));
  RETURN_IF_ERROR(TakeEntries());
  ASSIGN_OR_RETURN(const Hash root, Root());
  if (root == checkpoint->root) return absl::OkStatus();
  return absl::DataLossError(fmt::format(
      "{}: the last tiles do not have the root that the checkpoint there names", folder_));
}

// A partial tile, or the front of the full one that came after it.
absl::StatusOr<std::string> TileFolder::ReadTile(Tile tile, size_t bytes_max) {
  const std::string path = PathOf(merkle::FormatTilePath(tile));
  auto bytes = io::ReadWholeFile(fs_, path, bytes_max);
  if (absl::IsNotFound(bytes.status())) {
    tile.width = kTileWidth;
    bytes = io::ReadWholeFile(fs_, PathOf(merkle::FormatTilePath(tile)), bytes_max);
  }
  if (absl::IsNotFound(bytes.status())) {
    return absl::DataLossError(fmt::format("{}: missing, and the checkpoint needs it", path));
  }
  if (absl::IsOutOfRange(bytes.status())) return absl::DataLossError(bytes.status().message());
  return bytes;
}

absl::Status TileFolder::TakeEdge(int level) {
  const size_t width = EdgeWidth(level, size_);
  if (width == 0) return absl::OkStatus();
  const Tile tile = EdgeTile(level, size_);
  ASSIGN_OR_RETURN(const std::string bytes, ReadTile(tile, kTileWidth * Hash::kSize));
  if (bytes.size() < width * Hash::kSize) {
    return absl::DataLossError(fmt::format("{}: too short", PathOf(merkle::FormatTilePath(tile))));
  }
  for (size_t i = 0; i < width; ++i) {
    edge_[static_cast<size_t>(level)].push_back(
        Hash::FromBytes(std::string_view(bytes).substr(i * Hash::kSize, Hash::kSize)));
  }
  return absl::OkStatus();
}

absl::Status TileFolder::TakeEntries() {
  if (edge_[0].empty()) return absl::OkStatus();
  const Tile tile = EntriesOf(EdgeTile(0, size_));
  const std::string path = PathOf(merkle::FormatTilePath(tile));
  ASSIGN_OR_RETURN(const std::string bytes, ReadTile(tile, kBundleBytesMax));
  std::string_view rest = bytes;
  for (const Hash& leaf : edge_[0]) {
    size_t length = 0;
    if (rest.size() >= 2) {
      length =
          static_cast<size_t>(static_cast<uint8_t>(rest[0])) << 8 | static_cast<uint8_t>(rest[1]);
    }
    if (rest.size() < 2 + length || merkle::HashLeaf(rest.substr(2, length)) != leaf) {
      return absl::DataLossError(
          fmt::format("{}: not the entries that the tile beside it has", path));
    }
    rest.remove_prefix(2 + length);
  }
  entries_ = bytes.substr(0, bytes.size() - rest.size());
  return absl::OkStatus();
}

absl::StatusOr<Hash> TileFolder::Root() {
  if (size_.value == 0) return merkle::EmptyRoot();
  EdgeNodes nodes(edge_, size_);
  return merkle::RootFromNodes(nodes, size_);
}

absl::Status TileFolder::Append(std::string_view record) {
  if (record.size() > kEntryBytesMax) {
    return absl::InvalidArgumentError(fmt::format("record {} has {} bytes; an entry has at most {}",
                                                  size_.value, record.size(), kEntryBytesMax));
  }
  entries_.push_back(static_cast<char>(record.size() >> 8));
  entries_.push_back(static_cast<char>(record.size() & 0xff));
  entries_ += record;
  edge_[0].push_back(merkle::HashLeaf(record));
  if (edge_[0].size() == kTileWidth) {
    Tile tile;
    tile.index = size_.value / kTileWidth;
    RETURN_IF_ERROR(WriteTile(EntriesOf(tile), entries_));
    entries_.clear();
    RETURN_IF_ERROR(EndTile(0));
  }
  size_ = size_ + 1;
  return absl::OkStatus();
}

// The last tile of `level` is full: it is written, and its root goes up. `size_` does not yet count
// the record that filled it.
absl::Status TileFolder::EndTile(int level) {
  std::vector<Hash>& hashes = edge_[static_cast<size_t>(level)];
  Tile tile;
  tile.level = level;
  tile.index = size_.value >> (kTileHeight * (level + 1));
  RETURN_IF_ERROR(WriteTile(tile, HashBytes(hashes)));
  std::vector<Hash>& above = edge_[static_cast<size_t>(level) + 1];
  above.push_back(PerfectRoot(std::move(hashes)));
  hashes.clear();
  return above.size() == kTileWidth ? EndTile(level + 1) : absl::OkStatus();
}

absl::Status TileFolder::MakeParents(const std::string& path) {
  const std::string parent = io::ParentDirectory(path);
  if (parent == folder_ || made_folders_.contains(parent)) return absl::OkStatus();
  RETURN_IF_ERROR(MakeParents(parent));
  RETURN_IF_ERROR(io::MakeDirectoryDurably(fs_, parent));
  made_folders_.insert(parent);
  return absl::OkStatus();
}

absl::Status TileFolder::WriteTile(const Tile& tile, std::string_view bytes) {
  const std::string path = PathOf(merkle::FormatTilePath(tile));
  RETURN_IF_ERROR(MakeParents(path));
  const auto there = io::ReadWholeFile(fs_, path, bytes.size());
  // What an earlier run wrote and did not live to put under a checkpoint. Its name may not be
  // durable yet: it was written, but the run ended before the sync of its folder.
  if (there.ok() && *there == bytes) return fs_.SyncDirectory(io::ParentDirectory(path));
  RETURN_IF_ERROR(io::WriteFileDurably(fs_, path, bytes));
  ++counts_.files_written;
  counts_.bytes_written += bytes.size();
  return absl::OkStatus();
}

absl::Status TileFolder::Finish(std::string_view note) {
  ASSIGN_OR_RETURN(const note::Checkpoint checkpoint, note::OpenCheckpoint(note, key_));
  if (checkpoint.size != size_) {
    return absl::FailedPreconditionError(
        fmt::format("the checkpoint names {} records, and the folder was given {}",
                    checkpoint.size.value, size_.value));
  }
  ASSIGN_OR_RETURN(const Hash root, Root());
  if (root != checkpoint.root) {
    RemoveUncovered();
    return absl::DataLossError(fmt::format(
        "the {} records do not have the root that the checkpoint names; it was not put in place",
        size_.value));
  }
  const TreeSize covered = published_;
  if (note != checkpoint_) {
    RETURN_IF_ERROR(WritePartials());
    RETURN_IF_ERROR(io::WriteFileDurably(fs_, PathOf(kCheckpointName), note));
    ++counts_.files_written;
    counts_.bytes_written += note.size();
    checkpoint_ = note;
    published_ = size_;
  }
  return RemoveOldPartials(covered);
}

absl::Status TileFolder::WritePartials() {
  const size_t known = partials_.size();
  std::vector<Tile> tiles;
  for (int level = 0; HashesAt(level, size_) > 0; ++level) {
    if (EdgeWidth(level, size_) > 0) tiles.push_back(EdgeTile(level, size_));
  }
  for (const Tile& tile : tiles) {
    partials_.insert(merkle::FormatTilePath(tile));
    if (tile.level == 0) partials_.insert(merkle::FormatTilePath(EntriesOf(tile)));
  }
  // The list first: a kill between the two must not leave a file that nothing names.
  if (partials_.size() != known) RETURN_IF_ERROR(WritePartialList());
  if (!entries_.empty()) RETURN_IF_ERROR(WriteTile(EntriesOf(EdgeTile(0, size_)), entries_));
  for (const Tile& tile : tiles) {
    RETURN_IF_ERROR(WriteTile(tile, HashBytes(edge_[static_cast<size_t>(tile.level)])));
  }
  return absl::OkStatus();
}

absl::Status TileFolder::WritePartialList() {
  std::string text;
  for (const std::string& path : partials_) text += path + "\n";
  return io::WriteFileDurably(fs_, PathOf(kPartialListName), text);
}

// Those whose full tile the tree of `covered` had: readers have had a checkpoint with the full one
// since an earlier run.
absl::Status TileFolder::RemoveOldPartials(TreeSize covered) {
  const size_t known = partials_.size();
  for (auto it = partials_.begin(); it != partials_.end();) {
    Tile tile = *merkle::ParseTilePath(*it);
    if (merkle::TileWidth(tile.level, tile.index, covered) < kTileWidth) {
      ++it;
      continue;
    }
    const std::string path = PathOf(*it);
    // The half-written file of a run that was killed goes along.
    for (const std::string& file : {path, io::TemporaryPath(path)}) {
      const absl::Status removed = fs_.Remove(file);
      if (removed.ok()) ++counts_.files_removed;
      if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
    }
    // The last one's folder goes too; others are still in it until then.
    (void)fs_.RemoveDirectory(io::ParentDirectory(path));
    it = partials_.erase(it);
  }
  // What the list still names after a kill here is removed, or not there, next time.
  return partials_.size() == known ? absl::OkStatus() : WritePartialList();
}

// Nobody may be shown tiles that no checkpoint will cover. Whatever fails here is written over, or
// removed, by the next run.
void TileFolder::RemoveUncovered() {
  for (int level = 0; HashesAt(level + 1, size_) > 0; ++level) {
    for (uint64_t index = HashesAt(level + 1, published_); index < HashesAt(level + 1, size_);
         ++index) {
      Tile tile;
      tile.level = level;
      tile.index = index;
      fs_.Remove(PathOf(merkle::FormatTilePath(tile))).IgnoreError();
      if (level == 0) {
        fs_.Remove(PathOf(merkle::FormatTilePath(EntriesOf(tile)))).IgnoreError();
      }
    }
  }
}

}  // namespace graven::tiles
