#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "engine/published_reads.h"
#include "engine/worker_pool.h"
#include "index/candidates.h"
#include "ledger/ledger.h"
#include "note/keys.h"
#include "search/admission.h"
#include "search/byte_budget.h"
#include "search/live_filter.h"
#include "search/scan.h"
#include "search/turn.h"

// Search over one process's logs: what the doors (gRPC, HTTP) share, so that limits hold for all of
// them together.
//
//   question.h   a request, read and found possible
//   turn.h       what is worked out in turns: all of the rest
//   scan.h       its matches, a piece at a time
//   page.h       so many of them
//   tally.h      numbers about them (pass.h: what they are counted with)
//   cursor.h     where to go on
//   statement.h  a signed word that this is all
//   live_filter.h  one query of all who follow a log with it
//
// Threads: everything here may be called from any; the work is done on the few threads of
// workers(), in turns.
//
// Invariants: an answer is about one published tree and stays so over all of its pages; every match
// has been judged on its bytes; a query ends when its time is up or its client has left. What is
// not cut into turns is one chunk of an index: to find a query's candidates in it, or to count what
// it has.
namespace graven::search {

// What the index has of a log now. Any thread.
using ChunksOf = std::function<std::shared_ptr<const index::ChunkSet>(ledger::LogRef)>;

class Searches {
 public:
  // All must outlive it. `chunks_of` null: there is no index.
  Searches(const ledger::Ledger& ledger, engine::PublicationHub& hub,
           engine::PublicationHub& cosigned_hub, Clock& clock, ChunksOf chunks_of = nullptr,
           AdmissionLimits limits = {})
      : ledger_(ledger),
        hub_(hub),
        reads_(ledger, hub, cosigned_hub),
        clock_(clock),
        chunks_of_(std::move(chunks_of)),
        admission_(limits),
        follower_admission_(kFollowerLimits),
        live_filters_(ledger),
        workers_(kWorkers) {}

  // Before anybody searches: with what statements are signed.
  void SignWith(note::SignerKey key) { signer_ = std::move(key); }
  const std::optional<note::SignerKey>& signer() const { return signer_; }

  // The source of a search, with what the index has now.
  ScanSource SourceOf(ledger::LogRef log, query::Query query, TreeSize size) const {
    return {&ledger_, log, std::move(query), size, chunks_of_ ? chunks_of_(log) : nullptr};
  }

  const ledger::Ledger& ledger() const { return ledger_; }
  const engine::PublishedReads& reads() const { return reads_; }
  engine::PublicationHub& hub() { return hub_; }
  Clock& clock() { return clock_; }
  // Of what is answered and done with.
  Admission& admission() { return admission_; }
  // Of those who follow a log, each for as long as it does.
  Admission& follower_admission() { return follower_admission_; }
  // Of those who follow a log with a query.
  LiveFilters& live_filters() { return live_filters_; }
  // What all who count values may hold together.
  ByteBudget& value_budget() { return value_budget_; }
  // Jobs of at most kTurnNs; who has more to do submits again.
  engine::WorkerPool& workers() { return workers_; }

  // Takes a turn on a worker, and another behind all who wait by then, until it returns false. What
  // has not ended at Stop is dropped.
  using TakeTurn = std::function<bool(const Turn& turn)>;
  void TakeTurns(TakeTurn take_turn);

  // Ends the threads; what was submitted and not begun is dropped.
  void Stop() { workers_.Stop(); }

 private:
  static constexpr size_t kWorkers = 2;
  static constexpr AdmissionLimits kFollowerLimits = {.places_max = 256, .places_per_peer_max = 32};

  const ledger::Ledger& ledger_;
  engine::PublicationHub& hub_;
  const engine::PublishedReads reads_;
  Clock& clock_;
  const ChunksOf chunks_of_;
  std::optional<note::SignerKey> signer_;
  Admission admission_;
  Admission follower_admission_;
  LiveFilters live_filters_;
  ByteBudget value_budget_{size_t{256} << 20};
  engine::WorkerPool workers_;
};

}  // namespace graven::search
