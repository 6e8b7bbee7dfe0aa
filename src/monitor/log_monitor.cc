#include "monitor/log_monitor.h"

#include <algorithm>
#include <utility>

#include "base/absl_views.h"
#include "base/check.h"
#include "base/encoding.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "base/status_text.h"
#include "fmt/format.h"
#include "merkle/leaf.h"
#include "merkle/proof.h"
#include "note/note.h"
#include "record/record.h"

namespace graven::monitor {
namespace {

constexpr size_t kReportedMax = 10'000;
// Of the sequences that are followed, since all that is known of them is written again and again.
constexpr size_t kStreamsMax = 16'384;
constexpr size_t kStreamsPerWriterMax = 4096;

// Names the same finding alike whenever it is made: by trees, not by the bytes of notes, whose
// cosignatures change.
std::string NameOf(std::string_view claim, std::string_view about) {
  return fmt::format("{}-{}.evidence", claim, HexEncode(Sha256(about)).substr(0, 16));
}

std::string TreeText(const note::Checkpoint& tree) {
  return fmt::format("{} {}", tree.size.value, HexEncode(tree.root));
}

// Errors that say that the way to the log is broken, not what the log answered.
bool IsUnreachable(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kResourceExhausted:
      return true;
    default:
      return false;
  }
}

// As the memory has them. A memory of before they were followed begins amid them.
verify::ProducerSequences SequencesOf(const Knowledge& knowledge, int64_t heartbeat_deadline_ns) {
  const verify::ProducerRules rules{.from_beginning = knowledge.chain.frontier.size().value == 0,
                                    .heartbeat_deadline_ns = heartbeat_deadline_ns,
                                    .streams_max = kStreamsMax,
                                    .streams_per_writer_max = kStreamsPerWriterMax};
  if (knowledge.producers.empty()) return verify::ProducerSequences(rules);
  auto sequences = verify::ProducerSequences::Decode(knowledge.producers, rules);
  GRAVEN_CHECK(sequences.ok());  // the memory was opened with it
  return *std::move(sequences);
}

}  // namespace

LogMonitor::LogMonitor(MonitorOptions options, Memory& memory, LogSource& source, Clock& clock,
                       FindingFunction on_finding)
    : options_(std::move(options)),
      memory_(memory),
      source_(source),
      clock_(clock),
      on_finding_(std::move(on_finding)),
      producers_(SequencesOf(memory_.knowledge(), options_.heartbeat_deadline_ns)) {}

absl::Status LogMonitor::Round() {
  ++counters_.rounds;
  const auto note = source_.Checkpoint();
  if (!note.ok()) return Unanswered(note.status());
  const auto seen = Open(*note);
  if (!seen.ok()) {
    const std::string said = fmt::format(
        "{} shows as its checkpoint what the log's key did not "
        "sign: {}",
        source_.Name(), MessageOf(seen.status()));
    verify::Evidence evidence = StartEvidence(verify::Claim::kCheckpoint, said);
    evidence.notes = {note->substr(0, note::kNoteBytesMax)};
    return Report({.kind = FindingKind::kCheckpoint, .message = said}, std::move(evidence),
                  NameOf("checkpoint", *note));
  }
  const absl::Status compared = Compare(*seen);
  if (IsUnreachable(compared)) return Unanswered(compared);
  RETURN_IF_ERROR(compared);
  silent_since_ns_ = 0;
  CheckQuorum(*seen);
  RETURN_IF_ERROR(CheckAhead());
  // What the log has not shown yet may be what is missed.
  if (size() < seen->tree.size) return absl::OkStatus();
  return CheckProducers(clock_.WallNs() - options_.heartbeat_deadline_ns);
}

absl::Status LogMonitor::Unanswered(const absl::Status& status) {
  ++counters_.unanswered;
  if (absl::IsCancelled(status)) return status;
  const int64_t now = clock_.SteadyNs();
  if (silent_since_ns_ == 0) silent_since_ns_ = std::max<int64_t>(now, 1);
  // A log that never answered may be a wrong address.
  if (!memory_.knowledge().note.empty() && now - silent_since_ns_ >= options_.patience_ns)
    RETURN_IF_ERROR(ReportWithheld(
        memory_.knowledge().note, size(),
        fmt::format("{} shows nothing any more: {}", source_.Name(), MessageOf(status))));
  return status;
}

absl::StatusOr<LogMonitor::Seen> LogMonitor::Open(std::string_view note) {
  ASSIGN_OR_RETURN(note::Checkpoint tree, note::OpenCheckpoint(note, options_.key));
  return Seen{std::move(tree), std::string(note)};
}

