#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "engine/append_meter.h"
#include "ledger/ledger.h"
#include "sequencer/sequencer.h"

// The heart of the server: takes what waits in the sequencer, applies it, makes it durable with one
// sync, and answers every writer.
//
// Thread: Round by one thread, the writer, which is also the one that calls the owners. It knows no
// transport: a test drives it as the gRPC loop does.
//
// Invariants: every request that was submitted is answered exactly once, after failures and at the
// stop too; nobody is told OK before the records are durable.
namespace graven::engine {

// Whoever submits a request, to be told what became of it. Request::owner points to one.
class AppendOwner {
 public:
  // On the writer thread, in the order of the log. Beside the codes of RequestResult: kUnavailable,
  // the outcome is unknown because a write or sync failed. `result` is valid during the call only.
  virtual void Done(const ledger::RequestResult& result) = 0;

 protected:
  ~AppendOwner() = default;
};

// What a round did.
struct RoundOutcome {
  // Events of the requests that were accepted, and the bytes that they count.
  size_t events = 0;
  size_t bytes = 0;
  // Requests were put off because the journal had no room.
  bool no_room = false;
};

class AppendLoop {
 public:
  // `after_round` is called on the writer thread after the answers of each round. Ledger,
  // sequencer and meter must outlive the loop.
  AppendLoop(ledger::Ledger& ledger, sequencer::Sequencer& sequencer, AppendMeter& meter,
             size_t batch_bytes_max, std::function<void(const RoundOutcome&)> after_round);

  // Applies what waits, without making it durable: the work of a batch is done while it still
  // grows.
  void Absorb();

  // Ends the batch: absorbs what waits, one append to the journal, one sync, the answers. Returns
  // how many requests were answered; 0 when none waited.
  size_t Round();

  // Requests of the last batch were put off for want of room. On the thread of Round.
  bool put_off() const { return put_off_; }

  // Refuses new requests and answers all that were accepted.
  void Drain();

 private:
  size_t FittingPrefix();
  RoundOutcome Answer(const absl::Status& synced);

  ledger::Ledger& ledger_;
  sequencer::Sequencer& sequencer_;
  AppendMeter& meter_;
  const size_t batch_bytes_max_;
  const std::function<void(const RoundOutcome&)> after_round_;
  // The batch so far, and what became of each request.
  std::vector<sequencer::Request*> batch_;
  std::vector<ledger::RequestResult> results_;
  size_t batch_bytes_ = 0;
  // Of one Absorb.
  std::vector<sequencer::Request*> taken_;
  std::vector<ledger::RequestResult> applied_;
  bool failed_ = false;
  // Why requests are put off; OK when they are not. Holds until the queue was empty once.
  absl::Status no_room_;
  bool put_off_ = false;
};

}  // namespace graven::engine
