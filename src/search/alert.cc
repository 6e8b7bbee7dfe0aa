#include "search/alert.h"

#include <algorithm>
#include <utility>

#include "base/encoding.h"
#include "base/sha256.h"
#include "base/text_safety.h"
#include "fmt/format.h"
#include "query/matcher.h"

namespace graven::search {
namespace {

// What is kept of a hostile value, cut between two characters.
std::string Cut(std::string_view value) {
  size_t end = 0;
  while (end < value.size()) {
    uint32_t code_point = 0;
    const size_t bytes = std::max<size_t>(DecodeUtf8(value.substr(end), &code_point), 1);
    if (end + bytes > kAlertValueBytesMax) break;
    end += bytes;
  }
  return std::string(value.substr(0, end));
}

// The line at the front, taken away; nothing when there is none.
std::optional<std::string_view> TakeLine(std::string_view* text) {
  const size_t end = text->find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = text->substr(0, end);
  text->remove_prefix(end + 1);
  return line;
}

std::optional<LogIndex> ReadIndex(std::string_view text) {
  const std::optional<uint64_t> value = ParseDecimal(text);
  if (!value || *value >= kLogIndexLimit) return std::nullopt;
  return LogIndex(*value);
}

// What the line of a skipped range begins with; that of a value is hex.
constexpr std::string_view kSkippedMark = "- ";

absl::Status Wrong() { return absl::InvalidArgumentError("not the place of an alert rule"); }

}  // namespace

AlertWindow::Digest AlertWindow::DigestOf(std::string_view value) {
  const Hash hash = Sha256(value);
  Digest digest;
  const std::string_view bytes = hash.view();
  std::copy_n(bytes.begin(), digest.size(), digest.begin());
  return digest;
}

absl::StatusOr<AlertWindow> AlertWindow::BeginAgain(const AlertRule& rule, std::string_view place) {
  if (place.size() > kPlaceBytesMax) return Wrong();
  const auto first = TakeLine(&place);
  const auto begin = first ? ReadIndex(*first) : std::nullopt;
  if (!begin) return Wrong();
  AlertWindow window(rule, *begin);
  while (!place.empty()) {
    const auto line = TakeLine(&place);
    if (!line || window.spent_.size() >= kSpentMax) return Wrong();
    if (line->starts_with(kSkippedMark)) {
      if (!window.AddSkipped(line->substr(kSkippedMark.size()))) return Wrong();
      continue;
    }
    const size_t space = std::min(line->find(' '), line->size());
    const auto bytes = HexDecode(line->substr(0, space));
    const auto index = space < line->size() ? ReadIndex(line->substr(space + 1)) : std::nullopt;
    if (!bytes || bytes->size() != sizeof(Digest) || !index) return Wrong();
    Digest digest;
    std::copy(bytes->begin(), bytes->end(), digest.begin());
    window.spent_[digest] = *index;
  }
  window.PassSkipped();
  return window;
}

bool AlertWindow::AddSkipped(std::string_view text) {
  const size_t space = std::min(text.find(' '), text.size());
  const auto first = ReadIndex(text.substr(0, space));
  const auto end = space < text.size() ? ReadIndex(text.substr(space + 1)) : std::nullopt;
  if (!first || !end || *end <= *first || skipped_.size() >= kSkippedMax) return false;
  // In order, and apart from each other.
  if (!skipped_.empty() && *first <= skipped_.rbegin()->second) return false;
  skipped_.emplace_hint(skipped_.end(), *first, *end);
  return true;
}

void AlertWindow::PassSkipped() {
  const auto behind = skipped_.upper_bound(next_);
  if (behind == skipped_.begin()) return;
  next_ = std::max(next_, std::prev(behind)->second);
}

void AlertWindow::Skip(LogIndex end) {
  LogIndex first = next_;
  // What was skipped up to here, and what the range reaches, become one with it.
  auto at = skipped_.upper_bound(first);
  if (at != skipped_.begin() && std::prev(at)->second >= first) first = (--at)->first;
  while (at != skipped_.end() && at->first <= end) {
    end = std::max(end, at->second);
    at = skipped_.erase(at);
  }
  skipped_.emplace(first, end);
  if (skipped_.size() > kSkippedMax) skipped_.erase(skipped_.begin());
  next_ = end;
}

LogIndex AlertWindow::UpTo(LogIndex end) const {
  const auto behind = skipped_.lower_bound(next_);
  return behind == skipped_.end() ? end : std::min(end, behind->first);
}

void AlertWindow::Add(const query::RecordView& view, std::vector<Alert>* raised) {
  next_ = view.index + 1;
  PassSkipped();
  now_ns_ = view.received_at_ns;
  if (!query::Matches(rule_.query, view)) return;
  if (!rule_.by) {
    AddMatch("", view, raised);
    return;
  }
  rule_.by->Collect(view, &number_, &values_);
  for (const std::string_view value : values_) AddMatch(value, view, raised);
}

void AlertWindow::AddMatch(std::string_view value, const query::RecordView& view,
                           std::vector<Alert>* raised) {
  const Digest digest = DigestOf(value);
  const auto spent = spent_.find(digest);
  // Given again since Place(): it was in an alert already.
  if (spent != spent_.end() && view.index <= spent->second) return;
  Matches& matches = Speaking(digest);
  std::vector<Seen>& seen = matches.seen;
  seen.push_back({view.index, view.received_at_ns});
  ++matches_;
  const auto young = std::find_if(seen.begin(), seen.end(), [this](const Seen& one) {
    return one.received_ns > now_ns_ - rule_.window_ns;
  });
  matches_ -= static_cast<size_t>(young - seen.begin());
  seen.erase(seen.begin(), young);
  if (seen.size() >= rule_.threshold) {
    std::string id =
        fmt::format("{}-{}", view.index.value,
                    HexEncode({reinterpret_cast<const char*>(digest.data()), digest.size()}));
    raised->push_back({Cut(value), std::move(id), seen.size(), seen.front().index,
                       seen.back().index, seen.front().received_ns, seen.back().received_ns});
    spent_[digest] = view.index;
    Forget(std::prev(by_age_.end()));
  }
  Expire();
}

AlertWindow::Matches& AlertWindow::Speaking(const Digest& digest) {
  const auto found = by_value_.find(digest);
  if (found == by_value_.end()) {
    by_age_.push_back({digest, {}});
    by_value_.emplace(digest, std::prev(by_age_.end()));
  } else {
    by_age_.splice(by_age_.end(), by_age_, found->second);
  }
  return by_age_.back();
}

void AlertWindow::Forget(ByAge::iterator matches) {
  matches_ -= matches->seen.size();
  by_value_.erase(matches->value);
  by_age_.erase(matches);
}

void AlertWindow::Expire() {
  const int64_t too_old_ns = now_ns_ - rule_.window_ns;
  while (!by_age_.empty() && (by_age_.front().seen.back().received_ns <= too_old_ns ||
                              by_value_.size() > kValuesMax || matches_ > kMatchesMax)) {
    Forget(by_age_.begin());
  }
}

LogIndex AlertWindow::Begin() {
  Expire();
  LogIndex begin = next_;
  for (const Matches& matches : by_age_) begin = std::min(begin, matches.seen.front().index);
  return begin;
}

std::string AlertWindow::Place() {
  const LogIndex begin = Begin();
  // What was spent before the beginning is not given again.
  std::erase_if(spent_, [begin](const auto& entry) { return entry.second < begin; });
  if (spent_.size() > kSpentMax) {
    std::vector<LogIndex> indexes;
    for (const auto& [value, index] : spent_) indexes.push_back(index);
    const auto oldest_kept = indexes.end() - kSpentMax;
    std::nth_element(indexes.begin(), oldest_kept, indexes.end());
    const LogIndex limit = *oldest_kept;
    std::erase_if(spent_, [limit](const auto& entry) { return entry.second < limit; });
  }
  std::erase_if(skipped_, [begin](const auto& entry) { return entry.second <= begin; });
  std::string place = fmt::format("{}\n", begin.value);
  for (const auto& [first, end] : skipped_) {
    place += fmt::format("{}{} {}\n", kSkippedMark, first.value, end.value);
  }
  size_t lines = 0;
  for (const auto& [value, index] : spent_) {
    // Several values may be spent with one record.
    if (++lines > kSpentMax) break;
    place += fmt::format("{} {}\n",
                         HexEncode({reinterpret_cast<const char*>(value.data()), value.size()}),
                         index.value);
  }
  return place;
}

}  // namespace graven::search
