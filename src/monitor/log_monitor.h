// Watches one log and trusts nothing that it says: recomputes chain and tree from the records,
// holds every checkpoint against all that was seen before and against those that others hand in,
// and keeps evidence of what does not fit.
//
// Threads: one, which drives it. Reads no clock but the one it is given.
//
// Invariants: a tree counts as seen only once all its records were read, checked and are durable in
// the memory; so a crash at any moment loses no tree that was claimed as seen, and makes none up.
// What is reported as proven was judged by the same code that judges the file for others.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "monitor/finding.h"
#include "monitor/log_source.h"
#include "monitor/memory.h"
#include "note/checkpoint.h"
#include "note/keys.h"
#include "note/policy.h"
#include "verify/evidence.h"
#include "verify/producer_sequences.h"

namespace graven::monitor {

struct MonitorOptions {
  explicit MonitorOptions(note::VerifierKey log_key) : key(std::move(log_key)) {}

  // The log's; its name is the origin.
  note::VerifierKey key;
  // Whose cosignatures are asked for.
  std::optional<note::Policy> policy;
  // How long a signed tree may take to be shown, and a log that was seen to answer.
  int64_t patience_ns = 60'000'000'000;
  // How old cosignatures may be; 0: of any age. Only with a policy that wants witnesses.
  int64_t fresh_ns = 0;
  // An epoch of a producer that sends heartbeats must not be silent for longer, by the times in the
  // log and the clock of this machine. As long a missing number may still come.
  int64_t heartbeat_deadline_ns = int64_t{600} * 1'000'000'000;
  // Hears of what producers' sequences miss, each once. It says nothing about the log.
  std::function<void(const verify::ProducerFinding&)> on_producer_finding;
};

// What was done since the start.
struct MonitorCounters {
  uint64_t rounds = 0;
  uint64_t records = 0;
  uint64_t findings = 0;
  uint64_t unanswered = 0;
};

class LogMonitor {
 public:
  // Hears of each finding once.
  using FindingFunction = std::function<void(const Finding&)>;

  // All that is given outlives this.
  LogMonitor(MonitorOptions options, Memory& memory, LogSource& source, Clock& clock,
             FindingFunction on_finding);

  // One look at the log: its newest checkpoint, and all records that are new. On return OK what was
  // seen is durable. An error is about not being able to look; findings are no errors. kDataLoss:
  // the monitor's own memory.
  absl::Status Round();

  // Holds a checkpoint from elsewhere against what was seen; if its tree is larger it is kept until
  // the log shows that tree. kInvalidArgument and kUnauthenticated: the
  // log's key did not sign it, so it says nothing about the log.
  absl::Status TakeCheckpoint(std::string_view note);

  // Tells what is missing of producers' sequences by now, without waiting for late numbers. Errors:
  // the monitor's own memory.
  absl::Status SettleProducers();

  // What they have missed since the first record that was followed, over all runs.
  verify::ProducerReport producers() const { return producers_.Report(); }

  // Whether something that was signed is not shown yet, and there is still time for it.
  bool IsWaiting() const;

  const note::VerifierKey& key() const { return options_.key; }
  TreeSize size() const { return memory_.size(); }
  const MonitorCounters& counters() const { return counters_; }
  // Wall time at which the log last showed a checkpoint that fits all; 0: not since the start.
  int64_t last_good_ns() const { return last_good_ns_; }

 private:
  struct Seen {
    note::Checkpoint tree;
    std::string note;
  };

  absl::Status Unanswered(const absl::Status& status);
  absl::StatusOr<Seen> Open(std::string_view note);
  void CheckQuorum(const Seen& seen);
  absl::Status Compare(const Seen& seen);
  absl::Status CompareSmaller(const Seen& seen);
  absl::Status Follow(const Seen& seen);
  absl::Status Learn(const Seen& seen, verify::ChainChecker& chain,
                     verify::ProducerSequences producers);
  absl::Status CheckProducers(int64_t settled_before_ns);
  void Tell(const std::vector<verify::ProducerFinding>& findings) const;
  absl::Status CheckAhead();
  absl::Status KeepAhead(const Seen& seen);

  // Whether the tree extends ours, by the log's own proof. False: a fork, and it is reported.
  absl::StatusOr<bool> CheckExtends(const Seen& seen);
  absl::Status JudgeRecord(const Seen& seen, LogIndex index, std::string record,
                           std::string_view why);
  // The first `index` records that were read are in order, and `record` is not.
  absl::Status JudgeChain(const Seen& seen, LogIndex index, std::string record,
                          std::string_view why);
  // The first `bad` records that were read are not those of the signed tree.
  absl::Status JudgeRoot(const Seen& seen, uint64_t bad, std::string_view why);
  // Whether the first `count` records that were read are. kNotFound: there is no proof.
  absl::StatusOr<bool> FitsAt(const Seen& seen, uint64_t count);
  // The log's proof, if it leads to the signed root. kNotFound: it does not, or there is none.
  absl::StatusOr<AnsweredProof> ProveUnder(const Seen& seen, LogIndex index);
  absl::StatusOr<Hash> OwnRoot(TreeSize size);

  // `smaller` against the tree in the memory, whose rows have the path.
  absl::Status ReportOwnFork(const Seen& smaller);
  absl::Status ReportWithheld(const std::string& note, TreeSize size, std::string message);
  absl::Status Report(Finding finding, std::optional<verify::Evidence> evidence,
                      std::string_view name);
  verify::Evidence StartEvidence(verify::Claim claim, std::string_view said);

  const MonitorOptions options_;
  Memory& memory_;
  LogSource& source_;
  Clock& clock_;
  const FindingFunction on_finding_;
  verify::ProducerSequences producers_;
  MonitorCounters counters_;
  std::set<std::string> reported_;
  int64_t behind_since_ns_ = 0;  // steady; a smaller tree is shown than one that was
  int64_t silent_since_ns_ = 0;  // steady
  int64_t judged_at_ns_ = 0;     // steady; of the last answer that was wrong
  int64_t last_good_ns_ = 0;
};

}  // namespace graven::monitor
