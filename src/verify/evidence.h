#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/hash.h"
#include "base/log_index.h"
#include "note/keys.h"
#include "verify/chain_checker.h"

// Evidence: a file that shows to a third party, offline, what a log did. docs/format.md has the
// format. Pure: no I/O, no clock; any thread.
//
// A failed consistency proof is no evidence: when the old size is a power of two the old root is
// not in the proof, and a fork looks like an answer that was wrong. So the evidence of a fork
// carries the nodes of the new tree: the last record's hash of the old size and its path to the
// new root. They lead to the new root, which is signed; those of them that lie to the left lead to
// the root that the new tree had at the old size, which is not the one that was signed.
namespace graven::verify {

inline constexpr size_t kEvidenceBytesMax = 4 << 20;
inline constexpr size_t kEvidenceProofsMax = 2;

enum class Claim {
  kFork,        // two signed checkpoints, neither a prefix of the other
  kRecord,      // a record that is not the signed one, or a signed one that breaks the chain
  kCheckpoint,  // an answer in a checkpoint's place that the key did not sign
  kWithheld,    // a signed tree that is not shown
};

// A record's place in the tree of the evidence's last note.
struct EvidenceProof {
  LogIndex index;
  Hash leaf;
  std::vector<Hash> path;
  // What the log answered as that record; "" when it was not asked or the claim does not need it.
  std::string record;

  bool operator==(const EvidenceProof&) const = default;
};

struct Evidence {
  Claim claim = Claim::kFork;
  // The word of whoever made the file: when, and what happened. One line of text.
  uint64_t found_s = 0;
  std::string said;
  // The log's key, as whoever made the file knew it.
  std::string vkey;
  // One or two, the smaller tree first.
  std::vector<std::string> notes;
  std::vector<EvidenceProof> proofs;

  bool operator==(const Evidence&) const = default;
};

std::string FormatEvidence(const Evidence& evidence);

// kInvalidArgument: not what FormatEvidence writes, or larger than the limits; names the line.
absl::StatusOr<Evidence> ParseEvidence(std::string_view text);

enum class EvidenceVerdict {
  // The log's key signed two trees of which one is not a prefix of the other.
  kForkProven,
  // What the log answered is not what it signed, or what it signed breaks its own rules.
  kWrongAnswer,
  // The log signed a tree that, by the word of whoever made the file, it does not show.
  kWithheld,
  // The file shows nothing.
  kNothing,
};

struct JudgedEvidence {
  EvidenceVerdict verdict = EvidenceVerdict::kNothing;
  // Whether the signatures alone carry the verdict; otherwise that it was answered, or not
  // answered, is the word of whoever made the file.
  bool signed_by_log = false;
  Trust trust = Trust::kSelfConsistent;
  std::string origin;
  std::string because;
};

// Judges it by `key`, or by the file's own when none is given, which shows no more than that the
// file agrees with itself.
JudgedEvidence JudgeEvidence(const Evidence& evidence, const std::optional<note::VerifierKey>& key);

// "FORK_PROVEN", "WRONG_ANSWER", "WITHHELD", "NOTHING".
std::string_view VerdictName(EvidenceVerdict verdict);

// The root that the first index + 1 leaves of a tree have, by the path of the leaf `index` in the
// larger tree of `size`: its nodes to the left are the smaller tree's own. REQUIRES: the path
// leads to the larger tree's root.
absl::StatusOr<Hash> RootThrough(LogIndex index, TreeSize size, const Hash& leaf,
                                 const std::vector<Hash>& path);

}  // namespace graven::verify
