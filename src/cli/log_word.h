#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "audit/verify_output.h"
#include "client/client.h"
#include "note/checkpoint.h"
#include "note/keys.h"
#include "note/policy.h"

// What a log, as it is now, says about a file that somebody was handed. Nothing is believed that
// can be recomputed here: the server's proofs are checked against its newest checkpoint, and that
// one's signature where `keys` has the log's.
//
// Errors of all: kDataLoss, the newest checkpoint does not hold; what the client's calls give.
namespace graven::cli {

struct LogWord {
  bool holds = false;
  std::string sentence;  // not escaped: origins are strangers' text
  // The same in a few words, for the end of another sentence.
  std::string_view clause;
  std::string_view name = "log_contains_it";  // what `holds` says
};

// Whether the tree that `checkpoint` names is a prefix of the log's now.
absl::StatusOr<LogWord> AskAboutTree(client::Client& client, const note::Checkpoint& checkpoint,
                                     std::span<const note::VerifierKey> keys);

// Whether the records of an export that holds are the log's: by the root over all of them where it
// begins with the first, else by the last one, which names all before it. Nothing: there is none.
absl::StatusOr<std::optional<LogWord>> AskAboutExport(client::Client& client,
                                                      const audit::ShownVerdict& verdict,
                                                      std::span<const note::VerifierKey> keys);

// Which of the trees in a file of evidence the log still contains. Nothing: it is none, or names no
// tree.
absl::StatusOr<std::optional<LogWord>> AskAboutEvidence(client::Client& client,
                                                        std::string_view file,
                                                        std::span<const note::VerifierKey> keys);

// Whether it is the key that signs the log.
absl::StatusOr<LogWord> AskAboutKey(client::Client& client, const note::VerifierKey& key);

// Whether the policy believes the log and its newest checkpoint has the quorum.
absl::StatusOr<LogWord> AskAboutPolicy(client::Client& client, const note::Policy& policy);

}  // namespace graven::cli
