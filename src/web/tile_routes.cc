#include "web/tile_routes.h"

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/absl_views.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "engine/error_details.h"
#include "merkle/tile.h"

namespace graven::web {
namespace {

namespace reason = engine::reason;

constexpr std::string_view kMutable = "no-cache";
constexpr std::string_view kImmutable = "public, max-age=31536000, immutable";

absl::StatusOr<ledger::LogRef> FindLog(const ledger::Ledger& ledger, std::string_view name) {
  // An empty name would be the default log's.
  const ledger::LogRef log = name.empty() ? ledger::LogRef() : ledger.FindLog(name);
  if (log) return log;
  return engine::WithReason(
      absl::NotFoundError(fmt::format("there is no log {}", SafeText(name, 64))),
      reason::kLogNotFound);
}

absl::Status NoTile(std::string_view why) {
  return engine::WithReason(absl::NotFoundError(ToAbsl(why)), reason::kIndexNotFound);
}

absl::StatusOr<http::Response> Checkpoint(const ledger::Ledger& ledger, const Call& call) {
  ASSIGN_OR_RETURN(const ledger::LogRef log, FindLog(ledger, call.parameters[0]));
  const std::shared_ptr<const ledger::Published> published =
      ledger.GetCheckpoint(log, ledger::CheckpointLevel::kServed);
  if (published == nullptr || published->checkpoint.empty()) {
    return engine::WithReason(absl::NotFoundError("this log has no checkpoint to show"),
                              reason::kNotPublishedYet);
  }
  http::Response response;
  response.content_type = "text/plain; charset=utf-8";
  response.cache_control = kMutable;
  response.body = published->checkpoint;
  return response;
}

absl::StatusOr<std::string> Hashes(const ledger::Ledger& ledger, ledger::LogRef log,
                                   const merkle::Tile& tile) {
  std::vector<Hash> hashes(static_cast<size_t>(tile.width));
  RETURN_IF_ERROR(ledger.ReadHashes(log, tile.level * merkle::kTileHeight,
                                    tile.index * merkle::kTileWidth, std::span(hashes)));
  std::string bytes;
  bytes.reserve(hashes.size() * sizeof(Hash));
  for (const Hash& hash : hashes) bytes += hash.view();
  return bytes;
}

absl::StatusOr<std::string> Entries(const ledger::Ledger& ledger, ledger::LogRef log,
                                    const merkle::Tile& tile) {
  std::string bytes;
  int count = 0;
  RETURN_IF_ERROR(ledger.ReadRecords(log, LogIndex(tile.index * merkle::kTileWidth),
                                     static_cast<uint64_t>(tile.width),
                                     [&](LogIndex, std::string_view record, const Hash&) {
                                       bytes += static_cast<char>(record.size() >> 8);
                                       bytes += static_cast<char>(record.size() & 0xff);
                                       bytes += record;
                                       ++count;
                                       return true;
                                     }));
  // What is published stays so: there is no fewer than the size said.
  if (count != tile.width) return absl::DataLossError("records are missing");
  return bytes;
}

absl::StatusOr<http::Response> ServeTile(const ledger::Ledger& ledger, const Call& call) {
  ASSIGN_OR_RETURN(const ledger::LogRef log, FindLog(ledger, call.parameters[0]));
  const std::optional<merkle::Tile> tile =
      merkle::ParseTilePath(fmt::format("tile/{}", call.parameters[1]));
  if (!tile) return NoTile("not the canonical path of a tile");
  // With a quorum configured the tree ends where the checkpoint beside it does: readers of tiles
  // see nothing that the witnesses have not seen.
  const auto served = ledger.GetCheckpoint(log, ledger::CheckpointLevel::kServed);
  const TreeSize size = served == nullptr ? TreeSize(0) : served->size;
  if (tile->width > merkle::TileWidth(tile->level, tile->index, size)) {
    return NoTile(
        fmt::format("the tree of {} records that is served has no such tile", size.value));
  }
  http::Response response;
  response.content_type = "application/octet-stream";
  response.cache_control = tile->width == merkle::kTileWidth ? kImmutable : kMutable;
  // Hashes do not get smaller.
  response.compressible = tile->is_entries;
  ASSIGN_OR_RETURN(response.body,
                   tile->is_entries ? Entries(ledger, log, *tile) : Hashes(ledger, log, *tile));
  return response;
}

}  // namespace

void AddTileRoutes(const ledger::Ledger& ledger, Routes* routes) {
  routes->Add({"GET", "/logs/{log}/checkpoint",
               Directly([&ledger](const Call& call) { return Checkpoint(ledger, call); })});
  routes->Add({"GET", "/logs/{log}/tile/{tile...}",
               Directly([&ledger](const Call& call) { return ServeTile(ledger, call); })});
}

}  // namespace graven::web
