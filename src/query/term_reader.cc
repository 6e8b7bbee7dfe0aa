#include "query/term_reader.h"

#include <optional>
#include <string_view>
#include <utility>

#include "base/encoding.h"
#include "base/log_index.h"
#include "fmt/format.h"
#include "query/address.h"
#include "query/quoted.h"
#include "query/text.h"
#include "query/time_literal.h"

namespace graven::query {
namespace {

bool Refuse(std::string_view why_not, std::string* why) {
  *why = why_not;
  return false;
}

bool LooksLikeRange(std::string_view text) {
  return text.starts_with(">=") || text.starts_with("<=");
}

bool ReadExact(const Literal& literal, Term* term, std::string* why) {
  if (!literal.is_quoted && LooksLikeRange(literal.text)) {
    return Refuse("only time, occurred and index have a greater and a less", why);
  }
  if (!literal.is_quoted && !literal.has_star && literal.text.empty()) {
    return Refuse("a value is missing; an empty one is \"\"", why);
  }
  term->match = literal.has_star ? Match::kPrefix : Match::kEquals;
  term->value = literal.text;
  return true;
}

bool ReadAddress(const Literal& literal, Term* term, std::string* why) {
  if (!literal.is_quoted && !literal.has_star) {
    if (const std::optional<Network> network = ParseNetwork(literal.text)) {
      term->match = Match::kNetwork;
      term->network = *network;
      return true;
    }
    if (literal.text.find('/') != std::string::npos) {
      return Refuse("not a network; right would be 10.0.0.0/8 or 2001:db8::/32", why);
    }
  }
  return ReadExact(literal, term, why);
}

// "DENIED" is how the event's own JSON writes it.
std::string MeantOutcome(std::string_view text) {
  std::string word;
  for (const char c : text) word += 'A' <= c && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  if (word.starts_with("outcome_")) word.erase(0, 8);
  for (int32_t outcome = 0; const auto known = OutcomeWord(outcome); ++outcome) {
    if (word == *known) return fmt::format("; did you mean {}?", word);
  }
  return "";
}

bool ReadOutcome(const Literal& literal, Term* term, std::string* why) {
  const std::string right =
      "an outcome is success, failure, denied or unknown" + MeantOutcome(literal.text);
  if (literal.has_star) return Refuse(right, why);
  term->match = Match::kEquals;
  for (int32_t outcome = 0; const auto word = OutcomeWord(outcome); ++outcome) {
    if (literal.text == *word || literal.text == fmt::format("{}", outcome)) {
      term->value = *word;
      return true;
    }
  }
  // A value that this version has no word for.
  const std::optional<uint64_t> number = ParseDecimal(literal.text);
  if (!number || *number > INT32_MAX) return Refuse(right, why);
  term->value = literal.text;
  return true;
}

// ">=a", "<=b", "a..b", "a..", "..b" or "a", taken apart. `low` and `high` are "" when not said.
struct Range {
  std::string_view low, high;
  bool through_high = false;  // "<=": all of what `high` names belongs to it
  bool is_one = false;        // "a": low is all that was said
};

Range SplitRange(std::string_view text) {
  if (text.starts_with(">=")) return {text.substr(2), ""};
  if (text.starts_with("<=")) return {"", text.substr(2), true};
  if (const size_t dots = text.find(".."); dots != std::string_view::npos) {
    return {text.substr(0, dots), text.substr(dots + 2)};
  }
  return {text, "", false, true};
}

bool ReadTime(const Literal& literal, Term* term, std::string* why) {
  constexpr std::string_view kRight =
      "not a time; right would be 2026-03-01, 2026-03-01T10:15:00+01:00, 2026-03..2026-04, "
      ">=2026-03-01 or <=2026-03-01 (without an offset: UTC)";
  const Range range = SplitRange(literal.text);
  if (literal.has_star || (range.low.empty() && range.high.empty())) return Refuse(kRight, why);
  term->match = Match::kRange;
  if (!range.low.empty()) {
    const std::optional<TimeRange> low = ParseTimeLiteral(range.low);
    if (!low) return Refuse(kRight, why);
    term->times.low = low->low;
    if (range.is_one) term->times.high = low->high;
  }
  if (!range.high.empty()) {
    const std::optional<TimeRange> high = ParseTimeLiteral(range.high);
    if (!high) return Refuse(kRight, why);
    term->times.high = range.through_high ? high->high : high->low;
  }
  if (term->times.low < term->times.high) return true;
  return Refuse("the range ends before it begins (its end does not belong to it)", why);
}

bool ReadIndex(const Literal& literal, Term* term, std::string* why) {
  constexpr std::string_view kRight =
      "not a position; right would be 17, 100..200 (without 200), >=100 or <=200";
  const Range range = SplitRange(literal.text);
  if (literal.has_star || (range.low.empty() && range.high.empty())) return Refuse(kRight, why);
  term->match = Match::kRange;
  if (!range.low.empty()) {
    const std::optional<uint64_t> low = ParseDecimal(range.low);
    if (!low || *low >= kLogIndexLimit) return Refuse(kRight, why);
    term->indexes.low = *low;
    if (range.is_one) term->indexes.high = *low + 1;
  }
  if (!range.high.empty()) {
    // An end that does not belong to the range may be the first number that is no position.
    const std::optional<uint64_t> high = ParseDecimal(range.high);
    const uint64_t beyond = range.through_high ? 1 : 0;
    if (!high || *high > kLogIndexLimit - beyond) return Refuse(kRight, why);
    term->indexes.high = *high + beyond;
  }
  if (term->indexes.low < term->indexes.high) return true;
  return Refuse("the range ends before it begins (its end does not belong to it)", why);
}

// Words as they are shown: quotes would make them a phrase, so that what is hidden in them has no
// spelling. What folding leaves out is left out, what parts words becomes a "-", which does too.
std::string WithoutHidden(std::string_view text) {
  std::string shown;
  std::string folded;
  while (!text.empty()) {
    const std::string_view character = FrontCharacter(text);
    text.remove_prefix(character.size());
    if (!IsHidden(character)) {
      shown += character;
      continue;
    }
    Fold(character, &folded);
    if (!folded.empty()) shown += '-';
  }
  return shown;
}

bool ReadWords(const Literal& written, Term* term, std::string* why) {
  Literal literal = written;
  if (!literal.is_quoted) literal.text = WithoutHidden(written.text);
  if (!literal.is_quoted && LooksLikeRange(literal.text)) {
    return Refuse("only time, occurred and index have a greater and a less", why);
  }
  std::string folded;
  Fold(literal.text, &folded);
  term->value = literal.text;
  term->words = WordsOf(folded);
  if (literal.is_quoted) {
    if (literal.has_star) return Refuse("a phrase takes no *", why);
    if (folded.empty()) return Refuse("the phrase is empty", why);
    term->match = Match::kPhrase;
    term->borders = BordersOf(folded);
    term->sought = std::move(folded);
    return true;
  }
  term->match = Match::kWords;
  term->last_is_prefix = literal.has_star;
  if (term->words.empty()) {
    return Refuse("there is no letter or digit in this word; as it stands it goes into quotes",
                  why);
  }
  if (term->words.size() == 1) term->sought = term->words[0];
  term->borders = term->sought.empty() ? BordersOf(term->words) : BordersOf(term->sought);
  return true;
}

}  // namespace

bool ReadTerm(const FieldName& field, const Literal& literal, Term* term, std::string* why) {
  term->field = field.facts->field;
  term->label_key = field.label_key;
  switch (field.facts->kind) {
    case FieldKind::kExact:
      return ReadExact(literal, term, why);
    case FieldKind::kAddress:
      return ReadAddress(literal, term, why);
    case FieldKind::kOutcome:
      return ReadOutcome(literal, term, why);
    case FieldKind::kTime:
      return ReadTime(literal, term, why);
    case FieldKind::kIndex:
      return ReadIndex(literal, term, why);
    case FieldKind::kWords:
      return ReadWords(literal, term, why);
  }
  return false;
}

}  // namespace graven::query
