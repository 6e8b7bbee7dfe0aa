#pragma once

#include <string>

#include "query/expression.h"
#include "query/field.h"

// From a field and what is written behind it to a term. Parser's own.
namespace graven::query {

struct FieldName {
  const FieldFacts* facts = nullptr;
  std::string label_key;  // of Field::kLabel
};

// A value as it was written, without quotes, escapes and the star.
struct Literal {
  std::string text;
  bool is_quoted = false;
  bool has_star = false;
};

// False: `*why` says what would be right.
bool ReadTerm(const FieldName& field, const Literal& literal, Term* term, std::string* why);

}  // namespace graven::query
