#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

// The fields that a query can name, one table for parser, matcher, index, facets and docs.
namespace graven::query {

enum class Field : uint8_t {
  kActorId,
  kActorType,
  kActorName,
  kAction,
  kTargetType,
  kTargetId,
  kTargetName,
  kOutcome,
  kReason,
  kService,
  kIp,
  kTrace,
  kSpan,
  kRequest,
  kSession,
  kCorrelation,
  kEventId,
  kLabel,  // one field for each key: label.KEY
  kWrittenBy,
  kTime,
  kOccurred,
  kIndex,
  kText,
};
inline constexpr size_t kFieldCount = static_cast<size_t>(Field::kText) + 1;

// What may be said of a field, and how a value is compared.
enum class FieldKind : uint8_t {
  kExact,    // bytes: equal, or a prefix
  kOutcome,  // one of the words of OutcomeWord
  kAddress,  // bytes as kExact, or a network
  kTime,     // ranges of time
  kIndex,    // ranges of whole numbers
  kWords,    // words, prefixes of words and phrases
};

struct FieldFacts {
  Field field;
  std::string_view name;   // "actor.id"; of labels "label", without the key
  std::string_view alias;  // "actor"; "" for none
  FieldKind kind;
  bool of_target = false;    // there may be several, each belonging to one target
  std::string_view meaning;  // one line, for docs and completion
};

// In the order of the enum.
std::span<const FieldFacts> Fields();
const FieldFacts& FactsOf(Field field);

// By name or alias, without label keys ("label" alone is no field). Nothing: unknown.
const FieldFacts* FindField(std::string_view name);

// "unknown", "success", "failure", "denied"; nothing for a value without a word.
std::optional<std::string_view> OutcomeWord(int32_t outcome);

}  // namespace graven::query
