// What `graven view` remembers for an auditor, in a folder of his own: of each log's key the first
// and the newest tree that was shown to continue all before, which key stood under which name, and
// what did not fit. A page that a server ships can be made to forget by that server; this cannot.
//
//   DIR/lock, DIR/door            the secret in the view's address
//   DIR/seen/<hash of the key>    the trees of one log
//   DIR/known                     names of logs, and their keys
//   DIR/findings/<id>             what did not fit
//   DIR/evidence/<hash>.evidence  the same for graven verify --evidence; never removed
//
// Thread-safe. Invariants: what returned OK survives a crash or loss of power, whole; a tree is
// never lowered, and only to a note that the key signed is it raised; every file is ours alone
// (0600); memory is bounded by the limits below.
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
#include "base/mutex.h"
#include "base/random.h"
#include "io/file_system.h"
#include "note/policy.h"
#include "view/seen_files.h"

namespace graven::view {

// Keys that the policy does not name. Those of the policy always have room.
inline constexpr size_t kStrangeKeysMax = 256;
inline constexpr size_t kFindingsMax = 256;

class SeenMemory {
 public:
  // Makes the folder where it is missing (its parent must exist) and reads all of it. A key and a
  // witness count by `policy`. kFailedPrecondition: another view has it. kDataLoss: a file is
  // damaged, and says which.
  static absl::StatusOr<std::unique_ptr<SeenMemory>> Open(io::FileSystem& fs, std::string folder,
                                                          note::Policy policy, Clock& clock,
                                                          Random& random);

  const std::string& folder() const { return folder_; }
  const note::Policy& policy() const { return policy_; }
  // 32 hex digits that only this folder's owner can know.
  const std::string& door() const { return door_; }
  bool InPolicy(std::string_view vkey) const;

  std::optional<Seen> Find(const std::string& vkey) const;

  struct Raised {
    bool raised = false;  // false: it is not `expected` any more
    Seen seen;
  };
  // Puts the tree of `note` in place of what is there, if that is `expected`. Durable on return of
  // `raised`. The caller has shown that the new tree continues the old one.
  // kInvalidArgument, kUnauthenticated, kDataLoss: the key, or the note as of note::OpenCosigned.
  // kAborted: smaller than what is there, or as large with another root. kResourceExhausted: too
  // many keys that the policy does not name. Else as of the disk: after a crash either may hold.
  absl::StatusOr<Raised> Raise(const std::string& vkey, const std::optional<SeenTree>& expected,
                               const std::string& note);

  std::optional<KnownLog> Known(const LogName& name) const;
  // Durable on return OK. kResourceExhausted.
  absl::Status Know(const LogName& name, const std::string& vkey);

  // Of the name, and of the key under whatever name and server: what did not fit does not become
  // fit at another address.
  std::vector<Finding> Findings(const LogName& name, std::string_view vkey) const;
  // Durable on return OK, the evidence too. kAlreadyExists: the id is taken.
  // kInvalidArgument: the key, or too long. kResourceExhausted.
  absl::Status AddFinding(const LogName& name, Finding finding);

  // Forgets the name, the findings of name and key, and the trees of the key. Evidence stays.
  absl::Status Forget(const LogName& name, const std::string& vkey);

 private:
  SeenMemory(io::FileSystem& fs, std::string folder, note::Policy policy, Clock& clock)
      : fs_(fs), folder_(std::move(folder)), policy_(std::move(policy)), clock_(clock) {}

  absl::Status Load(Random& random);
  absl::Status LoadDoor(Random& random);
  absl::Status LoadSeen();
  absl::Status LoadFindings();
  std::string Path(std::string_view name) const;
  std::string SeenPath(std::string_view vkey) const;
  int64_t NowMs() const { return clock_.WallNs() / 1'000'000; }
  absl::Status SaveKnown(const std::map<LogName, KnownLog>& known);
  absl::Status CheckRoom(const std::string& vkey) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  io::FileSystem& fs_;
  const std::string folder_;
  const note::Policy policy_;
  Clock& clock_;
  std::unique_ptr<io::FolderLock> lock_;
  std::string door_;

  mutable Mutex mutex_;
  std::map<std::string, Seen> seen_ ABSL_GUARDED_BY(mutex_);  // by vkey
  std::map<LogName, KnownLog> known_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, std::pair<LogName, Finding>> findings_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace graven::view
