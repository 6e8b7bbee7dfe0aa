#pragma once

#include <bitset>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "ledger/ledger.h"
#include "query/expression.h"
#include "query/record_view.h"
#include "search/turn.h"

namespace graven::search {

// One query over the end of one log, for all who follow it with that query: each record is judged
// once, whoever comes to it first, and the verdict is remembered for the others. Thread-safe; who
// comes while another judges waits for him, some milliseconds.
//
// Memory: the verdicts of kBlocks * kBlockRecords records, no record. Who is further behind than
// that has the records judged again.
class LiveFilter {
 public:
  // Counts records that are judged. May be called on any thread.
  using Judged = std::function<void(uint64_t records)>;

  LiveFilter(const ledger::Ledger& ledger, ledger::LogRef log, query::Query query, Judged judged)
      : ledger_(ledger), log_(log), query_(std::move(query)), judged_(std::move(judged)) {}

  // Appends the indexes of [first, returned) whose records match, ascending. Less than `end` is
  // returned when the turn is over; at least one record is looked at. REQUIRES: first < `end`,
  // which is published. Blocks on the disk. kDataLoss: a record cannot be read.
  absl::StatusOr<uint64_t> Find(uint64_t first, uint64_t end, const Turn& turn,
                                std::vector<uint64_t>* matches) ABSL_LOCKS_EXCLUDED(mutex_);

  static constexpr uint64_t kBlockRecords = 256;
  static constexpr uint64_t kBlocks = 256;

 private:
  // kBlockRecords records from a multiple of it on.
  struct Block {
    uint64_t number = UINT64_MAX;
    std::bitset<kBlockRecords> known;
    std::bitset<kBlockRecords> matches;
  };

  // The block of `index`; an older one makes room for it.
  Block& BlockOf(uint64_t index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Judges what is not known of [first, end), which lies within one block. How far it came.
  absl::StatusOr<uint64_t> Judge(uint64_t first, uint64_t end, const Turn& turn)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const ledger::Ledger& ledger_;
  const ledger::LogRef log_;
  const query::Query query_;
  const Judged judged_;
  Mutex mutex_;
  std::vector<Block> blocks_ ABSL_GUARDED_BY(mutex_) = std::vector<Block>(kBlocks);
  query::RecordView view_ ABSL_GUARDED_BY(mutex_);
};

// Those that somebody follows with now. Thread-safe.
class LiveFilters {
 public:
  explicit LiveFilters(const ledger::Ledger& ledger) : ledger_(ledger) {}

  // Before anybody follows.
  void CountJudged(LiveFilter::Judged judged) { judged_ = std::move(judged); }

  // The filter of that log and query: one for all whose queries are equal in canonical form. It
  // goes with the last one who has it.
  std::shared_ptr<LiveFilter> Share(ledger::LogRef log, const query::Query& query);

  // How many different ones there are now.
  size_t size();

 private:
  const ledger::Ledger& ledger_;
  LiveFilter::Judged judged_;
  Mutex mutex_;
  // By origin and canonical query.
  std::map<std::pair<std::string, std::string>, std::weak_ptr<LiveFilter>> filters_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace graven::search
