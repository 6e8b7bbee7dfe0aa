#include "query/field.h"

#include "base/check.h"

namespace graven::query {
namespace {

using enum FieldKind;

constexpr FieldFacts kFields[] = {
    {Field::kActorId, "actor.id", "actor", kExact, false, "who did it"},
    {Field::kActorType, "actor.type", "", kExact, false, "kind of actor"},
    {Field::kActorName, "actor.name", "", kExact, false, "the actor's name for people"},
    {Field::kAction, "action", "", kExact, false, "what was done; action:invoice.* for all below"},
    {Field::kTargetType, "target.type", "", kExact, true, "kind of thing it was done to"},
    {Field::kTargetId, "target.id", "target", kExact, true, "the thing it was done to"},
    {Field::kTargetName, "target.name", "", kExact, true, "the thing's name for people"},
    {Field::kOutcome, "outcome", "", kOutcome, false, "success, failure, denied or unknown"},
    {Field::kReason, "reason", "", kWords, false, "words of the reason of the outcome"},
    {Field::kService, "service", "", kExact, false, "the service that saw it"},
    {Field::kIp, "ip", "", kAddress, false, "address of the caller, or a network: ip:10.0.0.0/8"},
    {Field::kTrace, "trace", "", kExact, false, "id of the trace"},
    {Field::kSpan, "span", "", kExact, false, "id of the span"},
    {Field::kRequest, "request", "", kExact, false, "id of the request"},
    {Field::kSession, "session", "", kExact, false, "id of the session"},
    {Field::kCorrelation, "correlation", "", kExact, false, "correlation id"},
    {Field::kEventId, "event_id", "", kExact, false, "id of the event"},
    {Field::kLabel, "label", "", kExact, false, "value of one label: label.env:prod"},
    {Field::kWrittenBy, "written_by", "", kExact, false, "identity that wrote it, as proven"},
    {Field::kTime, "time", "", kTime, false, "when the log received it"},
    {Field::kOccurred, "occurred", "", kTime, false, "when it happened, says the client"},
    {Field::kIndex, "index", "", kIndex, false, "position in the log"},
    {Field::kText, "text", "", kWords, false,
     "words of action, names, labels, reason and details; the same as without a field"},
};
static_assert(std::size(kFields) == kFieldCount);

}  // namespace

std::span<const FieldFacts> Fields() { return kFields; }

const FieldFacts& FactsOf(Field field) {
  const FieldFacts& facts = kFields[static_cast<size_t>(field)];
  GRAVEN_CHECK(facts.field == field);
  return facts;
}

const FieldFacts* FindField(std::string_view name) {
  for (const FieldFacts& facts : kFields) {
    if (facts.field == Field::kLabel) continue;
    if (name == facts.name || (!facts.alias.empty() && name == facts.alias)) return &facts;
  }
  return nullptr;
}

std::optional<std::string_view> OutcomeWord(int32_t outcome) {
  constexpr std::string_view kWordsOfOutcome[] = {"unknown", "success", "failure", "denied"};
  if (outcome < 0 || static_cast<size_t>(outcome) >= std::size(kWordsOfOutcome)) return {};
  return kWordsOfOutcome[outcome];
}

}  // namespace graven::query
