#pragma once

#include <string>

#include "http/client.h"
#include "merkle/tile.h"
#include "monitor/log_source.h"

namespace graven::monitor {

// A log as tiles below a URL (C2SP tlog-tiles), from whatever web server.
class TileSource final : public LogSource {
 public:
  // The prefix of `checkpoint` and `tile/`. `options` limits each request.
  TileSource(std::string prefix, http::FetchOptions options);

  absl::StatusOr<std::string> Checkpoint() override;
  absl::Status Read(LogIndex first, TreeSize size, const RecordFunction& on_record) override;
  absl::StatusOr<AnsweredProof> Prove(LogIndex index, TreeSize size) override;
  std::string Name() const override { return prefix_; }
  void Cancel() override { client_.Cancel(); }

 private:
  class Nodes;

  absl::StatusOr<std::string> Get(const std::string& path);
  // The tile as the tree of `size` has it; the full one where the partial one is gone.
  absl::StatusOr<std::string> GetTile(merkle::Tile tile, TreeSize size);

  const std::string prefix_;  // ends in a slash
  http::Client client_;
};

}  // namespace graven::monitor
