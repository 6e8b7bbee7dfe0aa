#include "query/expression.h"

#include <algorithm>

#include "fmt/format.h"
#include "query/address.h"
#include "query/quoted.h"

namespace graven::query {
namespace {

bool IsOperator(std::string_view word) { return word == "AND" || word == "OR" || word == "NOT"; }

// Whether `value` can stand without quotes and mean its own bytes.
bool IsPlain(std::string_view value) {
  if (value.empty() || IsOperator(value)) return false;
  if (value.starts_with(">=") || value.starts_with("<=")) return false;
  const bool is_word = std::none_of(value.begin(), value.end(), [](char c) {
    return c == ' ' || c == '"' || c == '(' || c == ')' || c == '*' || c == '\\';
  });
  return is_word && !HasHidden(value);
}

bool IsPlainKey(std::string_view key) {
  return IsPlain(key) && key.find_first_of(":<>") == std::string_view::npos;
}

void AppendBytes(std::string_view value, std::string* out) {
  if (IsPlain(value)) {
    out->append(value);
  } else {
    AppendQuoted(value, out);
  }
}

void AppendRange(const Term& term, std::string* out) {
  std::string low;
  std::string high;
  if (term.field == Field::kIndex) {
    const IndexRange none;
    if (term.indexes.low != none.low || term.indexes.high == none.high) {
      low = fmt::format("{}", term.indexes.low);
    }
    if (term.indexes.high != none.high) high = fmt::format("{}", term.indexes.high);
  } else {
    const TimeRange none;
    if (term.times.low != none.low) low = record::FormatRfc3339(term.times.low);
    if (term.times.high != none.high) high = record::FormatRfc3339(term.times.high);
  }
  *out += high.empty() ? fmt::format(">={}", low) : fmt::format("{}..{}", low, high);
}

// The value of a term, as it stands behind "field:".
void AppendValue(const Term& term, std::string* out) {
  switch (term.match) {
    case Match::kEquals:
      // What looks like an address or a network and is meant as bytes.
      if (term.field == Field::kIp &&
          (ParseNetwork(term.value) || term.value.find('/') != std::string::npos)) {
        AppendQuoted(term.value, out);
      } else {
        AppendBytes(term.value, out);
      }
      return;
    case Match::kPrefix:
      if (!term.value.empty()) AppendBytes(term.value, out);
      *out += '*';
      return;
    case Match::kRange:
      AppendRange(term, out);
      return;
    case Match::kNetwork:
      *out += FormatNetwork(term.network);
      return;
    case Match::kWords:
      *out += term.value;
      if (term.last_is_prefix) *out += '*';
      return;
    case Match::kPhrase:
      AppendQuoted(term.value, out);
      return;
  }
}

// Whether words of `text` could be taken for something else when no field stands before them.
bool NeedsField(const Term& term) {
  if (term.field != Field::kText) return true;
  if (term.match == Match::kPhrase) return false;
  return IsOperator(term.value) || term.value.find_first_of(":<>") != std::string::npos;
}

void AppendTerm(const Term& term, std::string* out) {
  if (NeedsField(term)) {
    out->append(FactsOf(term.field).name);
    if (term.field == Field::kLabel) {
      *out += '.';
      if (IsPlainKey(term.label_key)) {
        *out += term.label_key;
      } else {
        AppendQuoted(term.label_key, out);
      }
    }
    *out += ':';
  }
  AppendValue(term, out);
}

// Prints what a Query is made of. Parentheses stand where the grammar needs them, no others.
class Printer {
 public:
  explicit Printer(std::string* out) : out_(*out) {}

  void Print(const Expression& expression) {
    switch (expression.kind) {
      case Expression::Kind::kAnd:
        PrintAnd(expression);
        return;
      case Expression::Kind::kOr:
        Join(expression.children, " OR ", [this](const Expression& child) { Print(child); });
        return;
      case Expression::Kind::kNot:
        out_ += "NOT ";
        PrintOperand(expression.children[0]);
        return;
      case Expression::Kind::kTarget:
        PrintTarget(expression.children[0]);
        return;
      case Expression::Kind::kTerm:
        AppendTerm(expression.term, &out_);
        return;
    }
  }

 private:
  template <typename PrintOne>
  void Join(const std::vector<Expression>& children, std::string_view between, PrintOne print) {
    bool first = true;
    for (const Expression& child : children) {
      if (!first) out_ += between;
      first = false;
      print(child);
    }
  }

  void InParentheses(const Expression& expression) {
    out_ += '(';
    Print(expression);
    out_ += ')';
  }

