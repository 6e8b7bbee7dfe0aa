// The files of a view's memory: lines of text, the last one their SHA-256. Pure; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/hash.h"
#include "base/log_index.h"

namespace graven::view {

// Checkpoints of one log; the older half is thinned when there are more.
inline constexpr size_t kSeenCheckpointsMax = 400;
inline constexpr size_t kKnownLogsMax = 1024;
inline constexpr size_t kFindingBytesMax = 768 << 10;
// What a page may post about one: evidence holds notes of up to a megabyte each, and counts twice.
inline constexpr size_t kPostedFindingBytesMax = size_t{6} << 20;
inline constexpr size_t kVkeyBytesMax = 512;
// Of a checkpoint with its signatures: a hundred take some 20 KiB.
inline constexpr size_t kSeenNoteBytesMax = 64 << 10;
// None of the files is larger.
inline constexpr size_t kMemoryFileBytesMax = size_t{4} << 20;

struct SeenTree {
  TreeSize size;
  Hash root;

  bool operator==(const SeenTree&) const = default;
};

struct SeenCheckpoint {
  SeenTree tree;
  int64_t at_ms = 0;       // since 1970
  uint64_t witnesses = 0;  // of the policy, that had cosigned it

  bool operator==(const SeenCheckpoint&) const = default;
};

// Of one log's key.
struct Seen {
  std::string vkey;
  SeenCheckpoint first;
  SeenCheckpoint last;
  std::string note;  // of `last`
  std::vector<SeenCheckpoint> line;
};

struct KnownLog {
  std::string vkey;
  int64_t at_ms = 0;
};

// A name as one server uses it.
struct LogName {
  std::string server;  // URL
  std::string log;

  auto operator<=>(const LogName&) const = default;
};

struct Finding {
  uint64_t id = 0;
  std::string vkey;      // of the log that it is about
  std::string json;      // one flat object, made by view/posted.h
  std::string evidence;  // empty: there is none
};

// `line` with one more; when it is the same tree as the last, that one takes its witnesses.
std::vector<SeenCheckpoint> WithCheckpoint(std::vector<SeenCheckpoint> line,
                                           const SeenCheckpoint& one);

// kDataLoss: not what Encode makes; the message says what is wrong with it.
std::string EncodeSeen(const Seen& seen);
absl::StatusOr<Seen> DecodeSeen(std::string_view text);
std::string EncodeKnown(const std::map<LogName, KnownLog>& known);
absl::StatusOr<std::map<LogName, KnownLog>> DecodeKnown(std::string_view text);
std::string EncodeFinding(const LogName& name, const Finding& finding);
absl::StatusOr<std::pair<LogName, Finding>> DecodeFinding(std::string_view text);

}  // namespace graven::view
