#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/log_index.h"
#include "http/client.h"
#include "note/keys.h"
#include "witness/fed_logs.h"

// One log's talk with one witness: what is asked, and what is believed of the answer. Blocks; no
// thread of its own.
namespace graven::witness {

// The way to a witness; one call at a time, Cancel from any thread.
class WitnessDoor {
 public:
  virtual ~WitnessDoor() = default;
  virtual absl::StatusOr<http::FetchResponse> Fetch(const http::FetchRequest& request) = 0;
  // The call under way and all later ones fail.
  virtual void Cancel() = 0;
};

// Over HTTP, with limits on time and bytes: whatever the witness does, a call ends within 10 s and
// takes 128 KiB at most.
std::unique_ptr<WitnessDoor> MakeHttpDoor();

struct WitnessAddress {
  std::string name;  // of the policy, for people
  note::VerifierKey key;
  std::string url;  // submission prefix
};

enum class Verdict {
  kCosigned,   // `line` holds it
  kAhead,      // it knows a larger tree of ours than the one it was asked to cosign
  kRefused,    // by the book: it does not know the log, or not the key
  kSuspect,    // it says what cannot be right: set aside
  kUnreached,  // no answer, or one of an overloaded or broken server: again later
  kStopped,    // it showed what we signed and do not have: signing was stopped
};

// "cosigned", "ahead", ...
std::string_view VerdictName(Verdict verdict);

struct SubmissionResult {
  Verdict verdict = Verdict::kUnreached;
  std::string line;           // the signature line, verified
  std::string problem;        // in words, unless cosigned
  int64_t retry_after_s = 0;  // that it asked for; 0: nothing
};

// Asks for a cosignature on `target`. `known_size` is what the witness is believed to have cosigned
// last, and is brought up to date.
SubmissionResult Submit(WitnessDoor& door, const WitnessAddress& witness, FedLogs& logs,
                        uint32_t log, const SignedState& target, TreeSize* known_size);

enum class Shown {
  kNothing,  // an answer, and no finding
  kNoAnswer,
  kStopped,  // signing was stopped
};

// Looks at what the witness shows of the log. Stops the signing when that is a checkpoint with our
// own valid signature which is larger than our newest, or not of our tree.
Shown LookAtShown(WitnessDoor& door, const WitnessAddress& witness, FedLogs& logs, uint32_t log);

}  // namespace graven::witness
