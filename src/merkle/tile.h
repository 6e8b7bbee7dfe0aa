#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/log_index.h"

// The coordinates of C2SP tlog-tiles: which piece of a tree a URL path names. No bytes here.
namespace graven::merkle {

inline constexpr int kTileHeight = 8;
inline constexpr int kTileWidth = 1 << kTileHeight;
inline constexpr int kTileLevelMax = 63;

struct Tile {
  // A bundle of entries (tile/entries/...); `level` is 0 then.
  bool is_entries = false;
  int level = 0;
  uint64_t index = 0;
  // Hashes or entries in it: 1 to 256; below 256 the tile is partial.
  int width = kTileWidth;

  bool operator==(const Tile&) const = default;
};

// "tile/0/x001/x234/067", "tile/1/000.p/5", "tile/entries/000". REQUIRES: fields within their
// limits.
std::string FormatTilePath(const Tile& tile);

// Exactly the canonical form, nothing for any other text. Indexes are below 2^63.
std::optional<Tile> ParseTilePath(std::string_view path);

// How many hashes (level 0: entries too) the tile (level, index) has in a tree of `size`: 0 when it
// does not exist, 256 when it is full.
int TileWidth(int level, uint64_t index, TreeSize size);

}  // namespace graven::merkle