void LogMonitor::CheckQuorum(const Seen& seen) {
  if (!options_.policy || !options_.policy->wants_witnesses()) return;
  const auto cosigned = note::OpenCosigned(seen.note, {&options_.key, 1}, *options_.policy);
  Finding finding{.kind = FindingKind::kQuorum, .size = seen.tree.size};
  if (!cosigned.ok()) {
    finding.message = fmt::format("a cosignature does not hold: {}", MessageOf(cosigned.status()));
  } else if (!cosigned->meets_quorum) {
    finding.message = fmt::format(
        "the checkpoint of {} records does not meet the quorum of the "
        "policy: {} of its witnesses cosigned",
        seen.tree.size.value, cosigned->cosigners.size());
  } else if (options_.fresh_ns > 0) {
    const int64_t oldest = (clock_.WallNs() - options_.fresh_ns) / 1'000'000'000;
    std::vector<bool> fresh(options_.policy->witnesses().size());
    for (const note::Cosigner& cosigner : cosigned->cosigners)
      if (static_cast<int64_t>(cosigner.time_s) >= oldest) fresh[cosigner.witness] = true;
    if (options_.policy->IsMetBy(fresh)) return;
    finding.kind = FindingKind::kStale;
    finding.message = "the cosignatures that the policy asks for are older than they may be";
  } else {
    return;
  }
  // Without a file there is nothing that could fail.
  Report(finding, std::nullopt, fmt::format("{} {}", KindName(finding.kind), TreeText(seen.tree)))
      .IgnoreError();
}

absl::StatusOr<Hash> LogMonitor::OwnRoot(TreeSize tree_size) {
  if (tree_size.value == 0) return merkle::EmptyRoot();
  return merkle::RootFromNodes(memory_.rows(), tree_size);
}

absl::Status LogMonitor::Compare(const Seen& seen) {
  if (seen.tree.size < size()) return CompareSmaller(seen);
  behind_since_ns_ = 0;
  if (seen.tree.size > size()) return Follow(seen);
  ASSIGN_OR_RETURN(const Hash root, OwnRoot(size()));
  if (root != seen.tree.root) return ReportOwnFork(seen);
  last_good_ns_ = clock_.WallNs();
  if (!memory_.knowledge().note.empty()) return absl::OkStatus();
  Knowledge knowledge = memory_.knowledge();
  knowledge.note = seen.note;
  return memory_.Save(std::move(knowledge));
}

absl::Status LogMonitor::CompareSmaller(const Seen& seen) {
  ASSIGN_OR_RETURN(const Hash root, OwnRoot(seen.tree.size));
  if (root != seen.tree.root) return ReportOwnFork(seen);
  const int64_t now = clock_.SteadyNs();
  if (behind_since_ns_ == 0) behind_since_ns_ = std::max<int64_t>(now, 1);
  if (now - behind_since_ns_ < options_.patience_ns) return absl::OkStatus();
  return ReportWithheld(memory_.knowledge().note, size(),
                        fmt::format("{} shows a tree of {} records, but it signed one of {}: it "
                                    "was rolled back, or shows an old state",
                                    source_.Name(), seen.tree.size.value, size().value));
}

absl::StatusOr<AnsweredProof> LogMonitor::ProveUnder(const Seen& seen, LogIndex index) {
  auto proof = source_.Prove(index, seen.tree.size);
  if (!proof.ok()) {
    if (IsUnreachable(proof.status())) return proof;
    return absl::NotFoundError(
        fmt::format("there is no proof of record {}: {}", index.value, MessageOf(proof.status())));
  }
  if (!merkle::CheckInclusion(index, seen.tree.size, proof->leaf, proof->path, seen.tree.root).ok())
    return absl::NotFoundError(
        fmt::format("the proof of record {} does not lead to the signed root", index.value));
  return proof;
}

absl::StatusOr<bool> LogMonitor::CheckExtends(const Seen& seen) {
  if (size().value == 0) return true;
  const LogIndex last(size().value - 1);
  const auto proof = ProveUnder(seen, last);
  // Without a proof the records decide.
  if (absl::IsNotFound(proof.status())) return true;
  RETURN_IF_ERROR(proof.status());
  ASSIGN_OR_RETURN(const Hash root,
                   verify::RootThrough(last, seen.tree.size, proof->leaf, proof->path));
  ASSIGN_OR_RETURN(const Hash own, OwnRoot(size()));
  if (root == own) return true;
  const std::string said = fmt::format(
      "{} shows a tree of {} records that does not extend the one of {} that it signed "
      "before",
      source_.Name(), seen.tree.size.value, size().value);
  verify::Evidence evidence = StartEvidence(verify::Claim::kFork, said);
  evidence.notes = {memory_.knowledge().note, seen.note};
  evidence.proofs = {{last, proof->leaf, proof->path, ""}};
  RETURN_IF_ERROR(Report({.kind = FindingKind::kFork, .message = said, .size = seen.tree.size},
                         std::move(evidence),
                         NameOf("fork", fmt::format("{} {}", size().value, TreeText(seen.tree)))));
  return false;
}

