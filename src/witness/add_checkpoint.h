#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/hash.h"
#include "base/log_index.h"

// The request by which a log asks a witness to cosign (C2SP tlog-witness, add-checkpoint). Pure.
namespace graven::witness {

inline constexpr size_t kAddCheckpointBytesMax = 64 << 10;
inline constexpr size_t kAddCheckpointHashesMax = 63;
inline constexpr std::string_view kSizeContentType = "text/x.tlog.size";

struct AddCheckpoint {
  // That the log believes the witness to have cosigned last; 0 for none.
  TreeSize old_size;
  // RFC 6962 consistency proof from there to the checkpoint's size.
  std::vector<Hash> proof;
  // The signed note, verbatim. Only its being there was checked.
  std::string checkpoint;

  bool operator==(const AddCheckpoint&) const = default;
};

// REQUIRES: at most 63 hashes, a size below 2^63.
std::string FormatAddCheckpoint(const AddCheckpoint& request);

// Exactly what FormatAddCheckpoint makes. kInvalidArgument names the line.
absl::StatusOr<AddCheckpoint> ParseAddCheckpoint(std::string_view body);

}  // namespace graven::witness
