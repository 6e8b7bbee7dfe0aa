#include "engine/append_intake.h"

#include <fmt/format.h>

#include "base/encoding.h"
#include "base/status_macros.h"
#include "engine/authenticator.h"
#include "engine/error_details.h"

namespace graven::engine {
namespace {

// What an event takes in memory and in the journal beside its own bytes, roughly.
constexpr size_t kBytesBesideEvent = 160;
constexpr size_t kEventsKept = 256;

constexpr int64_t kQueueRetryMs = 100;
constexpr int64_t kDiskRetryMs = 5000;

}  // namespace

void Submission::Clear() {
  log = {};
  request = {};
  events.clear();
  assigned_ids.clear();
  // Calls and streams keep their submissions for reuse: a rare large request must not stay.
  if (events.capacity() > kEventsKept) std::vector<sequencer::NewEvent>().swap(events);
  if (assigned_ids.capacity() > kEventsKept) std::vector<std::string>().swap(assigned_ids);
}

AppendIntake::AppendIntake(ledger::Ledger& ledger, const record::RuleContext& rules, Clock& clock,
                           Random& random, AppendMeter& meter)
    : ledger_(ledger), rules_(rules), clock_(clock), meter_(meter), ids_(clock, random) {}

absl::StatusOr<ledger::LogRef> AppendIntake::FindLog(std::string_view name) const {
  ledger::LogRef log = ledger_.FindLog(name);
  if (!log) {
    return WithReason(absl::NotFoundError("there is no log of this name"), reason::kLogNotFound);
  }
  return log;
}

absl::Status AppendIntake::CheckWriter(ledger::LogRef log, const Caller& caller) {
  if (!log.name().starts_with('_') || caller.written_by == kServerIdentity) return absl::OkStatus();
  return WithReason(
      absl::PermissionDeniedError("log: this one is written by the server alone; it may be read"),
      reason::kLogReserved);
}

void AppendIntake::AddEvent(record::BodyKind kind, std::string_view body,
                            const record::EventFacts& facts, Submission* submission) {
  sequencer::NewEvent event;
  event.kind = kind;
  event.body = body;
  event.event_id = facts.event_id;
  event.wants_traceparent = !facts.names_trace;
  if (facts.names_producer) meter_.CountNumbered();
  if (event.event_id.empty()) {
    // 36 characters live on the heap, so the view survives the growth of the vector.
    event.event_id = submission->assigned_ids.emplace_back(ids_.Next());
    event.id_assigned = true;
  }
  submission->events.push_back(event);
}

void AppendIntake::Finish(ledger::LogRef log, size_t message_bytes, const Caller& caller,
                          Submission* submission) {
  submission->log = log;
  sequencer::Request& request = submission->request;
  request.log_number = log.number();
  request.proposed_at_ns = clock_.WallNs();
  request.written_by = caller.written_by;
  request.traceparent = caller.traceparent;
  request.events = submission->events;
  request.bytes = message_bytes + submission->events.size() * kBytesBesideEvent;
}

absl::Status AppendIntake::Fill(const AppendMessage& message, std::string_view log_name,
                                size_t message_bytes, const Caller& caller,
                                Submission* submission) {
  ASSIGN_OR_RETURN(ledger::LogRef log, FindLog(log_name));
  return Fill(message, log, message_bytes, caller, submission);
}

absl::Status AppendIntake::Fill(const AppendMessage& message, ledger::LogRef log,
                                size_t message_bytes, const Caller& caller,
                                Submission* submission) {
  submission->Clear();
  RETURN_IF_ERROR(CheckWriter(log, caller));
  violations_.clear();
  submission->events.reserve(message.events.size());
  for (size_t i = 0; i < message.events.size(); ++i) {
    record::EventFacts facts;
    const size_t before = violations_.size();
    if (record::CheckBody(record::BodyKind::kEvent, message.events[i], rules_, &facts,
                          &violations_)) {
      if (violations_.empty()) {
        AddEvent(record::BodyKind::kEvent, message.events[i], facts, submission);
      }
      continue;
    }
    for (size_t j = before; j < violations_.size(); ++j) {
      std::string& field = violations_[j].field;
      field = field.empty() ? fmt::format("events[{}]", i) : fmt::format("events[{}].{}", i, field);
    }
    if (violations_.size() >= record::kViolationsMax) break;
  }
  if (!violations_.empty()) return InvalidEvents(violations_);
  if (!message.expected_last_hash.empty()) {
    submission->request.expected_last_hash = Hash::FromBytes(message.expected_last_hash);
  }
  Finish(log, message_bytes, caller, submission);
  return absl::OkStatus();
}

absl::Status AppendIntake::FillEntry(std::string_view entry, std::string_view log_name,
                                     const Caller& caller, Submission* submission) {
  submission->Clear();
  ASSIGN_OR_RETURN(ledger::LogRef log, FindLog(log_name));
  RETURN_IF_ERROR(CheckWriter(log, caller));
  violations_.clear();
  record::EventFacts facts;
  if (!record::CheckBody(record::BodyKind::kEntry, entry, rules_, &facts, &violations_)) {
    return InvalidEvents(violations_);
  }
  if (!facts.precondition_hash_hex.empty()) {
    submission->request.expected_last_hash = HashFromHex(facts.precondition_hash_hex);
  }
  AddEvent(record::BodyKind::kEntry, entry, facts, submission);
  Finish(log, entry.size(), caller, submission);
  return absl::OkStatus();
}

absl::Status ExplainQueueError(absl::Status status) {
  if (absl::IsResourceExhausted(status)) {
    return WithRetryDelay(WithReason(std::move(status), reason::kQueueFull), kQueueRetryMs);
  }
  return WithReason(std::move(status), reason::kStopping);
}

absl::Status ExplainAppendError(const ledger::Ledger& ledger, ledger::LogRef log,
                                absl::Status status) {
  switch (status.code()) {
    case absl::StatusCode::kResourceExhausted: {
      const bool disk = ledger.status().write_state == ledger::WriteState::kDiskFull;
      return WithRetryDelay(
          WithReason(std::move(status), disk ? reason::kDiskFull : reason::kJournalFull),
          disk ? kDiskRetryMs : kQueueRetryMs);
    }
    case absl::StatusCode::kFailedPrecondition:
      return WithReason(std::move(status), log && ledger.Info(log).read_only
                                               ? reason::kLogReadOnly
                                               : reason::kWritesStopped);
    case absl::StatusCode::kAlreadyExists:
      return WithReason(std::move(status), reason::kEventIdConflict);
    case absl::StatusCode::kAborted:
      return WithReason(std::move(status), reason::kPreconditionFailed);
    case absl::StatusCode::kUnavailable:
      return WithReason(std::move(status), reason::kOutcomeUnknown);
    default:
      return status;
  }
}

}  // namespace graven::engine
