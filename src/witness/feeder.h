// Gets a server's checkpoints cosigned: takes each log's newest signed checkpoint to all witnesses
// of a policy, merges what they answer, and hands on what meets the quorum. Once a minute an
// unchanged checkpoint goes out again, so that the cosignatures' times show that the log lives.
//
// Threads: one for each witness, so that none waits for another, and each has one request under way
// at most. None of them is on the way of an append. Calls from any thread.
//
// A round is one checkpoint on its way to all witnesses: a quorum counts only when it cosigned the
// same tree, so the next one is taken up when the quorum is there, when all have answered or are
// being left alone, or after ten seconds.
//
// Invariants: nothing that a witness does grows memory beyond one reply each, blocks a publication
// or makes the log sign; only our own signature on something that we do not have stops the signing.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "note/policy.h"
#include "witness/fed_logs.h"
#include "witness/submission.h"

namespace graven::witness {

struct FeederPace {
  int64_t round_ns = 500'000'000;              // from one round of a log to its next, at least
  int64_t round_patience_ns = 10'000'000'000;  // for a round that gets no quorum
  int64_t refresh_ns = 60'000'000'000;         // an unchanged checkpoint again
  int64_t backoff_first_ns = 1'000'000'000;    // doubled at each failure
  int64_t backoff_last_ns = 60'000'000'000;
  int64_t set_aside_ns = 600'000'000'000;  // who says what cannot be right
  int64_t start_ns = 3'000'000'000;        // for the look before the first signature
};

struct WitnessState {
  std::string name;
  // Logs by what they last got there.
  size_t cosigned = 0;
  size_t failing = 0;
  std::string problem;                  // of one of them
  std::map<Verdict, uint64_t> answers;  // since the start
};

class Feeder {
 public:
  using DoorMaker = std::function<std::unique_ptr<WitnessDoor>()>;

  // `logs` and `clock` must outlive it. Witnesses without a URL or with a key of a type unknown
  // here are reported and not asked.
  Feeder(FedLogs& logs, Clock& clock, note::Policy policy, FeederPace pace,
         DoorMaker make_door = &MakeHttpDoor);
  ~Feeder();

  // Before anything new is signed after a start: asks every witness what it has seen of every log,
  // and resubmits the last signed checkpoints. Returns when all have answered, or after
  // pace.start_ns: whoever is slow is asked before his first submission. Signing may be stopped on
  // return.
  void LookBeforeSigning();

  void Start();
  // Something was published. Cheap.
  void Notify();
  // Ends what is under way.
  void Stop();

  std::vector<WitnessState> states() const;

 private:
  // How one log stands with one witness.
  struct Standing {
    TreeSize known_size;
    bool looked = false;  // at what it shows of the log
    uint64_t answered_round = 0;
    int64_t not_before_ns = 0;
    int64_t backoff_ns = 0;
    bool cosigned = false;
    std::string problem;
  };
  struct FedLog {
    uint64_t round = 0;
    int64_t started_ns = 0;
    bool met = false;
    SignedState target;
    std::vector<std::string> lines;   // by witness of the policy; empty: not yet
    std::vector<Standing> standings;  // by asked witness
  };
  struct Job {
    uint32_t log = 0;
    uint64_t round = 0;
    SignedState target;
    TreeSize known_size;
    bool look = false;
  };
  struct Asked {
    WitnessAddress address;
    size_t position = 0;  // in the policy
  };

  void Run(size_t witness, WitnessDoor& door);
  void LookAtAll(size_t witness, WitnessDoor& door);
  void Do(size_t witness, WitnessDoor& door, const Job& job);
  // The next job, or when to look again.
  bool Next(size_t witness, int64_t now_ns, Job* job, int64_t* wake_ns);
  FedLog& Find(uint32_t log);
  void AdvanceRound(uint32_t number, FedLog* log, int64_t now_ns);
  void Settle(size_t witness, const Job& job, const SubmissionResult& result);
  void ReportChange(size_t witness, uint32_t log, Standing* standing,
                    const SubmissionResult& result);
  void Merge(uint32_t log, uint64_t round);

  FedLogs& logs_;
  Clock& clock_;
  const note::Policy policy_;
  const FeederPace pace_;
  const DoorMaker make_door_;
  std::vector<Asked> asked_;

  mutable std::mutex mutex_;  // guards what follows; no call to elsewhere but FedLogs's cheap ones
  std::condition_variable wake_;
  std::map<uint32_t, FedLog> fed_;
  std::vector<std::map<Verdict, uint64_t>> answers_;  // by asked witness
  std::vector<uint32_t> last_log_;                    // by asked witness: where it goes on
  uint64_t notified_ = 0;
  bool stopping_ = false;

  std::mutex merge_mutex_;  // one merge at a time, so that fewer cosignatures never replace more
  std::vector<std::unique_ptr<WitnessDoor>> doors_;
  std::vector<std::thread> threads_;
};

}  // namespace graven::witness
