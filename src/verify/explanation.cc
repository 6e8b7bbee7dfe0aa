#include "verify/explanation.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "base/encoding.h"
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
constexpr std::string_view kTableHead = "index,received_at,occurred_at,outcome,";
constexpr std::string_view kPrivateKeyHead = "PRIVATE+KEY+";
constexpr size_t kTileBytesMax = 8192;  // 256 hashes

std::string Because(const absl::Status& status) { return std::string(status.message()); }

Explanation Damaged(FileKind kind, std::string_view what, const absl::Status& why) {
  return {kind, Holds::kNo, fmt::format("{} that does not hold: {}.", what, Because(why))};
}

Explanation Known(FileKind kind, std::string sentence) {
  return {kind, Holds::kNotChecked, std::move(sentence)};
}

std::string KeyWords(const note::VerifierKey& key) {
  return fmt::format("{}+{:08x}", key.name(), key.key_id());
}

void AddTree(const note::Checkpoint& checkpoint, const note::VerifierKey* key, Explanation* found) {
  found->facts.emplace_back("log", checkpoint.origin);
  found->facts.emplace_back("tree", fmt::format("{} records, root {}", checkpoint.size.value,
                                                HexEncode(checkpoint.root)));
  found->facts.emplace_back("log's key", key == nullptr ? "not given" : key->Format());
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
  const note::VerifierKey* key = KeyOf(keys, checkpoint.origin);
  AddTree(checkpoint, key, &found);
  if (key == nullptr) {
    found.sentence = what + "; who signed it was not checked, for want of that log's key.";
  } else if (const auto opened = note::OpenCosigned(text, keys, policy); !opened.ok()) {
    return Damaged(FileKind::kCheckpoint, "A checkpoint", opened.status());
  } else {
    const bool short_of_quorum = policy.wants_witnesses() && !opened->meets_quorum;
    found.holds = short_of_quorum ? Holds::kNo : Holds::kYes;
    found.sentence = what + fmt::format(", signed with its key (id {:08x})", key->key_id()) +
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
  const note::VerifierKey* key = KeyOf(keys, checkpoint.origin);
  Explanation found{FileKind::kReceipt};
  found.facts = {
      {"record", fmt::format("{}, hash {}", opened->index.value, HexEncode(opened->record_hash))}};
  AddTree(checkpoint, key, &found);
  if (key == nullptr) {
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
        "file, with its key (id {:08x}){}.",
        checkpoint.origin, checkpoint.size.value, opened->index.value, key->key_id(),
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
  return {FileKind::kEvidence,
          shown ? Holds::kYes : Holds::kNo,
          fmt::format("Evidence against the log {}: {}, because {}, by {}.", judged.origin,
                      VerdictName(judged.verdict), judged.because,
                      key == nullptr
                          ? std::string("the key that the file names itself")
                          : fmt::format("the log's key that was given (id {:08x})", key->key_id())),
          {{"key", evidence->vkey},
           {"signed trees in it", fmt::format("{}", evidence->notes.size())},
           {"said by who wrote it", evidence->said}}};
}

// What is wrong with the signature of a statement; "" when nothing is known to be.
std::string SignerProblem(std::string_view file, const std::optional<AnswerKey>& key) {
  if (!key) return "";
  const absl::Status checked = note::OpenNote(file, std::span(&key->key, 1)).status();
  if (checked.ok()) return "";
  return fmt::format("{} {}, the key {}, so that it is nobody's word",
                     absl::IsUnauthenticated(checked)
                         ? "it is not signed by"
                         : "it was changed after it was signed, or forged: the signature in it is "
                           "not that of",
                     KeyWords(key->key), key->origin);
}

std::string SignerWords(const std::optional<AnswerKey>& key) {
  if (!key) return "who signed it was not checked, so it is nobody's word yet";
  return fmt::format(
      "the word of {}, the key {}, until graven verify --answer has searched all records again",
      KeyWords(key->key), key->origin);
}

Explanation ExplainAnswer(std::string_view file, std::span<const note::VerifierKey> keys,
                          const std::optional<AnswerKey>& answer_key) {
  static constexpr std::string_view kWhat = "A statement about a search";
  const auto bad = [](const absl::Status& why) { return Damaged(FileKind::kAnswer, kWhat, why); };
  const auto parsed = note::ParseNote(file);
  if (!parsed.ok()) return bad(parsed.status());
  const auto answer = note::ParseAnswer(parsed->text);
  if (!answer.ok()) return bad(answer.status());
  // First of all: what nobody signed needs no log to be asked about it.
  if (const std::string problem = SignerProblem(file, answer_key); !problem.empty()) {
    return bad(absl::InvalidArgumentError(problem));
  }
  const note::VerifierKey* key = KeyOf(keys, answer->origin);
  const auto checkpoint = key == nullptr ? Unopened(answer->checkpoint)
                                         : note::OpenCheckpoint(answer->checkpoint, *key);
  if (!checkpoint.ok()) return bad(checkpoint.status());
  if (checkpoint->origin != answer->origin || checkpoint->size != answer->size ||
      checkpoint->root != answer->root) {
    return bad(absl::InvalidArgumentError("its checkpoint is about another tree"));
  }
  Explanation found{FileKind::kAnswer};
  found.sentence = fmt::format(
      "{}: {} of records {} to {} of the log {} match {}, in a tree of {} records{}; {}.", kWhat,
      answer->count, answer->low, answer->high, answer->origin, answer->query, answer->size.value,
      key == nullptr ? std::string(", which nobody checked for want of that log's key")
                     : fmt::format(" that the log's key signed (id {:08x})", key->key_id()),
      SignerWords(answer_key));
  found.facts = {
      {"query", answer->query},
      {"matches", fmt::format("{}, hash {}", answer->count, HexEncode(answer->matches_root))},
      {"searched", fmt::format("records {} to {}", answer->low, answer->high)}};
  AddTree(*checkpoint, key, &found);
  found.facts.emplace_back("statement's key",
                           answer_key
                               ? fmt::format("{}, {}", answer_key->key.Format(), answer_key->origin)
                               : "not given: the signature was not checked");
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

// C2SP tlog-tiles: each entry behind its length in two bytes, big-endian. The whole of it.
bool IsEntryBundle(std::string_view file) {
  uint64_t entries = 0;
  for (; !file.empty() && entries < 256; ++entries) {
    if (file.size() < 2) return false;
    const size_t length =
        static_cast<size_t>(static_cast<uint8_t>(file[0])) << 8 | static_cast<uint8_t>(file[1]);
    if (length > file.size() - 2 || !record::Decode(file.substr(2, length)).ok()) return false;
    file.remove_prefix(2 + length);
  }
  return entries > 0 && file.empty();
}

// DER: a SEQUENCE that soon names id-ct-TSTInfo.
bool IsTimeStamp(std::string_view file) {
  constexpr std::string_view kTstInfo("\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x04", 13);
  return file.starts_with('\x30') && file.substr(0, 256).find(kTstInfo) != file.npos;
}

// What has no form of its own to go by: any 32 bytes may be a hash.
std::optional<Explanation> ExplainBytes(std::string_view file) {
  if (IsTimeStamp(file)) {
    return Known(FileKind::kTimeStamp,
                 "A time stamp (RFC 3161): it says of a hash, not of a log, that it existed, and "
                 "is checked where it stands in a receipt, by graven receipt verify --tsa-ca.");
  }
  if (IsEntryBundle(file)) {
    return Known(FileKind::kTile,
                 "A tile with the records of a log (C2SP tlog-tiles): by itself it proves nothing; "
                 "a folder of them is checked against the checkpoint beside them.");
  }
  const bool text = std::ranges::all_of(
      file, [](char c) { return c == '\n' || c == '\r' || c == '\t' || (c >= ' ' && c <= '~'); });
  if (!text && !file.empty() && file.size() % Hash::kSize == 0 && file.size() <= kTileBytesMax) {
    return Known(FileKind::kTile,
                 fmt::format("Perhaps a tile of {} hashes (C2SP tlog-tiles), which only its place "
                             "in a tree would tell: by itself it proves nothing.",
                             file.size() / Hash::kSize));
  }
  return std::nullopt;
}

Explanation ExplainKey(const note::VerifierKey& key, std::span<const note::VerifierKey> keys) {
  const bool known = std::ranges::find(keys, key) != keys.end();
  return {FileKind::kVerifierKey,
          known ? Holds::kYes : Holds::kNotChecked,
          fmt::format("The public key of {} (id {:08x}){}.", key.name(), key.key_id(),
                      known ? ", the same as the one that you gave"
                            : ": whether it is theirs, no file can say"),
          {{"key", key.Format()}}};
}

std::string_view WithoutLineEnd(std::string_view text) {
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

}  // namespace

Explanation Explain(std::string_view head, std::span<const note::VerifierKey> keys,
                    const note::Policy& policy, const std::optional<AnswerKey>& answer_key) {
  if (head.starts_with(kReceiptHead)) return ExplainReceipt(head, keys, policy);
  if (head.starts_with(kEvidenceHead)) return ExplainEvidence(head, keys);
  if (head.starts_with(kAnswerHead)) return ExplainAnswer(head, keys, answer_key);
  if (head.starts_with("{\"index\"")) {
    return Known(FileKind::kExportLines, "An export of records, as JSON Lines.");
  }
  if (head.starts_with(kTableHead)) {
    return Known(FileKind::kTable,
                 "A table of records, as CSV, that somebody saved from the page: the bytes of the "
                 "records are not in it, so nothing in it can be checked; the page's JSON Lines "
                 "can.");
  }
  if (head.starts_with(kPrivateKeyHead)) {
    return Known(FileKind::kPrivateKey,
                 "A private key: whoever has this file signs in its name, so show it to nobody; "
                 "the public half is what is compared.");
  }
  if (BeginsWithRecord(head)) {
    return Known(FileKind::kExportRecords, "An export of records, as their bytes.");
  }
  if (auto checkpoint = Unopened(head); checkpoint.ok()) {
    return ExplainCheckpoint(head, *std::move(checkpoint), keys, policy);
  }
  if (const auto key = note::VerifierKey::Parse(WithoutLineEnd(head)); key.ok()) {
    return ExplainKey(*key, keys);
  }
  if (const auto parsed = note::Policy::Parse(head); parsed.ok()) {
    return Known(FileKind::kPolicy,
                 fmt::format("A policy: it believes {} logs and {} witnesses, and wants {}.",
                             parsed->logs().size(), parsed->witnesses().size(),
                             parsed->wants_witnesses() ? "a quorum of them" : "no witnesses"));
  }
  if (auto found = ExplainBytes(head)) return *std::move(found);
  return {FileKind::kUnknown, Holds::kNo,
          "Nothing that Graven makes, or too damaged to tell what it was."};
}

std::string WithClause(std::string_view sentence, std::string_view clause) {
  if (clause.empty()) return std::string(sentence);
  if (sentence.ends_with('.')) sentence.remove_suffix(1);
  return fmt::format("{}; {}.", sentence, clause);
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
    case FileKind::kTable:
      return "TABLE";
    case FileKind::kPrivateKey:
      return "PRIVATE_KEY";
    case FileKind::kTile:
      return "TILE";
    case FileKind::kTimeStamp:
      return "TIME_STAMP";
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
