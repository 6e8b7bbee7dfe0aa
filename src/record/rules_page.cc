#include <string>

#include "fmt/format.h"
#include "record/rules.h"

namespace graven::record {
namespace {

std::string_view CheckText(const FieldRule& rule) {
  switch (rule.check) {
    case Check::kNone:
      return rule.wire == WireType::kBytes ? "any bytes" : "any number";
    case Check::kUtf8:
      return "UTF-8 text";
    case Check::kMessage:
      return rule.message->name;
    case Check::kBool:
      return "0 or 1";
    case Check::kInt32:
      return "32-bit number or enum; unknown values are allowed";
    case Check::kUint32:
      return "unsigned 32-bit number";
    case Check::kFiniteDouble:
      return "finite number";
    case Check::kTimestampSeconds:
      return "years 0001 to 9999";
    case Check::kTimestampNanos:
      return "0 to 999,999,999";
    case Check::kHexHash:
      return "empty or 64 lower-case hex digits";
    case Check::kRfc3339:
      return "RFC 3339 time, at most 9 fractional digits";
  }
  return "";
}

std::string LimitText(const FieldRule& rule) {
  if (rule.bytes_max != 0) return fmt::format("{} bytes", rule.bytes_max);
  if (rule.count_max != 0) return fmt::format("{} of them", rule.count_max);
  return "";
}

std::string NotesText(const FieldRule& rule) {
  std::string text;
  auto add = [&text](std::string_view note) {
    if (!text.empty()) text += ", ";
    text += note;
  };
  if (rule.required) add("required");
  if (rule.repeated) add("repeated");
  if (rule.unique_keys) add("unique keys");
  if (rule.oneof != 0) add("one of a oneof");
  return text;
}

}  // namespace

std::string RulesPage() {
  std::string page =
      "# What is accepted\n\n"
      "Made from the table in `src/record/rules.cc`; a test compares the two. `graven_rules_page`\n"
      "prints this page.\n\n"
      "A violation names the field as a path (`targets[3].id`) and the rule by its id: for a "
      "field's\n"
      "own row `event.action.bytes` (message, field, and one of `required`, `bytes`, `count`,\n"
      "`utf8`, `unique`, `range`, `finite`, `bool`, `int32`, `uint32`, `hash`, `time`), otherwise "
      "one\n"
      "of the general rules. At most 16 are listed for an event. Unknown fields are kept and "
      "reach\n"
      "readers.\n\n"
      "## General rules\n\n| id | rule |\n|---|---|\n";
  for (const GeneralRule& rule : GeneralRules()) {
    page += fmt::format("| `{}` | {} |\n", rule.id, rule.text);
  }
  for (const MessageSchema* schema : BuiltInSchemas()) {
    page +=
        fmt::format("\n## {}\n\n| number | field | content | at most | |\n|---|---|---|---|---|\n",
                    schema->name);
    for (const FieldRule& rule : schema->fields) {
      page += fmt::format("| {} | `{}` | {} | {} | {} |\n", rule.number, rule.name, CheckText(rule),
                          LimitText(rule), NotesText(rule));
    }
    if (schema->needs_kind) page += "\nExactly one of them is there.\n";
    if (schema->is_any) page += "\n`value` is walked as the message that `type_url` names.\n";
  }
  return page;
}

}  // namespace graven::record
