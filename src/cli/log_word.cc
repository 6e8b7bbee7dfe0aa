#include "cli/log_word.h"

#include <algorithm>
#include <vector>

#include "base/encoding.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "merkle/leaf.h"
#include "merkle/proof.h"
#include "note/note.h"
#include "verify/evidence.h"
#include "verify/explanation.h"

namespace graven::cli {
namespace {

constexpr std::string_view kContradicted =
    "or proves it wrongly: keep this file, and run graven monitor.";

constexpr std::string_view kContained = "the log still contains it";
constexpr std::string_view kNotContained = "the log does not contain it any more";
constexpr std::string_view kFewer = "the log that was asked shows fewer records now";
constexpr std::string_view kAnother = "the log that was asked is another one";

// Of a root, where trees are told apart by it.
constexpr size_t kRootDigits = 16;

// The log as it stands.
struct Now {
  note::Checkpoint checkpoint;
  bool is_signed = false;  // by a key that was given

  std::string Words() const {
    return fmt::format("The log, of {} records now by {},", checkpoint.size.value,
                       is_signed ? "a checkpoint that its key signed"
                                 : "a checkpoint whose signature nobody checked");
  }
};

// A hash of another length makes the proof one hash short, and so no proof.
template <typename Answer>
std::vector<Hash> HashesOf(const Answer& answer) {
  std::vector<Hash> hashes;
  for (const std::string& hash : answer.hashes()) {
    if (hash.size() == Hash::kSize) hashes.push_back(Hash::FromBytes(hash));
  }
  return hashes;
}

// The newest there is, also where the witnesses have not seen it yet: what was handed out under it
// is not gone because they are slow.
absl::StatusOr<Now> Newest(client::Client& client, std::span<const note::VerifierKey> keys) {
  ASSIGN_OR_RETURN(const v1::GetCheckpointResponse answer,
                   client.GetCheckpoint({}, v1::RECEIPT_LEVEL_PUBLISHED));
  const verify::Explanation found = verify::Explain(answer.checkpoint(), keys, {});
  if (found.kind == verify::FileKind::kCheckpoint && found.holds != verify::Holds::kNo) {
    return Now{*found.checkpoint, found.holds == verify::Holds::kYes};
  }
  return absl::DataLossError("the log's newest checkpoint does not hold: " + found.sentence);
}

std::string RolledBack(const Now& now) {
  return fmt::format(
      "The log shows {} records now: it was rolled back, or does not show all of them.",
      now.checkpoint.size.value);
}

absl::StatusOr<bool> IsPrefix(client::Client& client, TreeSize size, const Hash& root,
                              const note::Checkpoint& now) {
  if (size.value == 0) return root == merkle::EmptyRoot();
  ASSIGN_OR_RETURN(const v1::GetConsistencyProofResponse answer,
                   client.GetConsistencyProof(size, now.size));
  return merkle::CheckConsistency(size, now.size, HashesOf(answer), root, now.root).ok();
}

}  // namespace

absl::StatusOr<LogWord> AskAboutTree(client::Client& client, const note::Checkpoint& checkpoint,
                                     std::span<const note::VerifierKey> keys) {
  ASSIGN_OR_RETURN(const Now now, Newest(client, keys));
  if (now.checkpoint.origin != checkpoint.origin) {
    return LogWord{false,
                   fmt::format("The server's log is another one: {}.", now.checkpoint.origin),
                   kAnother};
  }
  if (now.checkpoint.size < checkpoint.size) return LogWord{false, RolledBack(now), kFewer};
  ASSIGN_OR_RETURN(const bool contained,
                   IsPrefix(client, checkpoint.size, checkpoint.root, now.checkpoint));
  if (contained) return LogWord{true, now.Words() + " still contains it.", kContained};
  return LogWord{false,
                 fmt::format("{} does not contain it any more, {}", now.Words(), kContradicted),
                 kNotContained};
}

absl::StatusOr<std::optional<LogWord>> AskAboutExport(client::Client& client,
                                                      const audit::ShownVerdict& verdict,
                                                      std::span<const note::VerifierKey> keys) {
  if (!verdict.status.ok() || verdict.records == 0 || !verdict.last_hash) return std::nullopt;
  ASSIGN_OR_RETURN(const Now now, Newest(client, keys));
  const TreeSize end(verdict.first + verdict.records);
  const LogIndex last(end.value - 1);
  if (now.checkpoint.size < end) return LogWord{false, RolledBack(now), kFewer};
  if (verdict.first == 0 && verdict.root) {
    ASSIGN_OR_RETURN(const bool contained, IsPrefix(client, end, *verdict.root, now.checkpoint));
    if (contained) {
      return LogWord{true,
                     fmt::format("{} still contains all of them: its tree begins with the "
                                 "tree of the {} records in this file.",
                                 now.Words(), verdict.records),
                     kContained};
    }
    return LogWord{
        false,
        fmt::format("{} does not contain all of them any more, {}", now.Words(), kContradicted),
        kNotContained};
  }
  ASSIGN_OR_RETURN(const v1::GetInclusionProofResponse answer,
                   client.GetInclusionProof(last, now.checkpoint.size));
  const absl::Status contained = merkle::CheckInclusion(
      last, now.checkpoint.size, *verdict.last_hash, HashesOf(answer), now.checkpoint.root);
  if (contained.ok()) {
    return LogWord{true,
                   fmt::format("{} still contains record {}, the last in this file, whose chain "
                               "of hashes names all the others in it, from record {} on.",
                               now.Words(), last.value, verdict.first),
                   kContained};
  }
  return LogWord{false,
                 fmt::format("{} does not contain record {}, the last in this file, any more, {}",
                             now.Words(), last.value, kContradicted),
                 kNotContained};
}

absl::StatusOr<std::optional<LogWord>> AskAboutEvidence(client::Client& client,
                                                        std::string_view file,
                                                        std::span<const note::VerifierKey> keys) {
  const auto evidence = verify::ParseEvidence(file);
  if (!evidence.ok()) return std::nullopt;
  std::vector<std::string> contained;
  std::vector<std::string> missing;
  std::vector<std::string> beyond;  // of more records than the log shows
  std::string rolled_back;
  for (const std::string& text : evidence->notes) {
    // An answer that was kept because it is no checkpoint names no tree.
    const auto parsed = note::ParseNote(text);
    const auto checkpoint = parsed.ok() ? note::ParseCheckpoint(parsed->text) : parsed.status();
    if (!checkpoint.ok()) continue;
    ASSIGN_OR_RETURN(LogWord word, AskAboutTree(client, *checkpoint, keys));
    if (word.clause == kAnother) return std::optional(std::move(word));
    if (word.clause == kFewer) rolled_back = " " + word.sentence;
    (word.holds              ? contained
     : word.clause == kFewer ? beyond
                             : missing)
        .push_back(fmt::format("the one of {} records with the root {}...", checkpoint->size.value,
                               HexEncode(checkpoint->root).substr(0, kRootDigits)));
  }
  if (contained.empty() && missing.empty() && beyond.empty()) return std::nullopt;
  const bool holds = missing.empty() && beyond.empty();
  const std::string_view clause = holds ? "the log still contains the signed trees in it"
                                  : missing.empty()
                                      ? kFewer
                                      : "the log does not contain all signed trees in it";
  missing.insert(missing.end(), beyond.begin(), beyond.end());
  const auto of = [](const std::vector<std::string>& trees) {
    return trees.empty() ? std::string("none") : fmt::format("{}", fmt::join(trees, " and "));
  };
  return LogWord{holds,
                 fmt::format("Of the signed trees in it the log still contains {}{}.{}",
                             of(contained), holds ? "" : ", and not " + of(missing), rolled_back),
                 clause};
}

absl::StatusOr<LogWord> AskAboutKey(client::Client& client, const note::VerifierKey& key) {
  ASSIGN_OR_RETURN(const v1::GetCheckpointResponse answer,
                   client.GetCheckpoint({}, v1::RECEIPT_LEVEL_PUBLISHED));
  const auto opened = note::OpenCheckpoint(answer.checkpoint(), key);
  if (!opened.ok()) {
    return LogWord{false,
                   fmt::format("The log's newest checkpoint is not signed with it: {}.",
                               std::string(opened.status().message())),
                   "the log that was asked does not sign with it", "log_uses_it"};
  }
  return LogWord{true,
                 fmt::format("The log's newest checkpoint, of {} records, is signed with it.",
                             opened->size.value),
                 "the log signs with it", "log_uses_it"};
}

absl::StatusOr<LogWord> AskAboutPolicy(client::Client& client, const note::Policy& policy) {
  ASSIGN_OR_RETURN(const v1::GetCheckpointResponse answer, client.GetCheckpoint());
  const std::vector<note::VerifierKey> keys = policy.LogKeys();
  const auto opened = note::OpenCosigned(answer.checkpoint(), keys, policy);
  if (!opened.ok()) {
    return LogWord{
        false,
        fmt::format("The log's newest checkpoint is signed by no log that it believes: {}.",
                    std::string(opened.status().message())),
        "the log that was asked is not one of them", "log_meets_it"};
  }
  const bool met = !policy.wants_witnesses() || opened->meets_quorum;
  return LogWord{
      met,
      fmt::format("It believes the log {}, whose newest checkpoint that is served, of {} "
                  "records, has {}.",
                  opened->checkpoint.origin, opened->checkpoint.size.value,
                  !policy.wants_witnesses() ? "the log's signature"
                  : met                     ? "the quorum of witnesses"
                                            : "no quorum of witnesses"),
      met ? "the log meets it" : "the log does not meet it", "log_meets_it"};
}

}  // namespace graven::cli
