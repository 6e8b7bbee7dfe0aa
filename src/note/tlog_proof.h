#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/hash.h"
#include "base/log_index.h"

namespace graven::note {

inline constexpr size_t kTlogProofBytesMax = 2'000'000;

// A proof that stands alone as a file (C2SP tlog-proof): an inclusion path and the signed
// checkpoint that it leads to. Nothing in it has been checked.
struct TlogProof {
  // Whatever the application wants beside it; not authenticated by the format.
  std::optional<std::string> extra;
  LogIndex index;
  // The leaf's sibling first.
  std::vector<Hash> hashes;
  // The signed note, verbatim.
  std::string checkpoint;

  bool operator==(const TlogProof&) const = default;
};

// REQUIRES: at most 64 hashes, an index below 2^63.
std::string FormatTlogProof(const TlogProof& proof);

// Exactly what FormatTlogProof makes; the checkpoint is taken as it is. kInvalidArgument.
absl::StatusOr<TlogProof> ParseTlogProof(std::string_view text);

}  // namespace graven::note
