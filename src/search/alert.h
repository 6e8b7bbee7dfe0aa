#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "base/log_index.h"
#include "query/expression.h"
#include "search/column.h"

namespace graven::search {

// A saved search that wants to be heard: so many matches within a time.
struct AlertRule {
  std::string name;
  std::string log;
  query::Query query;
  // Matches are counted for each value of it; nothing: all together.
  std::optional<Column> by;
  uint64_t threshold = 1;  // 1 to kAlertThresholdMax
  int64_t window_ns = 0;   // of received_at
};

inline constexpr uint64_t kAlertThresholdMax = 10'000;
// Of a value, as it is said; what is longer is cut between characters.
inline constexpr size_t kAlertValueBytesMax = 512;

// What a rule says when its threshold is reached.
struct Alert {
  std::string value;  // of `by`
  // The same for the same alert, whoever comes to it: index of the last match and hash of the whole
  // value, in hex.
  std::string id;
  uint64_t count = 0;
  LogIndex first, last;
  int64_t first_received_ns = 0;
  int64_t last_received_ns = 0;
};

// The matches of one rule that are not too old yet. A function of the records that it is given:
// whoever begins again with place() comes to the same alerts from there on, and says none of those
// before again. Pure; not thread-safe.
//
// Memory: at most kValuesMax values at once and kMatchesMax matches of all of them; beyond that the
// value that has been silent longest is forgotten. A value of a stranger is kept as its hash.
class AlertWindow {
 public:
  static constexpr size_t kValuesMax = 50'000;
  static constexpr size_t kMatchesMax = 1'000'000;
  // Values whose last alert a place remembers; beyond that the oldest are forgotten.
  static constexpr size_t kSpentMax = 10'000;
  // Ranges that were skipped; beyond that the oldest are forgotten.
  static constexpr size_t kSkippedMax = 1'000;
  static constexpr size_t kPlaceBytesMax = size_t{1} << 20;

  // Begins at `begin`. REQUIRES: `rule` outlives this.
  AlertWindow(const AlertRule& rule, LogIndex begin) : rule_(rule), next_(begin) {}

  // Begins where a window of the same rule was when place() was called. kInvalidArgument: no such
  // text.
  static absl::StatusOr<AlertWindow> BeginAgain(const AlertRule& rule, std::string_view place);

  // The record at next(), whether it matches or not. Raised alerts are appended; the matches of one
  // are spent with it.
  void Add(const query::RecordView& view, std::vector<Alert>* raised);

  // Nobody can read the records from next() to before `end`: they count for nothing, now and for
  // whoever begins again. REQUIRES: end > next().
  void Skip(LogIndex end);

  LogIndex next() const { return next_; }
  // From next() to here, and no further, it wants records: `end`, or where it skipped some when it
  // was here before.
  LogIndex UpTo(LogIndex end) const;

  // How to begin again, at most kPlaceBytesMax: the first record that still counts for something,
  // what was skipped behind it, and which matches are spent. "<index>\n", then "- <first> <end>\n"
  // for each range that was skipped, then "<hash of value> <index>\n" for each value whose matches
  // through that index are spent.
  std::string Place();

 private:
  using Digest = std::array<uint8_t, 16>;
  struct Seen {
    LogIndex index;
    int64_t received_ns = 0;
  };
  // A value and its matches since its last alert, the oldest first.
  struct Matches {
    Digest value;
    std::vector<Seen> seen;
  };
  // The one that has been silent longest first.
  using ByAge = std::list<Matches>;

  static Digest DigestOf(std::string_view value);
  void AddMatch(std::string_view value, const query::RecordView& view, std::vector<Alert>* raised);
  // The matches of the value, as the one that spoke last.
  Matches& Speaking(const Digest& digest);
  void Forget(ByAge::iterator matches);
  // Forgets values whose matches are all older than the window, and what is too much.
  void Expire();
  LogIndex Begin();
  // Reads "<first> <end>" of a place. False: it is none.
  bool AddSkipped(std::string_view text);
  // Goes on behind what was skipped before.
  void PassSkipped();

  const AlertRule& rule_;
  ByAge by_age_;
  std::map<Digest, ByAge::iterator> by_value_;
  size_t matches_ = 0;  // in by_age_
  // Of each value the last match that an alert has spent.
  std::map<Digest, LogIndex> spent_;
  // Where ranges that were skipped begin, and their ends. They do not touch.
  std::map<LogIndex, LogIndex> skipped_;
  LogIndex next_;
  int64_t now_ns_ = 0;  // of the newest record
  std::string number_;
  std::vector<std::string_view> values_;
};

}  // namespace graven::search
