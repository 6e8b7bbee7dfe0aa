#include "monitor/tile_source.h"

#include <map>
#include <utility>

#include "base/sha256.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "merkle/proof.h"

namespace graven::monitor {
namespace {

http::FetchOptions WithRoomForEntries(http::FetchOptions options) {
  // 256 entries of 65,535 bytes, each behind its length.
  options.body_bytes_max = merkle::kTileWidth * (size_t{65'535} + 2);
  return options;
}

}  // namespace

// The nodes of the tree of one size, out of its tiles; each tile is fetched once.
class TileSource::Nodes final : public merkle::NodeSource {
 public:
  Nodes(TileSource& source, TreeSize size) : source_(source), size_(size) {}

  absl::StatusOr<Hash> Node(int level, uint64_t index) override {
    const int base = level / merkle::kTileHeight;
    const int above = level % merkle::kTileHeight;
    const uint64_t first = index << above;
    const uint64_t tile = first / merkle::kTileWidth;
    ASSIGN_OR_RETURN(const std::string* bytes, Tile(base, tile));
    const size_t offset = (first % merkle::kTileWidth) * Hash::kSize;
    const size_t count = size_t{1} << above;
    if (bytes->size() < offset + count * Hash::kSize)
      return absl::DataLossError(fmt::format("tile {}/{} is too short", base, tile));
    std::vector<Hash> hashes(count);
    for (size_t i = 0; i < count; ++i)
      hashes[i] =
          Hash::FromBytes(std::string_view(*bytes).substr(offset + i * Hash::kSize, Hash::kSize));
    for (size_t left = count; left > 1; left /= 2)
      Sha256Nodes(hashes.data(), left / 2, hashes.data());
    return hashes[0];
  }

 private:
  absl::StatusOr<const std::string*> Tile(int level, uint64_t index) {
    auto [place, is_new] = tiles_.try_emplace({level, index});
    if (is_new) {
      auto bytes = source_.GetTile({.level = level, .index = index}, size_);
      if (!bytes.ok()) {
        tiles_.erase(place);
        return bytes.status();
      }
      place->second = *std::move(bytes);
    }
    return &place->second;
  }

  TileSource& source_;
  const TreeSize size_;
  std::map<std::pair<int, uint64_t>, std::string> tiles_;
};

TileSource::TileSource(std::string prefix, http::FetchOptions options)
    : prefix_(prefix.ends_with('/') ? std::move(prefix) : prefix + '/'),
      client_(WithRoomForEntries(std::move(options))) {}

absl::StatusOr<std::string> TileSource::Get(const std::string& path) {
  ASSIGN_OR_RETURN(http::FetchResponse answer, client_.Fetch({.url = prefix_ + path}));
  if (answer.status == 404 || answer.status == 410)
    return absl::NotFoundError(fmt::format("{}: {}", path, answer.status));
  if (answer.status != 200)
    return absl::UnavailableError(fmt::format("{}: the answer is {}", path, answer.status));
  if (!answer.Header("Content-Encoding").empty())
    return absl::UnavailableError(
        fmt::format("{}: it comes encoded, which was not asked for", path));
  return std::move(answer.body);
}

absl::StatusOr<std::string> TileSource::GetTile(merkle::Tile tile, TreeSize size) {
  tile.width = merkle::TileWidth(tile.level, tile.index, size);
  auto bytes = Get(merkle::FormatTilePath(tile));
  if (!absl::IsNotFound(bytes.status()) || tile.width == merkle::kTileWidth) return bytes;
  tile.width = merkle::kTileWidth;
  return Get(merkle::FormatTilePath(tile));
}

absl::StatusOr<std::string> TileSource::Checkpoint() { return Get("checkpoint"); }

absl::Status TileSource::Read(LogIndex first, TreeSize size, const RecordFunction& on_record) {
  for (uint64_t index = first.value; index < size.value;) {
    const uint64_t tile = index / merkle::kTileWidth;
    ASSIGN_OR_RETURN(const std::string bytes, GetTile({.is_entries = true, .index = tile}, size));
    std::string_view rest = bytes;
    const uint64_t end = std::min(size.value, (tile + 1) * merkle::kTileWidth);
    for (uint64_t at = tile * merkle::kTileWidth; at < end; ++at) {
      const size_t length = rest.size() < 2 ? rest.size()
                                            : size_t{static_cast<uint8_t>(rest[0])} << 8 |
                                                  static_cast<uint8_t>(rest[1]);
      if (rest.size() < 2 || rest.size() - 2 < length)
        return absl::DataLossError(fmt::format("bundle {} ends within entry {}", tile, at));
      if (at >= index) RETURN_IF_ERROR(on_record(rest.substr(2, length)));
      rest.remove_prefix(2 + length);
    }
    index = end;
  }
  return absl::OkStatus();
}

absl::StatusOr<AnsweredProof> TileSource::Prove(LogIndex index, TreeSize size) {
  Nodes nodes(*this, size);
  AnsweredProof proof;
  ASSIGN_OR_RETURN(proof.leaf, nodes.Node(0, index.value));
  ASSIGN_OR_RETURN(proof.path, merkle::InclusionProof(nodes, index, size));
  return proof;
}

}  // namespace graven::monitor
