#include "verify/evidence.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "base/absl_views.h"
#include "base/encoding.h"
#include "base/status_macros.h"
#include "base/status_text.h"
#include "base/text_safety.h"
#include "fmt/format.h"
#include "merkle/leaf.h"
#include "merkle/proof.h"
#include "note/checkpoint.h"
#include "note/note.h"
#include "record/record.h"

namespace graven::verify {
namespace {

constexpr std::string_view kFirstLine = "graven.dev/evidence@v1";
constexpr size_t kSaidBytesMax = 1000;
constexpr std::pair<Claim, std::string_view> kClaims[] = {{Claim::kFork, "fork"},
                                                          {Claim::kRecord, "record"},
                                                          {Claim::kCheckpoint, "checkpoint"},
                                                          {Claim::kWithheld, "withheld"}};

bool IsLine(std::string_view text) {
  return text.find('\n') == text.npos && note::CheckNoteText(fmt::format("{}\n", text)).ok();
}

// Takes a file line by line: "<word> <value>".
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}

  absl::Status Bad(std::string_view what) const {
    return absl::InvalidArgumentError(fmt::format("evidence: line {}: {}", number_ + 1, what));
  }

  bool AtEnd() const { return rest_.empty(); }

  // Whether the next line begins with `word`; then its value, and the line is done.
  bool Take(std::string_view word, std::string_view* value) {
    const size_t end = rest_.find('\n');
    if (end == rest_.npos) return false;
    const std::string_view line = rest_.substr(0, end);
    if (!line.starts_with(word) || line.size() <= word.size() || line[word.size()] != ' ')
      return false;
    *value = line.substr(word.size() + 1);
    rest_.remove_prefix(end + 1);
    ++number_;
    return true;
  }

  bool TakeWhole(std::string_view line) {
    if (!rest_.starts_with(line) || !rest_.substr(line.size()).starts_with('\n')) return false;
    rest_.remove_prefix(line.size() + 1);
    ++number_;
    return true;
  }

 private:
  std::string_view rest_;
  size_t number_ = 0;
};

absl::StatusOr<Hash> TakeHash(const Lines& lines, std::string_view text) {
  const auto bytes = Base64Decode(text);
  if (!bytes || bytes->size() != Hash::kSize) return lines.Bad("not the base64 of 32 bytes");
  return Hash::FromBytes(*bytes);
}

absl::Status TakeProof(Lines& lines, std::string_view index, Evidence& evidence) {
  if (evidence.proofs.size() == kEvidenceProofsMax) return lines.Bad("a third proof");
  EvidenceProof proof;
  const auto number = ParseDecimal(index);
  if (!number || *number >= kLogIndexLimit) return lines.Bad("not an index");
  proof.index = LogIndex(*number);
  std::string_view value;
  if (!lines.Take("leaf", &value)) return lines.Bad("a proof without a leaf");
  ASSIGN_OR_RETURN(proof.leaf, TakeHash(lines, value));
  while (lines.Take("node", &value)) {
    if (proof.path.size() == merkle::kProofHashesMax) return lines.Bad("too many nodes");
    ASSIGN_OR_RETURN(const Hash node, TakeHash(lines, value));
    proof.path.push_back(node);
  }
  if (lines.Take("record", &value)) {
    auto record = Base64Decode(value);
    if (!record || record->empty()) return lines.Bad("not the base64 of a record");
    proof.record = *std::move(record);
  }
  evidence.proofs.push_back(std::move(proof));
  return absl::OkStatus();
}

absl::Status TakeHead(Lines& lines, Evidence& evidence) {
  if (!lines.TakeWhole(kFirstLine)) return lines.Bad(fmt::format("not \"{}\"", kFirstLine));
  std::string_view value;
  if (!lines.Take("claim", &value)) return lines.Bad("no claim");
  const auto* claim = std::find_if(std::begin(kClaims), std::end(kClaims),
                                   [&](const auto& entry) { return entry.second == value; });
  if (claim == std::end(kClaims)) return lines.Bad("an unknown claim");
  evidence.claim = claim->first;
  if (!lines.Take("found", &value)) return lines.Bad("no time");
  const auto time = ParseDecimal(value);
  if (!time) return lines.Bad("not a time");
  evidence.found_s = *time;
  if (!lines.Take("said", &value)) return lines.Bad("no words");
  if (value.size() > kSaidBytesMax || !IsLine(value)) return lines.Bad("not a line of text");
  evidence.said = value;
  if (!lines.Take("key", &value)) return lines.Bad("no key");
  if (!note::VerifierKey::Parse(value).ok()) return lines.Bad("not a key that is known here");
  evidence.vkey = value;
  return absl::OkStatus();
}

using Judged = JudgedEvidence;

