#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "search/question.h"
#include "search/turn.h"

namespace graven::search {

inline constexpr uint64_t kPageRecordsDefault = 100;
inline constexpr uint64_t kPageRecordsMax = 1000;

// What one page may cost. Times are by the turns' clock.
struct PageLimits {
  uint64_t records_max = kPageRecordsDefault;
  size_t bytes_max = size_t{1} << 20;  // of records; one that is larger alone is still given
  int64_t until_ns = INT64_MAX;        // then the page ends where it is
  int64_t count_until_ns = 0;          // matches behind the page are counted for so long
};

struct PageRecord {
  LogIndex index;
  std::string record;
  Hash hash;
};

struct Page {
  std::vector<PageRecord> records;
  // "" when there are no more matches.
  std::string next_cursor;
  // What lies between the start and this index has been looked at: oldest first below it, newest
  // first from it on.
  uint64_t scanned_to = 0;
  // Matches that have been seen. Exact: those of the whole tree; only where the page began at the
  // start.
  uint64_t count = 0;
  bool count_is_exact = false;
};

// So many matches of a search. Until it is done it holds the page's records.
class PageMaker final : public Work {
 public:
  // Reads a few records, to find where the query's times lie. kDataLoss.
  static absl::StatusOr<std::unique_ptr<PageMaker>> Begin(Search search, PageLimits limits);

  absl::StatusOr<bool> GoOn(const Turn& turn) override;
  // Once it is done.
  const Page& page() const { return page_; }

 private:
  PageMaker(const Cursor& start, PageLimits limits, Scan scan)
      : start_(start), limits_(limits), scan_(std::move(scan)), skip_(start.skip) {}

  // The matches that belong to the page, in this turn. True: the page is whole.
  absl::StatusOr<bool> Fill(const Turn& turn);
  Verdict Take(const Hit& hit);
  bool from_start() const { return start_.left() == start_.size.value; }

  const Cursor start_;
  const PageLimits limits_;
  Scan scan_;
  uint64_t skip_;
  size_t bytes_ = 0;
  bool is_full_ = false;
  bool is_filled_ = false;
  Page page_;
};

}  // namespace graven::search