absl::Status LogMonitor::Follow(const Seen& seen) {
  // What was wrong is asked for again, but not all the time.
  if (judged_at_ns_ != 0 && clock_.SteadyNs() - judged_at_ns_ < options_.patience_ns)
    return absl::OkStatus();
  judged_at_ns_ = 0;
  ASSIGN_OR_RETURN(const bool extends, CheckExtends(seen));
  if (!extends) return absl::OkStatus();
  auto chain = verify::ChainChecker::Continue(options_.key.name(), memory_.knowledge().chain);
  memory_.rows().Rewind(size());
  chain.SetSink(&memory_.rows());
  // Followed on a copy: what does not fit the signed tree is not of the log.
  verify::ProducerSequences producers = producers_;
  absl::Status fault;
  std::string offender;
  const absl::Status read =
      source_.Read(NextIndex(size()), seen.tree.size, [&](std::string_view record) {
        absl::Status added = chain.Add(record);
        if (!added.ok()) {
          fault = added;
          offender = record;
          return added;
        }
        if (const auto header = record::Decode(record); header.ok()) producers.Add(*header);
        return added;
      });
  counters_.records += chain.count() - size().value;
  if (!fault.ok()) {
    chain.Root();  // the rows hear of what waits for its group
    return JudgeChain(seen, chain.end(), std::move(offender), MessageOf(fault));
  }
  if (IsUnreachable(read)) return read;
  if (absl::IsDataLoss(read)) {
    judged_at_ns_ = clock_.SteadyNs();
    return ReportWithheld(seen.note, seen.tree.size,
                          fmt::format("{} cannot show record {}, which it signed: {}",
                                      source_.Name(), chain.end().value, MessageOf(read)));
  }
  // Fewer came: those are kept back, for now.
  if (chain.end() != NextIndex(seen.tree.size)) return KeepAhead(seen);
  if (chain.Root() != seen.tree.root)
    return JudgeRoot(seen, seen.tree.size.value,
                     fmt::format("the records do not have the root of the signed tree of {}",
                                 seen.tree.size.value));
  return Learn(seen, chain, std::move(producers));
}

absl::Status LogMonitor::Learn(const Seen& seen, verify::ChainChecker& chain,
                               verify::ProducerSequences producers) {
  Knowledge knowledge = memory_.knowledge();
  knowledge.chain = {chain.frontier(), chain.last_hash(), chain.last_received_at_ns()};
  knowledge.note = seen.note;
  const std::vector<verify::ProducerFinding> found =
      producers.TakeFindings(clock_.WallNs() - options_.heartbeat_deadline_ns);
  knowledge.producers = producers.Encode();
  // After an error the old ones hold, and the same records are followed again.
  RETURN_IF_ERROR(memory_.Save(std::move(knowledge)));
  producers_ = std::move(producers);
  Tell(found);
  last_good_ns_ = clock_.WallNs();
  return absl::OkStatus();
}

void LogMonitor::Tell(const std::vector<verify::ProducerFinding>& findings) const {
  if (!options_.on_producer_finding) return;
  for (const verify::ProducerFinding& finding : findings) options_.on_producer_finding(finding);
}

absl::Status LogMonitor::CheckProducers(int64_t settled_before_ns) {
  producers_.CheckDeadlines(clock_.WallNs());
  const std::vector<verify::ProducerFinding> found = producers_.TakeFindings(settled_before_ns);
  if (found.empty()) return absl::OkStatus();
  // Told even if it cannot be kept: the next run then tells it again.
  Tell(found);
  Knowledge knowledge = memory_.knowledge();
  knowledge.producers = producers_.Encode();
  return memory_.Save(std::move(knowledge));
}

absl::Status LogMonitor::SettleProducers() { return CheckProducers(INT64_MAX); }