Judged Nothing(Judged judged, std::string because) {
  judged.verdict = EvidenceVerdict::kNothing;
  judged.because = std::move(because);
  return judged;
}

Judged Shown(Judged judged, EvidenceVerdict verdict, bool signed_by_log, std::string because) {
  judged.verdict = verdict;
  judged.signed_by_log = signed_by_log;
  judged.because = std::move(because);
  return judged;
}

bool LeadsTo(const EvidenceProof& proof, const note::Checkpoint& tree) {
  return merkle::CheckInclusion(proof.index, tree.size, proof.leaf, proof.path, tree.root).ok();
}

Judged JudgeFork(Judged judged, const Evidence& evidence,
                 const std::vector<note::Checkpoint>& trees) {
  if (trees.size() != 2) return Nothing(judged, "a fork takes two signed checkpoints");
  const note::Checkpoint& old = trees[0];
  const note::Checkpoint& now = trees[1];
  if (old.size == now.size) {
    if (old.root == now.root) return Nothing(judged, "both checkpoints are of the same tree");
    return Shown(
        judged, EvidenceVerdict::kForkProven, true,
        fmt::format("the log signed two trees of {} records with different roots", old.size.value));
  }
  if (old.size > now.size) return Nothing(judged, "the larger tree stands first");
  if (old.size.value == 0) return Nothing(judged, "every tree extends the empty one");
  if (evidence.proofs.size() != 1) return Nothing(judged, "there is no path to compare by");
  const EvidenceProof& proof = evidence.proofs[0];
  if (SizeThrough(proof.index) != old.size)
    return Nothing(judged, "the path is not that of the smaller tree's last record");
  if (!LeadsTo(proof, now)) return Nothing(judged, "the path does not lead to the signed root");
  const auto root = RootThrough(proof.index, now.size, proof.leaf, proof.path);
  if (!root.ok()) return Nothing(judged, MessageOf(root.status()));
  if (*root == old.root) return Nothing(judged, "the larger tree extends the smaller one");
  return Shown(judged, EvidenceVerdict::kForkProven, true,
               fmt::format("the log signed a tree of {} records, and then one of {} that does not "
                           "extend it: its first {} records have another root",
                           old.size.value, now.size.value, old.size.value));
}

// What is wrong with a record that was signed; "" when nothing is. `before`: the one before, whose
// path leads to the root too, if there is one.
std::string BrokenRule(const EvidenceProof& proof, const EvidenceProof* before,
                       const note::VerifierKey& key) {
  const auto header = record::Decode(proof.record);
  if (!header.ok()) return MessageOf(header.status());
  if (header->index != proof.index)
    return fmt::format("it says that it is record {}", header->index.value);
  if (proof.index.value == 0)
    return header->previous_hash == record::GenesisHash(key.name())
               ? ""
               : "its previous_hash is not the genesis value of this log";
  if (before == nullptr || SizeThrough(before->index).value != proof.index.value) return "";
  if (header->previous_hash != before->leaf)
    return "its previous_hash is not the hash of the record before";
  if (before->record.empty() || merkle::HashLeaf(before->record) != before->leaf) return "";
  const auto earlier = record::Decode(before->record);
  if (earlier.ok() && header->received_at_ns <= earlier->received_at_ns)
    return "its time of receipt is not after that of the record before";
  return "";
}

Judged JudgeRecord(Judged judged, const Evidence& evidence, const note::Checkpoint& tree,
                   const note::VerifierKey& key) {
  if (evidence.proofs.empty() || evidence.proofs[0].record.empty())
    return Nothing(judged, "there is no record");
  const EvidenceProof& proof = evidence.proofs[0];
  const uint64_t index = proof.index.value;
  if (!Contains(tree.size, proof.index))
    return Nothing(judged, "the record is not one of the signed tree");
  if (!LeadsTo(proof, tree))
    return Shown(judged, EvidenceVerdict::kWrongAnswer, false,
                 fmt::format("the path that was answered for record {} does not lead to the "
                             "signed root of {} records",
                             index, tree.size.value));
  if (merkle::HashLeaf(proof.record) != proof.leaf)
    return Shown(judged, EvidenceVerdict::kWrongAnswer, false,
                 fmt::format("what was answered as record {} is not the record that the signed "
                             "tree of {} holds there",
                             index, tree.size.value));
  const bool has_before = evidence.proofs.size() == 2 && LeadsTo(evidence.proofs[1], tree);
  const std::string broken = BrokenRule(proof, has_before ? &evidence.proofs[1] : nullptr, key);
  if (broken.empty()) return Nothing(judged, "the record is the signed one, and in order");
  return Shown(judged, EvidenceVerdict::kWrongAnswer, true,
               fmt::format("record {} was signed, and breaks the chain: {}", index, broken));
}

}  // namespace

