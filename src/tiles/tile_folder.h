#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hash.h"
#include "base/log_index.h"
#include "io/file_system.h"
#include "merkle/tile.h"
#include "note/keys.h"

// A log as a folder of files for any static web server (C2SP tlog-tiles): `checkpoint`,
// `tile/<level>/<n>[.p/<width>]`, `tile/entries/<n>[.p/<width>]`. Grows with the log: a run writes
// only what is new.
//
// Thread: one, which drives it. One process at a time: the folder is locked.
//
// Invariants, through a kill or a loss of power at any moment:
// - the checkpoint that lies in the folder is signed by the log's key, and every entry and tile of
//   its tree is there, whole;
// - a checkpoint only ever replaces one whose tree is a prefix of its own;
// - files appear by renaming, entries before tiles, tiles before the checkpoint.
//
// Partial tiles of older checkpoints stay for readers who still hold one, until the run after the
// one that put the full tile under a checkpoint. `.partial-tiles` names those that may exist, so
// that those of a run that was killed go too. Full tiles that no checkpoint covers (a run was
// killed) mean nothing and are written over.
namespace graven::tiles {

inline constexpr size_t kEntryBytesMax = 65'535;

struct TileCounts {
  uint64_t files_written = 0;
  uint64_t bytes_written = 0;
  uint64_t files_removed = 0;
};

class TileFolder {
 public:
  // Opens the folder, or makes it (its parent must exist), and holds the tree's right edge against
  // the checkpoint that lies there. Writes nothing but the folder and its lock.
  // kFailedPrecondition: another export is at work. kUnauthenticated, kInvalidArgument: the
  // checkpoint there is not of this log or key. kDataLoss: a file is missing, or not what the
  // checkpoint says; names it.
  static absl::StatusOr<std::unique_ptr<TileFolder>> Open(io::FileSystem& fs, std::string folder,
                                                          const note::VerifierKey& key);
  TileFolder(const TileFolder&) = delete;
  TileFolder& operator=(const TileFolder&) = delete;

  // The tree of the checkpoint in the folder; 0 without one.
  TreeSize published() const { return published_; }
  // The index of the record that Append wants next.
  LogIndex next() const { return NextIndex(size_); }
  // Whether a checkpoint lies there, of an empty tree for instance.
  bool has_checkpoint() const { return !checkpoint_.empty(); }

  // Adds the next record, exactly its bytes; full tiles are durable when it returns.
  // kInvalidArgument: longer than kEntryBytesMax. Others of the disk.
  absl::Status Append(std::string_view record);

  // Puts `checkpoint` in place after all that it names. On return OK it is durable; the same
  // checkpoint again changes nothing. kDataLoss: the records appended do not have its root: what
  // they made is removed again, and the folder is as it was. kFailedPrecondition: its tree has
  // another size than the records. kUnauthenticated, kInvalidArgument: not signed by the key.
  absl::Status Finish(std::string_view checkpoint);

  const TileCounts& counts() const { return counts_; }

 private:
  TileFolder(io::FileSystem& fs, std::string folder, const note::VerifierKey& key);

  absl::Status TakeCheckpoint();
  absl::Status TakeEdge(int level);
  absl::Status TakeEntries();
  absl::Status TakePartialList();
  absl::StatusOr<Hash> Root();
  absl::Status EndTile(int level);
  absl::Status WritePartials();
  absl::Status WritePartialList();
  absl::Status RemoveOldPartials(TreeSize covered);
  void RemoveUncovered();
  absl::StatusOr<std::string> ReadTile(merkle::Tile tile, size_t bytes_max);
  absl::Status WriteTile(const merkle::Tile& tile, std::string_view bytes);
  absl::Status MakeParents(const std::string& path);
  std::string PathOf(std::string_view name) const;

  io::FileSystem& fs_;
  const std::string folder_;
  const note::VerifierKey key_;
  std::unique_ptr<io::FolderLock> lock_;
  std::string checkpoint_;
  TreeSize published_;
  TreeSize size_;
  // The right edge: of each level the hashes of its last tile, fewer than 256.
  std::array<std::vector<Hash>, merkle::kTileLevelMax / merkle::kTileHeight + 1> edge_;
  // The bundle of the entries of the last tile of level 0.
  std::string entries_;
  std::set<std::string> partials_;  // paths below the folder
  std::set<std::string> made_folders_;
  TileCounts counts_;
};

}  // namespace graven::tiles
