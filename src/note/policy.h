#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "note/checkpoint.h"
#include "note/keys.h"

// Policies (C2SP tlog-policy): which logs one believes, and which witnesses must have cosigned. A
// text file that clients, monitors and the log itself share. Pure: no I/O, no clock; any thread.
namespace graven::note {

inline constexpr size_t kPolicyBytesMax = 1'000'000;
// A note has at most 100 signatures; the log's own and unknown ones need room too.
inline constexpr size_t kPolicyWitnessesMax = 64;
inline constexpr size_t kPolicyLogsMax = 1024;
inline constexpr size_t kPolicyGroupsMax = 64;

struct PolicyLog {
  // Nothing when the key is of a type unknown here: such a log cannot be believed.
  std::optional<VerifierKey> key;
  std::string vkey;
  std::string url;  // empty when the line has none
};

struct PolicyWitness {
  std::string name;  // within the policy; the key has a name of its own
  // Nothing when the key is of a type unknown here (ML-DSA-44): it never counts as cosigning.
  std::optional<VerifierKey> key;
  std::string vkey;
  std::string url;  // submission prefix; empty when the line has none
};

class Policy {
 public:
  // A quorum of none and no logs.
  Policy() = default;

  // kInvalidArgument names the line and the field: another form than the specification's, a name
  // or a public key that is there twice, a member that is not defined above, a member of two
  // groups, no quorum or two, or more than the limits above.
  static absl::StatusOr<Policy> Parse(std::string_view text);

  const std::vector<PolicyLog>& logs() const { return logs_; }
  const std::vector<PolicyWitness>& witnesses() const { return witnesses_; }
  // False: `quorum none`; every checkpoint of a log meets it.
  bool wants_witnesses() const { return quorum_.has_value(); }

  // Whether cosignatures of these witnesses, one flag for each of witnesses(), are enough.
  // REQUIRES: as many flags as witnesses.
  bool IsMetBy(const std::vector<bool>& cosigned) const;

  // The keys known here.
  std::vector<VerifierKey> LogKeys() const;
  std::vector<VerifierKey> WitnessKeys() const;

 private:
  friend class PolicyParser;

  // A witness, or a group of components that stand before it.
  struct Component {
    std::string name;
    std::optional<size_t> witness;
    size_t wanted = 0;
    std::vector<size_t> members;
    bool is_member = false;
  };

  std::vector<PolicyLog> logs_;
  std::vector<PolicyWitness> witnesses_;
  std::vector<Component> components_;
  std::optional<size_t> quorum_;
};

// One witness's statement about a checkpoint, verified.
struct Cosigner {
  std::string name;     // of the key
  uint64_t time_s = 0;  // when it said so, since 1970
  size_t witness = 0;   // position in Policy::witnesses()

  bool operator==(const Cosigner&) const = default;
};

// What a signed note says under a policy.
struct CosignedCheckpoint {
  Checkpoint checkpoint;
  std::vector<Cosigner> cosigners;
  // Signature lines of keys that are neither a log's nor a witness's.
  std::vector<std::string> unknown_signers;
  bool meets_quorum = false;
};

// Verifies a note's signatures by one of `log_keys`, whose name is the checkpoint's origin, and by
// the policy's witnesses. The policy's own log lines are not looked at: pass LogKeys() for them.
// A quorum that is not met is no error. kInvalidArgument: a malformed note or checkpoint, or it is
// of another log than the key's that signed it. kUnauthenticated: no key of `log_keys` signed it.
// kDataLoss: a known key's signature does not verify.
absl::StatusOr<CosignedCheckpoint> OpenCosigned(std::string_view note,
                                                std::span<const VerifierKey> log_keys,
                                                const Policy& policy);

}  // namespace graven::note
