#pragma once

#include <mutex>
#include <string>
#include <string_view>

#include "http/client.h"
#include "merkle/tile.h"
#include "monitor/log_source.h"

namespace graven::monitor {

// A log as tiles below a URL (C2SP tlog-tiles), from whatever web server. Bundles of records are
// fetched several at once and ahead of the reader, at most kFetchesMax (134 MiB if the other side
// sends the most it may).
class TileSource final : public LogSource {
 public:
  // The prefix of `checkpoint` and `tile/`. `options` limits each request.
  TileSource(std::string prefix, http::FetchOptions options);

  absl::StatusOr<std::string> Checkpoint() override;
  absl::Status Read(LogIndex first, TreeSize size, const RecordFunction& on_record) override;
  absl::StatusOr<AnsweredProof> Prove(LogIndex index, TreeSize size) override;
  std::string Name() const override { return prefix_; }
  void Cancel() override;

 private:
  class Nodes;
  class Ahead;
  static constexpr size_t kFetchesMax = 8;

  absl::StatusOr<std::string> Get(http::Client& client, const std::string& path);
  // The tile as the tree of `size` has it; the full one where the partial one is gone.
  absl::StatusOr<std::string> GetTile(http::Client& client, merkle::Tile tile, TreeSize size);
  // Gives the records of bundle `tile`, from `first` to the end of the tree of `size`.
  static absl::Status GiveBundle(std::string_view bytes, uint64_t tile, LogIndex first,
                                 TreeSize size, const RecordFunction& on_record);

  const std::string prefix_;  // ends in a slash
  const http::FetchOptions options_;
  http::Client client_;

  std::mutex mutex_;  // guards what follows
  bool cancelled_ = false;
  Ahead* ahead_ = nullptr;  // of the reading under way
};

}  // namespace graven::monitor
