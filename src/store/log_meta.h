// What is fixed about a log when it is created, in one small text file that an operator can read.
// Stateless; any thread.
//
// The file DIR/logs/<log>/meta, exactly these lines, each ended by a line feed:
//   graven log, format 1
//   name: default
//   number: 1
//   origin: graven.local/5f0c.../default
//   vkey: graven.local/5f0c.../default+1a2b3c4d+AT...
//   duplicate_window: 4000000
//   created_at_ns: 1764028800000000000
//   fingerprint_key: 32 hex digits
//   sha256: 64 hex digits, of all bytes before this line
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/file_system.h"
#include "store/fingerprint.h"

namespace graven::store {

inline constexpr uint32_t kLogMetaFormat = 1;
inline constexpr uint64_t kLogMetaBytesMax = 4096;
inline constexpr size_t kLogNameBytesMax = 63;
// Tables of the server are indexed by number.
inline constexpr uint32_t kLogNumberMax = 1'000'000;

struct LogMeta {
  std::string name;
  // The log's short name in journal and guard: 1 to kLogNumberMax, unique in the folder, never used
  // again.
  uint32_t number = 0;
  std::string origin;
  // The key that signs the log's checkpoints (C2SP vkey); its name is the origin.
  std::string vkey;
  // W of the append rules, in records.
  uint64_t duplicate_window = 0;
  int64_t created_at_ns = 0;  // since 1970, not negative
  // Keys the fingerprints of event ids, so that nobody can choose ids that collide. Known to this
  // folder only: replicas have their own.
  FingerprintKey fingerprint_key{};

  bool operator==(const LogMeta&) const = default;
};

// Whether a user may name a log so: [a-z0-9][a-z0-9-]{0,62}. kInvalidArgument says what is wrong;
// a leading '_' is reserved for the server's own logs.
absl::Status CheckLogName(std::string_view name);

// Whether the server may: the same, or '_' before it, in at most 63 characters.
bool IsFolderLogName(std::string_view name);

// kInvalidArgument: names the field that cannot be so.
absl::Status CheckLogMeta(const LogMeta& meta);

// The file's text. REQUIRES: CheckLogMeta(meta) is OK.
std::string FormatLogMeta(const LogMeta& meta);

// Strict. kFailedPrecondition: of a newer format. kDataLoss: anything else that FormatLogMeta would
// not have written.
absl::StatusOr<LogMeta> ParseLogMeta(std::string_view text);

// Creates the file, readable by its owner only. On return OK it is durable; after a crash at any
// moment it is missing or whole. kAlreadyExists, kInvalidArgument.
absl::Status CreateLogMeta(io::FileSystem& fs, const std::string& path, const LogMeta& meta);

// kNotFound, and as ParseLogMeta, naming the path.
absl::StatusOr<LogMeta> ReadLogMeta(io::FileSystem& fs, const std::string& path);

}  // namespace graven::store
