#include "merkle/tile.h"

#include "gtest/gtest.h"

namespace graven::merkle {
namespace {

TEST(TileTest, PathsRoundTrip) {
  const std::pair<Tile, const char*> cases[] = {
      {{false, 0, 0, 256}, "tile/0/000"},
      {{false, 63, 999, 1}, "tile/63/999.p/1"},
      {{false, 1, 1000, 256}, "tile/1/x001/000"},
      {{false, 0, 1234067, 255}, "tile/0/x001/x234/067.p/255"},
      {{true, 0, 273, 112}, "tile/entries/273.p/112"},
      {{false, 0, kLogIndexLimit - 1, 256}, "tile/0/x009/x223/x372/x036/x854/x775/807"},
  };
  for (const auto& [tile, path] : cases) {
    EXPECT_EQ(FormatTilePath(tile), path);
    EXPECT_EQ(ParseTilePath(path), tile) << path;
  }
}

TEST(TileTest, OtherSpellingsAreRefused) {
  for (const char* path : {"",
                           "tile",
                           "tile/",
                           "tile/0",
                           "tile/0/",
                           "tile/0/0",
                           "tile/0/00",
                           "tile/0/0000",
                           "tile/00/000",
                           "tile/64/000",
                           "tile/-1/000",
                           "tile/+1/000",
                           "tile/0/x000/001",
                           "tile/0/x001",
                           "tile/0/x001/",
                           "tile/0/001/000",
                           "tile/0/x01/000",
                           "tile/0/000/",
                           "tile/0/000.p",
                           "tile/0/000.p/",
                           "tile/0/000.p/0",
                           "tile/0/000.p/256",
                           "tile/0/000.p/01",
                           "tile/0/000.p/1/",
                           "tile/0/000.q/1",
                           "tile/0/x000.p/1",
                           "/tile/0/000",
                           "tile//000",
                           "tile/entries/x000/001",
                           "tile/entries",
                           "tile/data/000",
                           "tile/0/x009/x223/x372/x036/x854/x775/808",
                           "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
                           "tile/0/00 ",
                           "tile/0/0x0"}) {
    EXPECT_EQ(ParseTilePath(path), std::nullopt) << path;
  }
}

TEST(TileTest, WidthsFollowTheSize) {
  EXPECT_EQ(TileWidth(0, 0, TreeSize(0)), 0);
  EXPECT_EQ(TileWidth(0, 0, TreeSize(1)), 1);
  EXPECT_EQ(TileWidth(0, 0, TreeSize(256)), 256);
  EXPECT_EQ(TileWidth(1, 0, TreeSize(256)), 1);
  EXPECT_EQ(TileWidth(0, 1, TreeSize(256)), 0);
  EXPECT_EQ(TileWidth(0, 272, TreeSize(70000)), 256);
  EXPECT_EQ(TileWidth(0, 273, TreeSize(70000)), 112);
  EXPECT_EQ(TileWidth(0, 274, TreeSize(70000)), 0);
  EXPECT_EQ(TileWidth(1, 0, TreeSize(70000)), 256);
  EXPECT_EQ(TileWidth(1, 1, TreeSize(70000)), 17);
  EXPECT_EQ(TileWidth(2, 0, TreeSize(70000)), 1);
  EXPECT_EQ(TileWidth(3, 0, TreeSize(70000)), 0);
  EXPECT_EQ(TileWidth(63, 0, TreeSize(kLogIndexLimit)), 0);
  EXPECT_EQ(TileWidth(-1, 0, TreeSize(5)), 0);
}

}  // namespace
}  // namespace graven::merkle
