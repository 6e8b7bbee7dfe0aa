#include "merkle/tile.h"

#include <algorithm>

#include "base/check.h"
#include "base/encoding.h"
#include "fmt/format.h"

namespace graven::merkle {
namespace {

// The next part of `path` up to a slash, which is taken too.
std::string_view TakePart(std::string_view* path) {
  const size_t slash = path->find('/');
  const std::string_view part = path->substr(0, slash);
  path->remove_prefix(slash == std::string_view::npos ? path->size() : slash + 1);
  return part;
}

// Three digits, whatever their value.
std::optional<uint64_t> ParseGroup(std::string_view group) {
  if (group.size() != 3) return std::nullopt;
  uint64_t value = 0;
  for (const char c : group) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  return value;
}

}  // namespace

std::string FormatTilePath(const Tile& tile) {
  GRAVEN_CHECK(tile.level >= 0 && tile.level <= kTileLevelMax && tile.width >= 1 &&
               tile.width <= kTileWidth && tile.index < kLogIndexLimit);
  std::string groups = fmt::format("{:03}", tile.index % 1000);
  for (uint64_t rest = tile.index / 1000; rest > 0; rest /= 1000) {
    groups = fmt::format("x{:03}/{}", rest % 1000, groups);
  }
  std::string path = tile.is_entries ? fmt::format("tile/entries/{}", groups)
                                     : fmt::format("tile/{}/{}", tile.level, groups);
  if (tile.width < kTileWidth) path += fmt::format(".p/{}", tile.width);
  return path;
}

std::optional<Tile> ParseTilePath(std::string_view path) {
  const std::string_view whole = path;
  if (TakePart(&path) != "tile") return std::nullopt;
  Tile tile;
  const std::string_view level = TakePart(&path);
  if (level == "entries") {
    tile.is_entries = true;
  } else {
    const std::optional<uint64_t> value = ParseDecimal(level);
    if (!value || *value > kTileLevelMax) return std::nullopt;
    tile.level = static_cast<int>(*value);
  }
  bool more = true;
  while (more) {
    std::string_view group = TakePart(&path);
    more = group.starts_with('x');
    if (more) {
      group.remove_prefix(1);
    } else if (group.ends_with(".p")) {
      group.remove_suffix(2);
      const std::optional<uint64_t> width = ParseDecimal(path);
      if (!width || *width < 1 || *width >= kTileWidth) return std::nullopt;
      tile.width = static_cast<int>(*width);
      path = {};
    }
    const std::optional<uint64_t> value = ParseGroup(group);
    if (!value || tile.index > (kLogIndexLimit - 1 - *value) / 1000) return std::nullopt;
    tile.index = tile.index * 1000 + *value;
  }
  // What was read may still have been written otherwise: leading groups of zeros, slashes at the
  // end.
  if (FormatTilePath(tile) != whole) return std::nullopt;
  return tile;
}

int TileWidth(int level, uint64_t index, TreeSize size) {
  const int shift = level * kTileHeight;
  if (level < 0 || shift >= 64) return 0;
  const uint64_t hashes = size.value >> shift;
  if (index > hashes / kTileWidth) return 0;
  return static_cast<int>(std::min<uint64_t>(hashes - index * kTileWidth, kTileWidth));
}

}  // namespace graven::merkle