std::string_view VerdictName(EvidenceVerdict verdict) {
  switch (verdict) {
    case EvidenceVerdict::kForkProven:
      return "FORK_PROVEN";
    case EvidenceVerdict::kWrongAnswer:
      return "WRONG_ANSWER";
    case EvidenceVerdict::kWithheld:
      return "WITHHELD";
    case EvidenceVerdict::kNothing:
      break;
  }
  return "NOTHING";
}

std::string FormatEvidence(const Evidence& evidence) {
  std::string_view claim;
  for (const auto& [value, name] : kClaims)
    if (value == evidence.claim) claim = name;
  std::string said = evidence.said;
  if (!IsLine(said)) said = SafeText(said);
  if (said.size() > kSaidBytesMax) said = SafeText(said, kSaidBytesMax / 4);
  std::string text = fmt::format("{}\nclaim {}\nfound {}\nsaid {}\nkey {}\n", kFirstLine, claim,
                                 evidence.found_s, said, evidence.vkey);
  for (const std::string& note : evidence.notes)
    text += fmt::format("note {}\n", Base64Encode(note));
  for (const EvidenceProof& proof : evidence.proofs) {
    text += fmt::format("proof {}\nleaf {}\n", proof.index.value, Base64Encode(proof.leaf));
    for (const Hash& node : proof.path) text += fmt::format("node {}\n", Base64Encode(node));
    if (!proof.record.empty()) text += fmt::format("record {}\n", Base64Encode(proof.record));
  }
  return text;
}

absl::StatusOr<Evidence> ParseEvidence(std::string_view text) {
  if (text.size() > kEvidenceBytesMax)
    return absl::InvalidArgumentError(
        fmt::format("evidence: larger than {} bytes", kEvidenceBytesMax));
  Lines lines(text);
  Evidence evidence;
  RETURN_IF_ERROR(TakeHead(lines, evidence));
  std::string_view value;
  while (lines.Take("note", &value)) {
    if (evidence.notes.size() == 2) return lines.Bad("a third note");
    auto note = Base64Decode(value);
    if (!note || note->size() > note::kNoteBytesMax) return lines.Bad("not the base64 of a note");
    evidence.notes.push_back(*std::move(note));
  }
  if (evidence.notes.empty()) return lines.Bad("no note");
  while (lines.Take("proof", &value)) RETURN_IF_ERROR(TakeProof(lines, value, evidence));
  if (!lines.AtEnd()) return lines.Bad("not a line of evidence");
  return evidence;
}

absl::StatusOr<Hash> RootThrough(LogIndex index, TreeSize size, const Hash& leaf,
                                 const std::vector<Hash>& path) {
  const std::vector<merkle::LeafRange> ranges = merkle::InclusionRanges(index, size);
  if (ranges.size() != path.size())
    return absl::InvalidArgumentError("the path has another length than such a path");
  std::vector<Hash> left;
  for (size_t i = 0; i < ranges.size(); ++i)
    if (ranges[i].end <= index.value) left.push_back(path[i]);
  return merkle::RootFromInclusion(index, SizeThrough(index), leaf, left);
}

JudgedEvidence JudgeEvidence(const Evidence& evidence,
                             const std::optional<note::VerifierKey>& pinned) {
  Judged judged;
  judged.trust = pinned ? Trust::kKeyPinned : Trust::kSelfConsistent;
  const auto own = note::VerifierKey::Parse(evidence.vkey);
  if (!pinned && !own.ok()) return Nothing(judged, "the file names no key that is known here");
  const note::VerifierKey key = pinned ? *pinned : *own;
  judged.origin = key.name();
  std::vector<note::Checkpoint> trees;
  for (const std::string& note : evidence.notes) {
    auto tree = note::OpenCheckpoint(note, key);
    if (tree.ok()) {
      trees.push_back(*std::move(tree));
      continue;
    }
    if (evidence.claim != Claim::kCheckpoint)
      return Nothing(judged, fmt::format("a checkpoint in it is not signed by the key: {}",
                                         MessageOf(tree.status())));
    return Shown(judged, EvidenceVerdict::kWrongAnswer, false,
                 fmt::format("what was answered as the log's checkpoint is not one: {}",
                             MessageOf(tree.status())));
  }
  switch (evidence.claim) {
    case Claim::kFork:
      return JudgeFork(judged, evidence, trees);
    case Claim::kRecord:
      return JudgeRecord(judged, evidence, trees.back(), key);
    case Claim::kWithheld:
      return Shown(judged, EvidenceVerdict::kWithheld, false,
                   fmt::format("the log signed a tree of {} records", trees.back().size.value));
    case Claim::kCheckpoint:
      break;
  }
  return Nothing(judged, "the checkpoint is signed by the key");
}

}  // namespace graven::verify
