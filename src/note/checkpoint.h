#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hash.h"
#include "base/log_index.h"
#include "note/keys.h"

// Checkpoints (C2SP tlog-checkpoint): the note text that names a log, a size and a root.
// Pure: no I/O, no clock; any thread.
namespace graven::note {

struct Checkpoint {
  std::string origin;
  TreeSize size;
  Hash root;
  // Lines after the third, without line feeds. We sign none, but keep those of others.
  std::vector<std::string> extensions;

  bool operator==(const Checkpoint&) const = default;
};

// Whether `origin` may be a log's of ours, and so name its key: 1 to 255 bytes of UTF-8 without
// white space, control characters and '+'. kInvalidArgument says what is wrong.
absl::Status CheckOrigin(std::string_view origin);

// The note text. REQUIRES: lines without line feeds, none empty; size below 2^63.
std::string FormatCheckpoint(const Checkpoint& checkpoint);

// Strict: canonical numbers, 32 bytes of root, no empty line. The origin may be any line, because
// other logs have such. kInvalidArgument.
absl::StatusOr<Checkpoint> ParseCheckpoint(std::string_view text);

// The signed note; the same bytes every time. Whoever calls has synced the guard for it.
// kInvalidArgument: the origin is not valid or not the key's name, or the key is no log key.
absl::StatusOr<std::string> SignCheckpoint(const Checkpoint& checkpoint, const SignerKey& key);

// The checkpoint that `key` signed for the log of its name. kInvalidArgument: malformed note or
// checkpoint, or another log's origin. kDataLoss: the signature does not verify. kUnauthenticated:
// `key` did not sign.
absl::StatusOr<Checkpoint> OpenCheckpoint(std::string_view note, const VerifierKey& key);

}  // namespace graven::note