absl::Status LogMonitor::JudgeRecord(const Seen& seen, LogIndex index, std::string record,
                                     std::string_view why) {
  judged_at_ns_ = clock_.SteadyNs();
  const std::string said =
      fmt::format("{} answered a record that does not fit: {}", source_.Name(), why);
  Finding finding{
      .kind = FindingKind::kRecord, .message = said, .size = seen.tree.size, .index = index};
  const auto proof = ProveUnder(seen, index);
  if (IsUnreachable(proof.status())) return proof.status();
  if (!proof.ok())
    return ReportWithheld(seen.note, seen.tree.size,
                          fmt::format("{}; {}", said, MessageOf(proof.status())));
  verify::Evidence evidence = StartEvidence(verify::Claim::kRecord, said);
  evidence.notes = {seen.note};
  evidence.proofs = {{index, proof->leaf, proof->path, std::move(record)}};
  if (index.value > 0 && merkle::HashLeaf(evidence.proofs[0].record) == proof->leaf) {
    // It was signed so: the record before shows what it breaks.
    const LogIndex before(index.value - 1);
    const auto earlier = ProveUnder(seen, before);
    if (earlier.ok()) {
      std::string bytes;
      const absl::Status read =
          source_.Read(before, SizeThrough(before), [&bytes](std::string_view text) {
            bytes = text;
            return absl::OkStatus();
          });
      if (IsUnreachable(read)) return read;
      evidence.proofs.push_back({before, earlier->leaf, earlier->path, std::move(bytes)});
    }
  }
  return Report(std::move(finding), std::move(evidence),
                NameOf("record", fmt::format("{} {}", index.value, TreeText(seen.tree))));
}

absl::Status LogMonitor::JudgeChain(const Seen& seen, LogIndex index, std::string record,
                                    std::string_view why) {
  // A record that was exchanged shows at the next one, whose link does not fit.
  if (index.value == size().value) return JudgeRecord(seen, index, std::move(record), why);
  const auto fits = FitsAt(seen, index.value);
  if (IsUnreachable(fits.status())) return fits.status();
  if (fits.ok() && !*fits) return JudgeRoot(seen, index.value, why);
  return JudgeRecord(seen, index, std::move(record), why);
}

absl::StatusOr<bool> LogMonitor::FitsAt(const Seen& seen, uint64_t count) {
  const LogIndex last(count - 1);
  ASSIGN_OR_RETURN(const AnsweredProof proof, ProveUnder(seen, last));
  ASSIGN_OR_RETURN(const Hash root,
                   verify::RootThrough(last, seen.tree.size, proof.leaf, proof.path));
  ASSIGN_OR_RETURN(const Hash own, OwnRoot(TreeSize(count)));
  return root == own;
}

absl::Status LogMonitor::JudgeRoot(const Seen& seen, uint64_t bad, std::string_view why) {
  judged_at_ns_ = clock_.SteadyNs();
  // The first record that is not the signed one: the tree's roots tell, by halves.
  uint64_t good = size().value;
  while (bad - good > 1) {
    const uint64_t middle = good + (bad - good) / 2;
    const auto fits = FitsAt(seen, middle);
    if (IsUnreachable(fits.status())) return fits.status();
    if (!fits.ok())
      return ReportWithheld(
          seen.note, seen.tree.size,
          fmt::format("{}: {}; {}", source_.Name(), why, MessageOf(fits.status())));
    (*fits ? good : bad) = middle;
  }
  std::string record;
  const absl::Status read =
      source_.Read(LogIndex(bad - 1), TreeSize(bad), [&record](std::string_view text) {
        record = text;
        return absl::OkStatus();
      });
  if (IsUnreachable(read)) return read;
  if (!read.ok())
    return ReportWithheld(seen.note, seen.tree.size,
                          fmt::format("{}: {}; {}", source_.Name(), why, MessageOf(read)));
  return JudgeRecord(seen, LogIndex(bad - 1), std::move(record), why);
}

absl::Status LogMonitor::TakeCheckpoint(std::string_view note) {
  ASSIGN_OR_RETURN(const Seen seen, Open(note));
  if (seen.tree.size > size()) return KeepAhead(seen);
  ASSIGN_OR_RETURN(const Hash root, OwnRoot(seen.tree.size));
  if (root == seen.tree.root) return absl::OkStatus();
  return ReportOwnFork(seen);
}

absl::Status LogMonitor::KeepAhead(const Seen& seen) {
  Knowledge knowledge = memory_.knowledge();
  for (const AheadNote& ahead : knowledge.ahead) {
    const auto known = Open(ahead.note);
    if (known.ok() && known->tree == seen.tree) return absl::OkStatus();
  }
  // The oldest stay: they are the ones that the log is late with.
  if (knowledge.ahead.size() == kAheadMax) knowledge.ahead.pop_back();
  knowledge.ahead.push_back({std::max<int64_t>(clock_.WallNs(), 0), seen.note});
  return memory_.Save(std::move(knowledge));
}