  // The terms of the first target stand as they are; those of others need a parenthesis of their
  // own, or they would be about the first.
  void PrintAnd(const Expression& expression) {
    bool target_seen = false;
    Join(expression.children, " ", [&](const Expression& child) {
      const bool is_target = child.kind == Expression::Kind::kTarget;
      if (child.kind == Expression::Kind::kOr || (is_target && target_seen)) {
        InParentheses(child);
      } else {
        Print(child);
      }
      target_seen = target_seen || is_target;
    });
  }

  void PrintOperand(const Expression& operand) {
    const bool is_target = operand.kind == Expression::Kind::kTarget;
    const Expression::Kind kind = is_target ? operand.children[0].kind : operand.kind;
    if (kind == Expression::Kind::kAnd || (kind == Expression::Kind::kOr && !is_target)) {
      InParentheses(operand);
    } else {
      Print(operand);
    }
  }

  void PrintTarget(const Expression& inner) {
    if (inner.kind != Expression::Kind::kAnd) {
      PrintTargetPart(inner);
      return;
    }
    Join(inner.children, " ", [this](const Expression& child) { PrintTargetPart(child); });
  }

  // A term, or values of one field in a parenthesis behind it.
  void PrintTargetPart(const Expression& part) {
    if (part.kind == Expression::Kind::kTerm) {
      AppendTerm(part.term, &out_);
      return;
    }
    const Expression* leaf = &part;
    while (leaf->kind != Expression::Kind::kTerm) leaf = &leaf->children[0];
    out_ += fmt::format("{}:(", FactsOf(leaf->term.field).name);
    PrintValues(part);
    out_ += ')';
  }

  void PrintValues(const Expression& part) {
    switch (part.kind) {
      case Expression::Kind::kTerm:
        AppendValue(part.term, &out_);
        return;
      case Expression::Kind::kOr:
        Join(part.children, " OR ", [this](const Expression& child) { PrintValues(child); });
        return;
      default:
        Join(part.children, " ", [this](const Expression& child) {
          const bool is_or = child.kind == Expression::Kind::kOr;
          if (is_or) out_ += '(';
          PrintValues(child);
          if (is_or) out_ += ')';
        });
    }
  }

  std::string& out_;
};

int64_t NsOf(record::TimePoint time) {
  return record::ToNs(time).value_or(time.seconds < 0 ? INT64_MIN : INT64_MAX);
}

Bounds Both(const Bounds& a, const Bounds& b) {
  return {{std::max(a.indexes.low, b.indexes.low), std::min(a.indexes.high, b.indexes.high)},
          {std::max(a.received_ns.low, b.received_ns.low),
           std::min(a.received_ns.high, b.received_ns.high)}};
}

Bounds Either(const Bounds& a, const Bounds& b) {
  return {{std::min(a.indexes.low, b.indexes.low), std::max(a.indexes.high, b.indexes.high)},
          {std::min(a.received_ns.low, b.received_ns.low),
           std::max(a.received_ns.high, b.received_ns.high)}};
}

}  // namespace

std::string Canonical(const Query& query) {
  std::string out(kCanonicalPrefix);
  const Expression& root = query.root;
  if (root.kind == Expression::Kind::kAnd && root.children.empty()) return out;
  out += ' ';
  Printer(&out).Print(root);
  return out;
}

size_t TextTerms(const Expression& expression) {
  if (expression.kind == Expression::Kind::kTerm) {
    const Match match = expression.term.match;
    return match == Match::kWords || match == Match::kPhrase ? 1 : 0;
  }
  size_t terms = 0;
  for (const Expression& child : expression.children) terms += TextTerms(child);
  return terms;
}

NsRange ToNs(const TimeRange& range) { return {NsOf(range.low), NsOf(range.high)}; }

Bounds BoundsOf(const Expression& expression) {
  Bounds bounds;
  switch (expression.kind) {
    case Expression::Kind::kAnd:
      for (const Expression& child : expression.children) bounds = Both(bounds, BoundsOf(child));
      return bounds;
    case Expression::Kind::kOr:
      bounds = BoundsOf(expression.children[0]);
      for (const Expression& child : expression.children) bounds = Either(bounds, BoundsOf(child));
      return bounds;
    case Expression::Kind::kNot:
    case Expression::Kind::kTarget:
      return bounds;
    case Expression::Kind::kTerm:
      if (expression.term.field == Field::kIndex) bounds.indexes = expression.term.indexes;
      if (expression.term.field == Field::kTime) bounds.received_ns = ToNs(expression.term.times);
      return bounds;
  }
  return bounds;
}

}  // namespace graven::query
