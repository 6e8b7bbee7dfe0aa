#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hash.h"
#include "base/log_index.h"
#include "io/file_system.h"
#include "note/keys.h"
#include "verify/chain_checker.h"
#include "verify/producer_sequences.h"

namespace graven::verify {

struct FolderOptions {
  std::string folder;
  // Empty: the one inside the folder.
  std::string guard_path;
  // Only this log; empty: all.
  std::string log;
  // Of producers whose sequences are followed beside all that.
  int64_t heartbeat_deadline_ns = ProducerRules{}.heartbeat_deadline_ns;
  // Keys known from outside. Each must be that of a log here, by its origin.
  std::vector<note::VerifierKey> keys;
  // Called now and then with the bytes read and to be read; may be empty.
  std::function<void(uint64_t done_bytes, uint64_t total_bytes)> on_progress;
  // Called with each record once it was found in order, the first one first; may be empty. REQUIRES
  // when set: `log` names one. What comes later may still show that a record is not what was
  // signed: the verdict says.
  std::function<void(LogIndex index, std::string_view record)> on_record;
};

struct LogVerdict {
  std::string name;
  std::string origin;
  // kDataLoss: what is stored contradicts itself, or what was signed. kUnauthenticated: the key
  // that was given did not sign this.
  absl::Status status;
  Trust trust = Trust::kSelfConsistent;

  // How far it is good; all of it when the status is OK, and only then the next three say anything.
  uint64_t records = 0;
  Hash root;
  Hash last_hash;
  int64_t last_received_at_ns = 0;
  uint64_t checkpoints = 0;
  // Covered by the newest kept checkpoint; later records are chained, but nothing here signs them.
  uint64_t signed_records = 0;

  // Completeness, by the producers' own word: no part of the status.
  ProducerReport producers;

  // Of what is wrong, where it is about a record and a place.
  std::optional<LogIndex> first_bad;
  std::string bad_file;
  uint64_t bad_offset = 0;
};

struct FolderVerdict {
  std::vector<LogVerdict> logs;  // by name
  // What is wrong beside the logs themselves.
  std::vector<std::string> problems;
  // What an operator should know, but is in order.
  std::vector<std::string> notes;

  bool good() const;
};

// Checks a data folder of a stopped server: metadata, checksums, hashes, chain, tree, order of
// time, guard, kept checkpoints and their signatures, of all logs. Reads only (the lock file is
// locked meanwhile). Memory is bounded by the largest journal frame and some tens of KiB for each
// log. The errors here are about not being able to check at all: kNotFound: no such folder or log.
// kFailedPrecondition: a server has it open, or made by a newer version. kDataLoss: the folder's
// own metadata cannot be read (that of one log is its verdict). Others of the disk.
absl::StatusOr<FolderVerdict> CheckFolder(io::FileSystem& fs, const FolderOptions& options);

}  // namespace graven::verify
