#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hash.h"
#include "base/log_index.h"
#include "note/keys.h"

namespace graven::witness {

// A signed state of a log.
struct SignedState {
  TreeSize size;
  std::string checkpoint;  // the signed note, with the log's own line alone
};

// The logs of a server, as the feeder sees them. Logs are named by number and never go away.
// Thread-safe.
class FedLogs {
 public:
  virtual ~FedLogs() = default;

  virtual std::vector<uint32_t> Numbers() = 0;
  virtual note::VerifierKey Key(uint32_t log) = 0;
  // The newest signed state; cheap is the first, which is asked for often.
  virtual TreeSize NewestSize(uint32_t log) = 0;
  virtual SignedState Newest(uint32_t log) = 0;
  // Within the signed tree. REQUIRES: 0 < old_size <= new_size.
  virtual absl::StatusOr<std::vector<Hash>> ConsistencyProof(uint32_t log, TreeSize old_size,
                                                             TreeSize new_size) = 0;
  virtual absl::StatusOr<Hash> RootAt(uint32_t log, TreeSize size) = 0;

  // Whether a witness need not know the log.
  virtual bool IsOptional(uint32_t log) = 0;

  // Serves and keeps a checkpoint whose cosignatures meet the quorum.
  virtual absl::Status AddCosigned(uint32_t log, const std::string& note) = 0;
  // Somebody has shown what this server signed and does not have: nothing more may be signed.
  virtual void StopSigning(const std::string& reason) = 0;
  // For the operator. `alarm`: somebody should look.
  virtual void Report(bool alarm, const std::string& text) = 0;
};

}  // namespace graven::witness
