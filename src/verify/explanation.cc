#include "verify/explanation.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "note/answer.h"
#include "note/note.h"
#include "record/record.h"
#include "verify/evidence.h"
#include "verify/receipt.h"

namespace graven::verify {
namespace {

constexpr std::string_view kReceiptHead = "c2sp.org/tlog-proof@";
constexpr std::string_view kEvidenceHead = "graven.dev/evidence@";
constexpr std::string_view kAnswerHead = "graven answer v";

std::string Because(const absl::Status& status) { return std::string(status.message()); }

Explanation Damaged(FileKind kind, std::string_view what, const absl::Status& why) {
  return {kind, Holds::kNo, fmt::format("{} that does not hold: {}.", what, Because(why))};
}

// The only one whose signature on a checkpoint of this origin counts.
const note::VerifierKey* KeyOf(std::span<const note::VerifierKey> keys, std::string_view origin) {
  const auto key = std::ranges::find(keys, origin, &note::VerifierKey::name);
  return key == keys.end() ? nullptr : &*key;
}

absl::StatusOr<note::Checkpoint> Unopened(std::string_view text) {
  const auto parsed = note::ParseNote(text);
  if (!parsed.ok()) return parsed.status();
  return note::ParseCheckpoint(parsed->text);
}

std::string QuorumWords(const note::Policy& policy, size_t cosigners, bool met) {
  if (!policy.wants_witnesses()) return "";
  return fmt::format(", cosigned by {} of the policy's {} witnesses, which is {} quorum", cosigners,
                     policy.witnesses().size(), met ? "a" : "no");
}

Explanation ExplainCheckpoint(std::string_view text, note::Checkpoint checkpoint,
                              std::span<const note::VerifierKey> keys, const note::Policy& policy) {
  Explanation found{FileKind::kCheckpoint};
  const std::string what = fmt::format("A checkpoint: the log {} had {} records", checkpoint.origin,
                                       checkpoint.size.value);
  if (KeyOf(keys, checkpoint.origin) == nullptr) {
    found.sentence = what + "; who signed it was not checked, for want of that log's key.";
  } else if (const auto opened = note::OpenCosigned(text, keys, policy); !opened.ok()) {
    return Damaged(FileKind::kCheckpoint, "A checkpoint", opened.status());
  } else {
    const bool short_of_quorum = policy.wants_witnesses() && !opened->meets_quorum;
    found.holds = short_of_quorum ? Holds::kNo : Holds::kYes;
    found.sentence = what + ", signed with its key" +
                     QuorumWords(policy, opened->cosigners.size(), opened->meets_quorum) + ".";
  }
  found.checkpoint = std::move(checkpoint);
  return found;
}

Explanation ExplainReceipt(std::string_view file, std::span<const note::VerifierKey> keys,
                           const note::Policy& policy) {
  // Also without a key: a log that contains the tree says nothing about a record that is not in it.
  auto opened = OpenReceipt(file);
  if (!opened.ok()) return Damaged(FileKind::kReceipt, "A receipt", opened.status());
  const note::Checkpoint& checkpoint = opened->checkpoint;
  Explanation found{FileKind::kReceipt};
  if (KeyOf(keys, checkpoint.origin) == nullptr) {
    found.sentence = fmt::format(
        "A receipt of record {} of the log {}, in a tree of {} records; who signed that was not "
        "checked, for want of that log's key.",
        opened->index.value, checkpoint.origin, checkpoint.size.value);
  } else if (auto verdict = CheckReceipt(file, keys, policy); !verdict.ok()) {
    return Damaged(FileKind::kReceipt, "A receipt", verdict.status());
  } else {
    const bool cosigned = verdict->level == ReceiptLevel::kCosigned;
    found.holds = policy.wants_witnesses() && !cosigned ? Holds::kNo : Holds::kYes;
    found.sentence = fmt::format(
        "A receipt: the log {} signed a tree of {} records in which record {} is the one in this "
        "file{}.",
        checkpoint.origin, checkpoint.size.value, opened->index.value,
        QuorumWords(policy, verdict->cosigners.size(), cosigned));
  }
  found.index = opened->index;
  found.record_hash = opened->record_hash;
  found.checkpoint = std::move(opened->checkpoint);
  return found;
}

Explanation ExplainEvidence(std::string_view file, std::span<const note::VerifierKey> keys) {
  const auto evidence = ParseEvidence(file);
  if (!evidence.ok()) return Damaged(FileKind::kEvidence, "Evidence", evidence.status());
  const auto named = note::VerifierKey::Parse(evidence->vkey);
  const note::VerifierKey* key = named.ok() ? KeyOf(keys, named->name()) : nullptr;
  const JudgedEvidence judged = JudgeEvidence(
      *evidence, key == nullptr ? std::nullopt : std::optional<note::VerifierKey>(*key));
  const bool shown = judged.verdict != EvidenceVerdict::kNothing;
  return {FileKind::kEvidence, shown ? Holds::kYes : Holds::kNo,
          fmt::format("Evidence against the log {}: {}, because {}{}.", judged.origin,
                      VerdictName(judged.verdict), judged.because,
                      key == nullptr ? ", by the key that the file names itself" : "")};
}

Explanation ExplainAnswer(std::string_view file, std::span<const note::VerifierKey> keys) {
  constexpr std::string_view kWhat = "A statement about a search";
  const auto parsed = note::ParseNote(file);
  if (!parsed.ok()) return Damaged(FileKind::kAnswer, kWhat, parsed.status());
  const auto answer = note::ParseAnswer(parsed->text);
  if (!answer.ok()) return Damaged(FileKind::kAnswer, kWhat, answer.status());
  const note::VerifierKey* key = KeyOf(keys, answer->origin);
  const auto checkpoint = key == nullptr ? Unopened(answer->checkpoint)
                                         : note::OpenCheckpoint(answer->checkpoint, *key);
  if (!checkpoint.ok()) return Damaged(FileKind::kAnswer, kWhat, checkpoint.status());
  if (checkpoint->origin != answer->origin || checkpoint->size != answer->size ||
      checkpoint->root != answer->root) {
    return Damaged(FileKind::kAnswer, kWhat,
                   absl::InvalidArgumentError("its checkpoint is about another tree"));
  }
  Explanation found{FileKind::kAnswer};
  found.sentence = fmt::format(
      "{}: {} of records {} to {} of the log {} match {}, in a tree of {} records{}; that is the "
      "word of who signed it, until graven verify --answer has searched them all again.",
      kWhat, answer->count, answer->low, answer->high, answer->origin, answer->query,
      answer->size.value,
      key == nullptr ? ", which nobody checked for want of that log's key"
                     : " that the log's key signed");
  found.checkpoint = *checkpoint;
  return found;
}

// The first record of a raw export.
bool BeginsWithRecord(std::string_view head) {
  uint64_t length = 0;
  size_t at = 0;
  for (int shift = 0; at < head.size() && shift < 35; shift += 7) {
    const auto byte = static_cast<uint8_t>(head[at++]);
    length |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) break;
  }
  return length > 0 && length <= head.size() - at && record::Decode(head.substr(at, length)).ok();
}

Explanation ExplainKey(const note::VerifierKey& key, std::span<const note::VerifierKey> keys) {
  const bool known = std::ranges::find(keys, key) != keys.end();
  return {FileKind::kVerifierKey, known ? Holds::kYes : Holds::kNotChecked,
          fmt::format("The public key of {}{}.", key.name(),
                      known ? ", the same as the one that you gave"
                            : ": whether it is theirs, no file can say")};
}

std::string_view WithoutLineEnd(std::string_view text) {
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

}  // namespace

Explanation Explain(std::string_view head, std::span<const note::VerifierKey> keys,
                    const note::Policy& policy) {
  if (head.starts_with(kReceiptHead)) return ExplainReceipt(head, keys, policy);
  if (head.starts_with(kEvidenceHead)) return ExplainEvidence(head, keys);
  if (head.starts_with(kAnswerHead)) return ExplainAnswer(head, keys);
  if (head.starts_with("{\"index\"")) {
    return {FileKind::kExportLines, Holds::kNotChecked, "An export of records, as JSON Lines."};
  }
  if (BeginsWithRecord(head)) {
    return {FileKind::kExportRecords, Holds::kNotChecked, "An export of records, as their bytes."};
  }
  if (auto checkpoint = Unopened(head); checkpoint.ok()) {
    return ExplainCheckpoint(head, *std::move(checkpoint), keys, policy);
  }
  if (const auto key = note::VerifierKey::Parse(WithoutLineEnd(head)); key.ok()) {
    return ExplainKey(*key, keys);
  }
  if (const auto parsed = note::Policy::Parse(head); parsed.ok()) {
    return {FileKind::kPolicy, Holds::kNotChecked,
            fmt::format("A policy: it believes {} logs and {} witnesses, and wants {}.",
                        parsed->logs().size(), parsed->witnesses().size(),
                        parsed->wants_witnesses() ? "a quorum of them" : "no witnesses")};
  }
  return {FileKind::kUnknown, Holds::kNo,
          "Nothing that Graven makes, or too damaged to tell what it was."};
}

std::string_view KindName(FileKind kind) {
  switch (kind) {
    case FileKind::kUnknown:
      return "UNKNOWN";
    case FileKind::kReceipt:
      return "RECEIPT";
    case FileKind::kCheckpoint:
      return "CHECKPOINT";
    case FileKind::kEvidence:
      return "EVIDENCE";
    case FileKind::kAnswer:
      return "ANSWER";
    case FileKind::kVerifierKey:
      return "VERIFIER_KEY";
    case FileKind::kPolicy:
      return "POLICY";
    case FileKind::kExportLines:
    case FileKind::kExportRecords:
      return "EXPORT";
  }
  return "UNKNOWN";
}

std::string_view HoldsName(Holds holds) {
  switch (holds) {
    case Holds::kYes:
      return "YES";
    case Holds::kNo:
      return "NO";
    case Holds::kNotChecked:
      return "NOT_CHECKED";
  }
  return "NOT_CHECKED";
}

}  // namespace graven::verify
