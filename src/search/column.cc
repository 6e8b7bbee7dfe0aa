#include "search/column.h"

#include <algorithm>

#include "engine/error_details.h"
#include "fmt/format.h"

namespace graven::search {
namespace {

void Push(std::string_view value, std::vector<std::string_view>* values) {
  if (!value.empty()) values->push_back(value);
}

}  // namespace

absl::StatusOr<Column> Column::Find(std::string_view name) {
  constexpr std::string_view kLabelPrefix = "label.";
  Column column;
  if (name.starts_with(kLabelPrefix) && name.size() > kLabelPrefix.size()) {
    column.facts_ = &query::FactsOf(query::Field::kLabel);
    column.label_key_ = name.substr(kLabelPrefix.size());
    return column;
  }
  column.facts_ = query::FindField(name);
  if (column.facts_ == nullptr) {
    return engine::InvalidField("field", "there is no such field; docs/search.md has the list");
  }
  switch (column.facts_->kind) {
    case query::FieldKind::kExact:
    case query::FieldKind::kAddress:
    case query::FieldKind::kOutcome:
      return column;
    case query::FieldKind::kTime:
    case query::FieldKind::kIndex:
    case query::FieldKind::kWords:
      break;
  }
  return engine::InvalidField("field",
                              fmt::format("{} has no values to count", column.facts_->name));
}

std::string Column::name() const {
  std::string name(facts_->name);
  if (!label_key_.empty()) name += "." + label_key_;
  return name;
}

void Column::Collect(const query::RecordView& view, std::string* number,
                     std::vector<std::string_view>* values) const {
  values->clear();
  switch (facts_->field) {
    case query::Field::kOutcome:
      if (const auto word = query::OutcomeWord(view.outcome)) {
        values->push_back(*word);
      } else {
        *number = fmt::format("{}", view.outcome);
        values->push_back(*number);
      }
      return;
    case query::Field::kLabel:
      for (const auto& label : view.labels) {
        if (label.key == label_key_) values->push_back(label.value);
      }
      break;
    case query::Field::kTargetType:
      for (const auto& target : view.targets) Push(target.type, values);
      break;
    case query::Field::kTargetId:
      for (const auto& target : view.targets) Push(target.id, values);
      break;
    case query::Field::kTargetName:
      for (const auto& target : view.targets) Push(target.name, values);
      break;
    default:
      Push(view.Value(facts_->field), values);
      return;
  }
  std::sort(values->begin(), values->end());
  values->erase(std::unique(values->begin(), values->end()), values->end());
}

}  // namespace graven::search
