#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hash.h"
#include "base/log_index.h"
#include "io/file_system.h"
#include "merkle/frontier.h"
#include "merkle/proof.h"

namespace graven::monitor {

// Every hash of a tree of one log, on disk, so that the root of any of its sizes and the path of
// any record can be told later without the log: one file for each eighth level, some 32.1 bytes a
// record. Appended to only; what lies beyond a size that was synced means nothing.
//
// Not thread-safe. Invariant: after Sync returned OK, what was heard of so far survives power loss.
class HashRows final : public merkle::NodeSink, public merkle::NodeSource {
 public:
  // Opens the rows in `folder` (which exists) at `size`, or begins them. kDataLoss: a row is
  // shorter than that tree's.
  static absl::StatusOr<std::unique_ptr<HashRows>> Open(io::FileSystem& fs, std::string folder,
                                                        TreeSize size);

  // Forgets what was heard of beyond `size`.
  void Rewind(TreeSize size);

  // merkle::NodeSink. Errors of the disk come out of the next Sync or Node.
  void OnNodes(int level, uint64_t first_index, std::span<const Hash> hashes) override;

  absl::Status Sync();

  // merkle::NodeSource.
  absl::StatusOr<Hash> Node(int level, uint64_t index) override;

 private:
  static constexpr int kRowHeight = 8;
  static constexpr int kRows = 8;

  struct Row {
    std::unique_ptr<io::File> file;
    uint64_t written = 0;  // hashes in the file
    std::string pending;   // those that follow
  };

  explicit HashRows(std::string folder) : folder_(std::move(folder)) {}

  absl::Status Write(Row& row);

  const std::string folder_;
  std::array<Row, kRows> rows_;
  absl::Status status_;
};

}  // namespace graven::monitor
