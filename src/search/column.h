#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "query/field.h"
#include "query/record_view.h"

namespace graven::search {

// A field whose values can be counted, and what a record has of it.
class Column {
 public:
  // "action", "actor", "label.env". kInvalidArgument, field `field`: there is no such field, or it
  // has no values to count (times, index, words).
  static absl::StatusOr<Column> Find(std::string_view name);

  query::Field field() const { return facts_->field; }
  const std::string& label_key() const { return label_key_; }
  // The field's own name, with the label's key.
  std::string name() const;

  // Each value of the record once, without empty ones (a label's may be). `number` keeps the text
  // of an outcome that has no word; the values are views into it or the record.
  void Collect(const query::RecordView& view, std::string* number,
               std::vector<std::string_view>* values) const;

 private:
  const query::FieldFacts* facts_ = nullptr;
  std::string label_key_;
};

}  // namespace graven::search
