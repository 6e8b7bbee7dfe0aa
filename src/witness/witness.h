// A witness for other logs (C2SP tlog-witness): remembers for each of them the largest tree that it
// has seen, and cosigns only what continues that. So a log that shows two people two trees needs
// this witness's help for it, and does not get it.
//
// Threads: any; requests for one log follow each other, those of different logs do not wait for
// each other (but for the disk).
//
// Invariants:
// - Of one log no two cosignatures ever leave of which one tree is no prefix of the other, through
//   any crash or restart, as long as the folder is not rolled back.
// - A cosignature leaves after the state that names it is durable; so a log is never told that it
//   is further than it will be remembered to be.
// - After a write of a log's state that failed, nothing is cosigned for that log until the folder
//   has been opened anew.
//
// The folder:
//   lock, version        who has it; "graven witness 1\n"
//   key                  the private key of type 04, mode 0600, as text
//   logs/<hex of SHA-256(origin)>    the last cosigned note: text, the log's lines, our own
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/random.h"
#include "io/file_system.h"
#include "note/checkpoint.h"
#include "note/keys.h"
#include "witness/add_checkpoint.h"

namespace graven::witness {

struct WitnessOptions {
  std::string folder;
  // Of the key that is made at the first start.
  std::string name;
  // Whose checkpoints are cosigned: type 01, the key's name is the log's origin. Several for one
  // origin while its key is changed.
  std::vector<note::VerifierKey> logs;
};

// What a request is answered with, by the specification's status codes.
struct WitnessAnswer {
  int status = 0;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

// Since the start.
struct WitnessCounters {
  uint64_t cosigned = 0;
  uint64_t conflicts = 0;     // 409
  uint64_t inconsistent = 0;  // 422: a proof that does not hold, or another root for a size
  uint64_t refused = 0;       // 400, 403, 404
  uint64_t failed = 0;        // 500
};

class Witness {
 public:
  // Makes the folder and the key when there are none.
  // kFailedPrecondition: in use by another process, another kind of folder, a newer version, the
  // key's name is not `name`, its file can be read by others, or the key is missing beside a log's
  // state. kDataLoss: a log's state is damaged; says which file. kInvalidArgument: the name, or a
  // key of `logs` that is no log's.
  static absl::StatusOr<std::unique_ptr<Witness>> Open(io::FileSystem& fs, Clock& clock,
                                                       Random& random,
                                                       const WitnessOptions& options);
  ~Witness();

  // POST add-checkpoint. 200: durable on return; the body is our signature line. 400, 403, 404,
  // 409 (with the size that it should have named), 422 as the specification orders them; 500: the
  // state could not be made durable.
  WitnessAnswer AddCheckpointRequest(std::string_view body);

  // GET <hex of SHA-256(origin)>/checkpoint: the last cosigned note; nothing when there is none.
  std::optional<std::string> LastCosigned(std::string_view origin_hash_hex) const;

  const note::VerifierKey& key() const { return key_.verifier(); }
  // Origins of the logs, sorted, each with the size last cosigned.
  std::vector<std::pair<std::string, std::optional<uint64_t>>> Logs() const;
  WitnessCounters counters() const;

 private:
  struct WitnessedLog;

  Witness(io::FileSystem& fs, Clock& clock, note::SignerKey key);
  static absl::StatusOr<note::SignerKey> OpenKey(io::FileSystem& fs, Random& random,
                                                 const WitnessOptions& options);
  absl::Status ReadState(const std::string& folder, WitnessedLog* log);
  WitnessAnswer Decide(const AddCheckpoint& request, const note::Checkpoint& checkpoint,
                       std::string signed_note, WitnessedLog* log);

  io::FileSystem& fs_;
  Clock& clock_;
  const note::SignerKey key_;
  std::unique_ptr<io::FolderLock> lock_;
  std::map<std::string, std::unique_ptr<WitnessedLog>, std::less<>> logs_;  // by origin
  std::map<std::string, WitnessedLog*, std::less<>> by_hash_;               // of the origin, hex
  struct Counting;
  std::unique_ptr<Counting> counting_;
};

}  // namespace graven::witness
