#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hash.h"
#include "base/log_index.h"
#include "io/file_system.h"
#include "monitor/hash_rows.h"
#include "verify/chain_checker.h"

namespace graven::monitor {

inline constexpr size_t kAheadMax = 64;

// A signed tree that the log has not shown yet.
struct AheadNote {
  int64_t since_ns = 0;  // wall time at which it was first heard of
  std::string note;
};

// What a monitor knows of a log.
struct Knowledge {
  // Of records that were all read and checked, and whose tree is `note`'s.
  verify::ChainState chain;
  // The signed checkpoint of that tree; empty before the first.
  std::string note;
  // What verify::ProducerSequences::Encode made of the same records; empty: a monitor that did not
  // follow them yet.
  std::string producers;
  // At most kAheadMax.
  std::vector<AheadNote> ahead;
};

// The memory of a monitor: one folder for a log, locked. A monitor that forgets could be shown
// another history.
//
// Not thread-safe. Invariants: what Save returned OK for survives a crash or loss of power at any
// moment, whole; the rows hold every hash of the tree of the knowledge that was saved.
class Memory {
 public:
  // Makes the folder where it is missing (its parent must exist). kFailedPrecondition: another
  // monitor has it, or it is another log's. kDataLoss: it is damaged, and says where.
  static absl::StatusOr<std::unique_ptr<Memory>> Open(io::FileSystem& fs, std::string folder,
                                                      std::string_view origin);

  const Knowledge& knowledge() const { return knowledge_; }
  TreeSize size() const { return knowledge_.chain.frontier.size(); }
  HashRows& rows() { return *rows_; }
  const std::string& folder() const { return folder_; }

  // On return OK rows and knowledge are durable. After an error the old knowledge holds.
  absl::Status Save(Knowledge knowledge);

  // Keeps a file of evidence; true when it was not there yet. Durable on return OK.
  absl::StatusOr<bool> KeepEvidence(const std::string& name, std::string_view text);
  // Paths, in the order of their names.
  absl::StatusOr<std::vector<std::string>> ListEvidence();

 private:
  Memory(io::FileSystem& fs, std::string folder, std::string_view origin)
      : fs_(fs), folder_(std::move(folder)), origin_(origin) {}

  absl::Status Load();

  io::FileSystem& fs_;
  const std::string folder_;
  const std::string origin_;
  std::unique_ptr<io::FolderLock> lock_;
  std::unique_ptr<HashRows> rows_;
  Knowledge knowledge_;
};

// The file that holds it; for its tests and fuzzer.
std::string EncodeKnowledge(const Knowledge& knowledge, std::string_view origin);
// kDataLoss: not what EncodeKnowledge makes. kFailedPrecondition: of another log.
absl::StatusOr<Knowledge> DecodeKnowledge(std::string_view text, std::string_view origin);

}  // namespace graven::monitor
