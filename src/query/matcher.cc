#include "query/matcher.h"

#include <algorithm>
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

bool HasWords(const Term& term, std::string_view folded) {
  // Where a run of the first words may have begun: how many words of each run have been seen.
  std::vector<size_t> runs;
  size_t at = 0;
  std::string_view word;
  while (!(word = NextWord(folded, &at)).empty()) {
    runs.push_back(0);
    size_t kept = 0;
    for (const size_t seen : runs) {
      const std::string& wanted = term.words[seen];
      const bool last = seen + 1 == term.words.size();
      const bool same = last && term.last_is_prefix ? word.starts_with(wanted) : word == wanted;
      if (!same) continue;
      if (last) return true;
      runs[kept++] = seen + 1;
    }
    runs.resize(kept);
  }
  return false;
}

bool HasPhrase(std::string_view phrase, std::string_view folded) {
  for (size_t at = folded.find(phrase); at != std::string_view::npos;
       at = folded.find(phrase, at + 1)) {
    if (!InsideWord(folded, at) && !InsideWord(folded, at + phrase.size())) return true;
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

  bool InText(const Term& term, std::string_view folded) {
    if (term.match == Match::kWords) return HasWords(term, folded);
    std::string phrase;
    Fold(term.value, &phrase);
    return HasPhrase(phrase, folded);
  }
  bool InTexts(const Term& term, const std::vector<std::string>& texts) {
    return std::any_of(texts.begin(), texts.end(),
                       [&](const std::string& text) { return InText(term, text); });
  }
  bool InReason(const Term& term) {
    if (view_.reason.empty()) return false;
    std::string folded;
    Fold(view_.reason, &folded);
    return InText(term, folded);
  }

  const std::vector<std::string>& Texts() {
    if (!texts_) {
      texts_.emplace();
      view_.EachText([&](std::string_view text) { Fold(text, &texts_->emplace_back()); });
    }
    return *texts_;
  }

  const RecordView& view_;
  std::optional<std::vector<std::string>> texts_;
};

}  // namespace

bool Matches(const Expression& expression, const RecordView& view) {
  return Judge(view).Holds(expression, nullptr);
}

}  // namespace graven::query
