#include "query/parser.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/encoding.h"
#include "base/log_index.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "fmt/format.h"
#include "query/quoted.h"
#include "query/term_reader.h"
#include "record/utf8.h"

namespace graven::query {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool EndsWord(char c) { return IsSpace(c) || c == '(' || c == ')' || c == '"'; }

// In characters, from 1.
size_t ColumnOf(std::string_view text, size_t at) {
  const std::string_view before = text.substr(0, at);
  return 1 + static_cast<size_t>(std::count_if(before.begin(), before.end(), [](char c) {
           return (static_cast<uint8_t>(c) & 0xC0) != 0x80;
         }));
}

// The first one that is no white space. A canonical form is one line of a signed text.
size_t ControlCharacter(std::string_view text) {
  for (size_t at = 0; at < text.size(); ++at) {
    const auto c = static_cast<uint8_t>(text[at]);
    if ((c < ' ' && !IsSpace(text[at])) || c == 0x7F) return at;
  }
  return std::string_view::npos;
}

Expression Node(Expression::Kind kind, std::vector<Expression> children) {
  Expression node;
  node.kind = kind;
  node.children = std::move(children);
  return node;
}

// kAnd or kOr over `parts`: those of the same kind are taken apart, one alone is itself.
Expression Combine(Expression::Kind kind, std::vector<Expression> parts) {
  std::vector<Expression> flat;
  for (Expression& part : parts) {
    if (part.kind == kind) {
      std::move(part.children.begin(), part.children.end(), std::back_inserter(flat));
    } else {
      flat.push_back(std::move(part));
    }
  }
  if (flat.size() == 1) return std::move(flat[0]);
  return Node(kind, std::move(flat));
}

Expression Negate(Expression expression) {
  if (expression.kind == Expression::Kind::kNot) {
    Expression inner = std::move(expression.children[0]);
    return inner;
  }
  std::vector<Expression> one;
  one.push_back(std::move(expression));
  return Node(Expression::Kind::kNot, std::move(one));
}

Expression OneTarget(std::vector<Expression> parts) {
  std::vector<Expression> one;
  one.push_back(Combine(Expression::Kind::kAnd, std::move(parts)));
  return Node(Expression::Kind::kTarget, std::move(one));
}

bool HasNot(const Expression& expression) {
  return expression.kind == Expression::Kind::kNot ||
         std::any_of(expression.children.begin(), expression.children.end(), HasNot);
}

// Each term about a target of its own.
Expression EachItsTarget(Expression expression) {
  if (expression.kind == Expression::Kind::kTerm) {
    std::vector<Expression> one;
    one.push_back(std::move(expression));
    return OneTarget(std::move(one));
  }
  for (Expression& child : expression.children) child = EachItsTarget(std::move(child));
  return expression;
}

// What a primary is. `of_target`: made of terms of target.* fields that want to be about the same
// target as those beside them; they are not below a kTarget yet.
struct Operand {
  Expression expression;
  bool of_target = false;
};

// Where one stands in the text, and what has been counted.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  absl::StatusOr<Query> ParseWhole() {
    SkipSpace();
    Query query;
    if (AtEnd()) return query;
    ASSIGN_OR_RETURN(query.root, ParseOr(nullptr));
    if (!AtEnd()) return ErrorAt(at_, "there is no ( for this )");
    return query;
  }

  // Leaves the version of a canonical form behind.
  absl::Status TakeVersion() {
    SkipSpace();
    size_t digits = at_ + 1;
    while (digits < text_.size() && text_[digits] >= '0' && text_[digits] <= '9') ++digits;
    if (AtEnd() || text_[at_] != 'v' || digits == at_ + 1) return absl::OkStatus();
    if (digits >= text_.size() || text_[digits] != ':') return absl::OkStatus();
    if (digits + 1 < text_.size() && !IsSpace(text_[digits + 1])) return absl::OkStatus();
    if (text_.substr(at_, digits + 1 - at_) != kCanonicalPrefix) {
      return ErrorAt(at_, "this version of the query language is not known here; known: v1");
    }
    at_ = digits + 1;
    bytes_max_ = kCanonicalBytesMax;
    return absl::OkStatus();
  }

  absl::Status CheckLength() const {
    if (text_.size() <= bytes_max_) return absl::OkStatus();
    return absl::InvalidArgumentError(
        fmt::format("column 1: the query has {} bytes; at most {}", text_.size(), bytes_max_));
  }

 private:
  bool AtEnd() const { return at_ >= text_.size(); }
  bool StartsWith(std::string_view what) const { return text_.substr(at_).starts_with(what); }
  void SkipSpace() {
    while (!AtEnd() && IsSpace(text_[at_])) ++at_;
  }

  absl::Status ErrorAt(size_t at, std::string_view what) const {
    return absl::InvalidArgumentError(fmt::format("column {}: {}", ColumnOf(text_, at), what));
  }

  // Takes the operator `word` when it comes next.
  bool TakeOperator(std::string_view word) {
    if (!StartsWith(word)) return false;
    const size_t end = at_ + word.size();
    if (end < text_.size() && !EndsWord(text_[end])) return false;
    at_ = end;
    SkipSpace();
    return true;
  }

  // In these `values` is the field of a parenthesis behind one; nullptr elsewhere.
  absl::StatusOr<Expression> ParseOr(const FieldName* values) {
    std::vector<Expression> parts;
    do {
      ASSIGN_OR_RETURN(Expression part, ParseAnd(values));
      parts.push_back(std::move(part));
    } while (TakeOperator("OR"));
    return Combine(Expression::Kind::kOr, std::move(parts));
  }

  absl::StatusOr<Expression> ParseAnd(const FieldName* values) {
    std::vector<Expression> parts;
    std::vector<Expression> of_target;
    size_t target_at = 0;
    do {
      ASSIGN_OR_RETURN(Operand operand, ParseNot(values));
      if (!operand.of_target || values != nullptr) {
        parts.push_back(std::move(operand.expression));
        continue;
      }
      if (of_target.empty()) {
        target_at = parts.size();
        parts.emplace_back();
      }
      of_target.push_back(std::move(operand.expression));
    } while (TakeOperator("AND") || AnotherFollows());
    if (!of_target.empty()) parts[target_at] = OneTarget(std::move(of_target));
    return Combine(Expression::Kind::kAnd, std::move(parts));
  }

  bool AnotherFollows() const {
    if (AtEnd() || text_[at_] == ')') return false;
    Parser ahead = *this;
    return !ahead.TakeOperator("OR");
  }

  absl::StatusOr<Operand> ParseNot(const FieldName* values) {
    bool negated = false;
    bool any = false;
    while (TakeOperator("NOT")) {
      negated = !negated;
      any = true;
    }
    ASSIGN_OR_RETURN(Operand operand, ParsePrimary(values));
    if (!any) return operand;
    // Whatever is below a NOT is about a target of its own.
    if (operand.of_target && values == nullptr) {
      std::vector<Expression> one;
      one.push_back(std::move(operand.expression));
      operand.expression = OneTarget(std::move(one));
    }
    if (values == nullptr) operand.of_target = false;
    if (negated) operand.expression = Negate(std::move(operand.expression));
    return operand;
  }

  absl::StatusOr<Operand> ParsePrimary(const FieldName* values) {
    if (AtEnd() || text_[at_] == ')') return ErrorAt(at_, "a term is missing");
    if (text_[at_] == '(') {
      Operand operand;
      ASSIGN_OR_RETURN(operand.expression, ParseParenthesis(values));
      operand.of_target = values != nullptr && values->facts->of_target;
      return operand;
    }
    const size_t start = at_;
    for (const std::string_view word : {"AND", "OR"}) {
      if (TakeOperator(word)) {
        return ErrorAt(start,
                       fmt::format("a term is missing before {}; as a word: \"{}\"", word, word));
      }
    }
    if (values != nullptr) return ParseTerm(*values);
    ASSIGN_OR_RETURN(const std::optional<FieldName> field, TakeField());
    if (!field) return ParseTerm(FieldName{&FactsOf(Field::kText), ""});
    if (AtEnd() || text_[at_] != '(') return ParseTerm(*field);
    return ParseValues(*field);
  }

  absl::StatusOr<Expression> ParseParenthesis(const FieldName* values) {
    const size_t start = at_;
    if (++depth_ > kQueryDepthMax) {
      return ErrorAt(start, fmt::format("parentheses nest deeper than {}", kQueryDepthMax));
    }
    ++at_;
    SkipSpace();
    ASSIGN_OR_RETURN(Expression inner, ParseOr(values));
    if (AtEnd()) return ErrorAt(start, "there is no ) for this (");
    ++at_;
    SkipSpace();
    --depth_;
    return inner;
  }

  // field:( ... )
  absl::StatusOr<Operand> ParseValues(const FieldName& field) {
    Operand operand;
    ASSIGN_OR_RETURN(operand.expression, ParseParenthesis(&field));
    operand.of_target = field.facts->of_target;
    if (operand.of_target && HasNot(operand.expression)) {
      operand.expression = EachItsTarget(std::move(operand.expression));
      operand.of_target = false;
    }
    return operand;
  }

  // "name:", or the name before ">=" or "<=", when one comes next. Nothing: a word or a quote.
  absl::StatusOr<std::optional<FieldName>> TakeField() {
    const size_t start = at_;
    if (StartsWith("label.\"")) return TakeQuotedLabel();
    size_t end = at_;
    while (end < text_.size() && !EndsWord(text_[end]) && text_[end] != ':' &&
           !text_.substr(end).starts_with(">=") && !text_.substr(end).starts_with("<=")) {
      ++end;
    }
    if (end == text_.size() || EndsWord(text_[end])) return std::nullopt;
    const std::string_view name = text_.substr(start, end - start);
    at_ = text_[end] == ':' ? end + 1 : end;
    FieldName field;
    constexpr std::string_view kLabelPrefix = "label.";
    if (name.starts_with(kLabelPrefix)) {
      field = {&FactsOf(Field::kLabel), std::string(name.substr(kLabelPrefix.size()))};
      RETURN_IF_ERROR(CheckKey(field, start));
    } else {
      field.facts = FindField(name);
      if (field.facts == nullptr) return NoSuchField(start, name);
    }
    return field;
  }

  absl::StatusOr<std::optional<FieldName>> TakeQuotedLabel() {
    const size_t start = at_;
    at_ += std::string_view("label.").size();
    FieldName field{&FactsOf(Field::kLabel), ""};
    ASSIGN_OR_RETURN(field.label_key, TakeQuoted());
    RETURN_IF_ERROR(CheckKey(field, start));
    if (AtEnd() || text_[at_] != ':') return ErrorAt(at_, "a : is missing behind the label's key");
    ++at_;
    return field;
  }

  absl::Status CheckKey(const FieldName& field, size_t at) const {
    if (field.label_key.empty()) return ErrorAt(at, "the label's key is missing: label.KEY:value");
    if (field.label_key.size() <= kLabelKeyBytesMax) return absl::OkStatus();
    return ErrorAt(at, fmt::format("the label's key has {} bytes; at most {}",
                                   field.label_key.size(), kLabelKeyBytesMax));
  }

  absl::Status NoSuchField(size_t at, std::string_view name) const {
    std::string known;
    for (const FieldFacts& facts : Fields()) {
      if (!known.empty()) known += ", ";
      known += facts.name;
      if (facts.field == Field::kLabel) known += ".KEY";
    }
    std::string lower(name);
    for (char& c : lower) {
      if ('A' <= c && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    }
    const FieldFacts* meant = FindField(lower);
    return ErrorAt(
        at,
        fmt::format("there is no field \"{}\"{} (a word with a : goes into quotes); "
                    "the fields are {}",
                    SafeText(name.substr(0, 64)),
                    meant == nullptr ? "" : fmt::format(", did you mean {}?", meant->name), known));
  }

  absl::StatusOr<std::string> TakeQuoted() {
    const size_t start = at_;
    std::string value;
    size_t problem = 0;
    const char* why = Unquote(text_.substr(start), &value, &problem);
    if (why != nullptr) return ErrorAt(start + problem, why);
    at_ = start + problem;
    return value;
  }

  // A value: quoted, or a word up to white space, parenthesis or quote.
  absl::StatusOr<Operand> ParseTerm(const FieldName& field) {
    const size_t start = at_;
    Literal literal;
    if (!AtEnd() && text_[at_] == '"') {
      literal.is_quoted = true;
      ASSIGN_OR_RETURN(literal.text, TakeQuoted());
      if (!AtEnd() && text_[at_] == '*') {
        literal.has_star = true;
        ++at_;
      }
      if (!AtEnd() && !EndsWord(text_[at_])) return ErrorAt(at_, "a space is missing here");
    } else {
      size_t end = at_;
      while (end < text_.size() && !EndsWord(text_[end])) ++end;
      std::string_view word = text_.substr(at_, end - at_);
      if (const size_t star = word.find('*'); star != std::string_view::npos) {
        if (star + 1 != word.size()) {
          return ErrorAt(at_ + star, "a * stands at the end only; as itself it goes into quotes");
        }
        literal.has_star = true;
        word.remove_suffix(1);
      }
      literal.text = std::string(word);
      at_ = end;
    }
    if (!AtEnd() && text_[at_] == '"') return ErrorAt(at_, "a space is missing before this quote");
    if (++terms_ > kQueryTermsMax) {
      return ErrorAt(start, fmt::format("more than {} terms", kQueryTermsMax));
    }
    SkipSpace();
    Operand operand;
    operand.expression.kind = Expression::Kind::kTerm;
    operand.of_target = field.facts->of_target;
    std::string why;
    if (!ReadTerm(field, literal, &operand.expression.term, &why)) return ErrorAt(start, why);
    return operand;
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t bytes_max_ = kQueryBytesMax;
  int depth_ = 0;
  int terms_ = 0;
};

}  // namespace

absl::StatusOr<Query> Parse(std::string_view text) {
  if (text.size() > kCanonicalBytesMax) {
    return absl::InvalidArgumentError(
        fmt::format("column 1: the query has {} bytes; at most {}", text.size(), kQueryBytesMax));
  }
  if (!record::IsUtf8(text)) {
    return absl::InvalidArgumentError("column 1: the query is not UTF-8");
  }
  if (const size_t at = ControlCharacter(text); at != std::string_view::npos) {
    return absl::InvalidArgumentError(fmt::format(
        "column {}: a control character goes into quotes as \\uXXXX", ColumnOf(text, at)));
  }
  Parser parser(text);
  RETURN_IF_ERROR(parser.TakeVersion());
  RETURN_IF_ERROR(parser.CheckLength());
  return parser.ParseWhole();
}

}  // namespace graven::query
