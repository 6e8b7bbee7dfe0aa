#include "query/matcher.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

#include "base/check.h"
#include "fmt/format.h"
#include "query/address.h"
#include "query/text.h"

namespace graven::query {
namespace {

bool Within(const TimeRange& range, const record::TimePoint& time) {
  return range.low <= time && time < range.high;
}

bool MatchesValue(const Term& term, std::string_view value) {
  switch (term.match) {
    case Match::kEquals:
      return value == term.value;
    case Match::kPrefix:
      return !value.empty() && value.starts_with(term.value);
    case Match::kNetwork: {
      const std::optional<Network> address = ParseAddress(value);
      return address && Contains(term.network, *address);
    }
    case Match::kRange:
    case Match::kWords:
    case Match::kPhrase:
      break;
  }
  return false;
}

bool MatchesOutcome(const Term& term, int32_t outcome) {
  const std::optional<std::string_view> word = OutcomeWord(outcome);
  return word ? MatchesValue(term, *word) : MatchesValue(term, fmt::format("{}", outcome));
}

// Where `part` first stands in `text`. The C library's search is linear whatever the two are, and
// most texts do not have the part at all.
size_t FirstOf(std::string_view part, std::string_view text) {
  const void* at = memmem(text.data(), text.size(), part.data(), part.size());
  return at == nullptr ? std::string_view::npos
                       : static_cast<size_t>(static_cast<const char*>(at) - text.data());
}

// Several words, one after the other. Of those before the last, `seen` have just been seen.
bool HasWords(const Term& term, std::string_view folded) {
  if (FirstOf(term.words[0], folded) == std::string_view::npos) return false;
  const size_t last = term.words.size() - 1;
  size_t seen = 0;
  size_t at = 0;
  std::string_view word;
  while (!(word = NextWord(folded, &at)).empty()) {
    if (seen == last) {
      const std::string& wanted = term.words[last];
      if (term.last_is_prefix ? word.starts_with(wanted) : word == wanted) return true;
    }
    while (seen > 0 && (seen == last || word != term.words[seen])) seen = term.borders[seen - 1];
    if (word == term.words[seen]) ++seen;
  }
  return false;
}

// One word or a phrase, from word border to word border.
bool HasSought(const Term& term, std::string_view folded) {
  const std::string_view sought = term.sought;
  size_t seen = 0;
  for (size_t at = FirstOf(sought, folded); at < folded.size(); ++at) {
    while (seen > 0 && folded[at] != sought[seen]) seen = term.borders[seen - 1];
    if (folded[at] == sought[seen]) ++seen;
    if (seen < sought.size()) continue;
    const size_t end = at + 1;
    if (!InsideWord(folded, end - sought.size()) &&
        (term.last_is_prefix || !InsideWord(folded, end))) {
      return true;
    }
    seen = term.borders[seen - 1];
  }
  return false;
}

// One record's judge: texts are folded once, and only when a term asks.
class Judge {
 public:
  explicit Judge(const RecordView& view) : view_(view) {}

  bool Holds(const Expression& expression, const RecordView::Target* target) {
    switch (expression.kind) {
      case Expression::Kind::kAnd:
        return std::all_of(expression.children.begin(), expression.children.end(),
                           [&](const Expression& child) { return Holds(child, target); });
      case Expression::Kind::kOr:
        return std::any_of(expression.children.begin(), expression.children.end(),
                           [&](const Expression& child) { return Holds(child, target); });
      case Expression::Kind::kNot:
        return !Holds(expression.children[0], target);
      case Expression::Kind::kTarget:
        return std::any_of(
            view_.targets.begin(), view_.targets.end(),
            [&](const RecordView::Target& one) { return Holds(expression.children[0], &one); });
      case Expression::Kind::kTerm:
        return HoldsTerm(expression.term, target);
    }
    return false;
  }

 private:
  bool HoldsTerm(const Term& term, const RecordView::Target* target) {
    switch (term.field) {
      case Field::kTargetType:
        return target != nullptr && MatchesValue(term, target->type);
      case Field::kTargetId:
        return target != nullptr && MatchesValue(term, target->id);
      case Field::kTargetName:
        return target != nullptr && MatchesValue(term, target->name);
      case Field::kOutcome:
        return MatchesOutcome(term, view_.outcome);
      case Field::kLabel:
        return std::any_of(view_.labels.begin(), view_.labels.end(),
                           [&](const RecordView::Label& label) {
                             return label.key == term.label_key && MatchesValue(term, label.value);
                           });
      case Field::kTime:
        return Within(term.times, record::FromNs(view_.received_at_ns));
      case Field::kOccurred:
        return Within(term.times, view_.occurred_at);
      case Field::kIndex:
        return term.indexes.low <= view_.index.value && view_.index.value < term.indexes.high;
      case Field::kText:
        return InTexts(term, Texts());
      case Field::kReason:
        return InReason(term);
      default:
        return MatchesValue(term, view_.Value(term.field));
    }
  }

  static bool InText(const Term& term, std::string_view folded) {
    return term.sought.empty() ? HasWords(term, folded) : HasSought(term, folded);
  }
  static bool InTexts(const Term& term, const std::vector<std::string>& texts) {
    return std::any_of(texts.begin(), texts.end(),
                       [&](const std::string& text) { return InText(term, text); });
  }
  bool InReason(const Term& term) {
    if (view_.reason.empty()) return false;
    if (!reason_) Fold(view_.reason, &reason_.emplace());
    return InText(term, *reason_);
  }

  const std::vector<std::string>& Texts() {
    if (!texts_) {
      texts_.emplace();
      view_.EachText([&](std::string_view text) { Fold(text, &texts_->emplace_back()); });
    }
    return *texts_;
  }

  const RecordView& view_;
  std::optional<std::vector<std::string>> texts_;  // folded
  std::optional<std::string> reason_;              // folded
};

}  // namespace

bool Matches(const Expression& expression, const RecordView& view) {
  return Judge(view).Holds(expression, nullptr);
}

}  // namespace graven::query
