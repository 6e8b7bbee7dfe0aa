#include "monitor/tile_source.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

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
      auto bytes = source_.GetTile(source_.client_, {.level = level, .index = index}, size_);
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

// The bundles [begin, end), fetched by threads with a connection each, taken in order by one
// reader. Ends its calls with the object.
class TileSource::Ahead {
 public:
  Ahead(TileSource& source, uint64_t begin, uint64_t end, TreeSize size)
      : source_(source), end_(end), size_(size), next_(begin), wanted_(begin) {
    const size_t count = std::min<uint64_t>(kFetchesMax, end - begin);
    for (size_t i = 0; i < count; ++i) {
      clients_.push_back(std::make_unique<http::Client>(source.options_));
    }
    for (const auto& client : clients_) {
      threads_.emplace_back([this, &one = *client] { Fetch(one); });
    }
  }
  ~Ahead() {
    Cancel();
    for (std::thread& thread : threads_) thread.join();
  }
  Ahead(const Ahead&) = delete;
  Ahead& operator=(const Ahead&) = delete;

  // From any thread.
  void Cancel() {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
    changed_.notify_all();
    for (const auto& client : clients_) client->Cancel();
  }

  // Bundle after bundle.
  absl::StatusOr<std::string> Take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return cancelled_ || fetched_.contains(wanted_); });
    const auto found = fetched_.find(wanted_);
    if (found == fetched_.end()) return absl::CancelledError("stopped");
    absl::StatusOr<std::string> bytes = std::move(found->second);
    fetched_.erase(found);
    ++wanted_;
    changed_.notify_all();
    return bytes;
  }

 private:
  void Fetch(http::Client& client) {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(
          lock, [this] { return cancelled_ || next_ == end_ || next_ < wanted_ + kFetchesMax; });
      if (cancelled_ || next_ == end_) return;
      const uint64_t tile = next_++;
      lock.unlock();
      auto bytes = source_.GetTile(client, {.is_entries = true, .index = tile}, size_);
      lock.lock();
      fetched_.emplace(tile, std::move(bytes));
      changed_.notify_all();
    }
  }

  TileSource& source_;
  const uint64_t end_;
  const TreeSize size_;
  std::vector<std::unique_ptr<http::Client>> clients_;  // one a thread
  std::mutex mutex_;                                    // guards what follows
  std::condition_variable changed_;
  uint64_t next_;    // that nobody fetches yet
  uint64_t wanted_;  // that is taken next
  std::map<uint64_t, absl::StatusOr<std::string>> fetched_;
  bool cancelled_ = false;
  std::vector<std::thread> threads_;
};

TileSource::TileSource(std::string prefix, http::FetchOptions options)
    : prefix_(prefix.ends_with('/') ? std::move(prefix) : prefix + '/'),
      options_(WithRoomForEntries(std::move(options))),
      client_(options_) {}

void TileSource::Cancel() {
  const std::lock_guard lock(mutex_);
  cancelled_ = true;
  client_.Cancel();
  if (ahead_ != nullptr) ahead_->Cancel();
}

absl::StatusOr<std::string> TileSource::Get(http::Client& client, const std::string& path) {
  ASSIGN_OR_RETURN(http::FetchResponse answer, client.Fetch({.url = prefix_ + path}));
  if (answer.status == 404 || answer.status == 410)
    return absl::NotFoundError(fmt::format("{}: {}", path, answer.status));
  if (answer.status != 200)
    return absl::UnavailableError(fmt::format("{}: the answer is {}", path, answer.status));
  if (!answer.Header("Content-Encoding").empty())
    return absl::UnavailableError(
        fmt::format("{}: it comes encoded, which was not asked for", path));
  return std::move(answer.body);
}

absl::StatusOr<std::string> TileSource::GetTile(http::Client& client, merkle::Tile tile,
                                                TreeSize size) {
  tile.width = merkle::TileWidth(tile.level, tile.index, size);
  auto bytes = Get(client, merkle::FormatTilePath(tile));
  if (!absl::IsNotFound(bytes.status()) || tile.width == merkle::kTileWidth) return bytes;
  tile.width = merkle::kTileWidth;
  return Get(client, merkle::FormatTilePath(tile));
}

absl::StatusOr<std::string> TileSource::Checkpoint() { return Get(client_, "checkpoint"); }

absl::Status TileSource::GiveBundle(std::string_view bytes, uint64_t tile, LogIndex first,
                                    TreeSize size, const RecordFunction& on_record) {
  const uint64_t end = std::min(size.value, (tile + 1) * merkle::kTileWidth);
  for (uint64_t at = tile * merkle::kTileWidth; at < end; ++at) {
    const size_t length = bytes.size() < 2 ? bytes.size()
                                           : size_t{static_cast<uint8_t>(bytes[0])} << 8 |
                                                 static_cast<uint8_t>(bytes[1]);
    if (bytes.size() < 2 || bytes.size() - 2 < length)
      return absl::DataLossError(fmt::format("bundle {} ends within entry {}", tile, at));
    if (at >= first.value) RETURN_IF_ERROR(on_record(bytes.substr(2, length)));
    bytes.remove_prefix(2 + length);
  }
  return absl::OkStatus();
}

absl::Status TileSource::Read(LogIndex first, TreeSize size, const RecordFunction& on_record) {
  if (first.value >= size.value) return absl::OkStatus();
  const uint64_t begin = first.value / merkle::kTileWidth;
  const uint64_t end = (size.value + merkle::kTileWidth - 1) / merkle::kTileWidth;
  if (end - begin == 1) {
    ASSIGN_OR_RETURN(const std::string bytes,
                     GetTile(client_, {.is_entries = true, .index = begin}, size));
    return GiveBundle(bytes, begin, first, size, on_record);
  }
  Ahead ahead(*this, begin, end, size);
  {
    const std::lock_guard lock(mutex_);
    if (cancelled_) return absl::CancelledError("stopped");
    ahead_ = &ahead;
  }
  absl::Status status;
  for (uint64_t tile = begin; tile < end && status.ok(); ++tile) {
    const absl::StatusOr<std::string> bytes = ahead.Take();
    status = bytes.ok() ? GiveBundle(*bytes, tile, first, size, on_record) : bytes.status();
  }
  const std::lock_guard lock(mutex_);
  ahead_ = nullptr;
  return status;
}

absl::StatusOr<AnsweredProof> TileSource::Prove(LogIndex index, TreeSize size) {
  Nodes nodes(*this, size);
  AnsweredProof proof;
  ASSIGN_OR_RETURN(proof.leaf, nodes.Node(0, index.value));
  ASSIGN_OR_RETURN(proof.path, merkle::InclusionProof(nodes, index, size));
  return proof;
}

}  // namespace graven::monitor
