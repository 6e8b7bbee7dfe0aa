#include <algorithm>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "record/rules.h"

namespace graven::record {

struct SchemaSet::Entry {
  MessageSchema own;
  const MessageSchema* schema = &own;  // or a built-in one
  std::vector<FieldRule> rows;
  bool defined = false;
  bool accepted = false;
};

SchemaSet::SchemaSet() {
  for (const MessageSchema* schema : BuiltInSchemas()) {
    if (!schema->name.starts_with("google.protobuf.")) continue;
    auto entry = std::make_unique<Entry>();
    entry->schema = schema;
    entry->defined = true;
    entry->accepted = true;
    entries_.emplace(schema->name, std::move(entry));
  }
}

SchemaSet::~SchemaSet() = default;

const MessageSchema* SchemaSet::Declare(std::string_view full_name) {
  auto it = entries_.find(full_name);
  if (it == entries_.end()) {
    std::string_view name = names_.emplace_back(full_name);
    it = entries_.emplace(name, std::make_unique<Entry>()).first;
    it->second->own.name = name;
  }
  return it->second->schema;
}

absl::Status SchemaSet::Define(std::string_view full_name, std::vector<FieldRule> rows,
                               bool accepted) {
  Declare(full_name);
  Entry& entry = *entries_.find(full_name)->second;
  if (entry.defined) {
    return absl::AlreadyExistsError(fmt::format("{} is defined already", full_name));
  }
  if (rows.size() > kFieldsPerMessageMax) {
    return absl::InvalidArgumentError(
        fmt::format("{} has {} fields; at most {}", full_name, rows.size(), kFieldsPerMessageMax));
  }
  std::ranges::sort(rows, {}, &FieldRule::number);
  for (size_t i = 0; i < rows.size(); ++i) {
    FieldRule& row = rows[i];
    if (row.number == 0 || row.number >= (1U << 29)) {
      return absl::InvalidArgumentError(
          fmt::format("{}.{} has the number {}", full_name, row.name, row.number));
    }
    if (i > 0 && rows[i - 1].number == row.number) {
      return absl::InvalidArgumentError(
          fmt::format("{} has two fields of number {}", full_name, row.number));
    }
    if (row.required && i >= 64) {
      return absl::InvalidArgumentError(
          fmt::format("{}.{} is required and behind the 64th field", full_name, row.name));
    }
    if (row.required) entry.own.required_rows |= uint64_t{1} << i;
    row.name = names_.emplace_back(row.name);
    if (row.number < entry.own.by_number.size()) {
      entry.own.by_number[row.number] = static_cast<uint8_t>(i + 1);
    }
  }
  entry.rows = std::move(rows);
  entry.own.fields = entry.rows;
  entry.defined = true;
  entry.accepted = accepted;
  return absl::OkStatus();
}

const MessageSchema* SchemaSet::FindAccepted(std::string_view full_name) const {
  auto it = entries_.find(full_name);
  if (it == entries_.end() || !it->second->defined || !it->second->accepted) return nullptr;
  return it->second->schema;
}

std::string_view SchemaSet::FirstUndefined() const {
  for (const auto& [name, entry] : entries_) {
    if (!entry->defined) return name;
  }
  return {};
}

}  // namespace graven::record