absl::Status LogMonitor::CheckAhead() {
  if (memory_.knowledge().ahead.empty()) return absl::OkStatus();
  Knowledge knowledge = memory_.knowledge();
  const size_t before = knowledge.ahead.size();
  std::vector<AheadNote> still;
  for (AheadNote& ahead : knowledge.ahead) {
    ASSIGN_OR_RETURN(const Seen seen, Open(ahead.note));
    if (seen.tree.size <= size()) {
      ASSIGN_OR_RETURN(const Hash root, OwnRoot(seen.tree.size));
      if (root != seen.tree.root) RETURN_IF_ERROR(ReportOwnFork(seen));
      continue;
    }
    if (clock_.WallNs() - ahead.since_ns >= options_.patience_ns)
      RETURN_IF_ERROR(
          ReportWithheld(seen.note, seen.tree.size,
                         fmt::format("{} shows {} records, but it signed a tree of {}",
                                     source_.Name(), size().value, seen.tree.size.value)));
    still.push_back(std::move(ahead));
  }
  knowledge.ahead = std::move(still);
  return knowledge.ahead.size() == before ? absl::OkStatus() : memory_.Save(std::move(knowledge));
}

bool LogMonitor::IsWaiting() const {
  if (behind_since_ns_ != 0 && clock_.SteadyNs() - behind_since_ns_ < options_.patience_ns)
    return true;
  const auto& ahead = memory_.knowledge().ahead;
  return std::any_of(ahead.begin(), ahead.end(), [this](const AheadNote& note) {
    return clock_.WallNs() - note.since_ns < options_.patience_ns;
  });
}

absl::Status LogMonitor::ReportOwnFork(const Seen& smaller) {
  const TreeSize old = smaller.tree.size;
  const std::string said = fmt::format(
      "the log signed a tree of {} records that is no prefix of the tree of {} that it "
      "signed and showed",
      old.value, size().value);
  verify::Evidence evidence = StartEvidence(verify::Claim::kFork, said);
  evidence.notes = {smaller.note, memory_.knowledge().note};
  if (old.value > 0 && old < size()) {
    const LogIndex last(old.value - 1);
    verify::EvidenceProof proof;
    proof.index = last;
    ASSIGN_OR_RETURN(proof.leaf, memory_.rows().Node(0, last.value));
    ASSIGN_OR_RETURN(proof.path, merkle::InclusionProof(memory_.rows(), last, size()));
    evidence.proofs.push_back(std::move(proof));
  }
  return Report({.kind = FindingKind::kFork, .message = said, .size = old}, std::move(evidence),
                NameOf("fork", TreeText(smaller.tree)));
}

absl::Status LogMonitor::ReportWithheld(const std::string& note, TreeSize tree_size,
                                        std::string message) {
  verify::Evidence evidence = StartEvidence(verify::Claim::kWithheld, message);
  evidence.notes = {note};
  return Report({.kind = FindingKind::kWithheld, .message = std::move(message), .size = tree_size},
                std::move(evidence), NameOf("withheld", fmt::format("{}", tree_size.value)));
}

verify::Evidence LogMonitor::StartEvidence(verify::Claim claim, std::string_view said) {
  verify::Evidence evidence;
  evidence.claim = claim;
  evidence.found_s = static_cast<uint64_t>(std::max<int64_t>(clock_.WallNs(), 0)) / 1'000'000'000;
  evidence.said = said;
  evidence.vkey = options_.key.Format();
  return evidence;
}

absl::Status LogMonitor::Report(Finding finding, std::optional<verify::Evidence> evidence,
                                std::string_view name) {
  if (!reported_.emplace(name).second) return absl::OkStatus();
  if (reported_.size() > kReportedMax) reported_.erase(reported_.begin());
  if (evidence) {
    finding.verdict = verify::JudgeEvidence(*evidence, options_.key).verdict;
    // What a second look does not confirm is reported, but not as evidence.
    if (finding.verdict != verify::EvidenceVerdict::kNothing) {
      const std::string file(name);
      RETURN_IF_ERROR(memory_.KeepEvidence(file, verify::FormatEvidence(*evidence)).status());
      finding.evidence = fmt::format("{}/evidence/{}", memory_.folder(), file);
    }
  }
  ++counters_.findings;
  on_finding_(finding);
  return absl::OkStatus();
}

}  // namespace graven::monitor
