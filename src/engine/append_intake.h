#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/random.h"
#include "engine/append_message.h"
#include "engine/append_meter.h"
#include "ledger/ledger.h"
#include "record/body_check.h"
#include "record/event_id.h"
#include "record/rules.h"
#include "sequencer/request.h"

namespace graven::engine {

// Who calls. The views must live until the request has been answered.
struct Caller {
  std::string_view written_by;
  std::string_view traceparent;  // "" or one that record::IsTraceparent accepts
};

// A request on its way into the sequencer, with the memory that it needs. The bytes of the message
// belong to whoever owns the call and must live as long.
struct Submission {
  ledger::LogRef log;
  sequencer::Request request;
  std::vector<sequencer::NewEvent> events;
  std::vector<std::string> assigned_ids;

  Submission() = default;
  Submission(const Submission&) = delete;
  Submission& operator=(const Submission&) = delete;
  // Lets go of everything but the memory.
  void Clear();
};

// What the sequencer said about a request that it did not take, with its reason and time to wait.
absl::Status ExplainQueueError(absl::Status status);

// What the ledger said about a request, with its reason and, where waiting helps, a time.
absl::Status ExplainAppendError(const ledger::Ledger& ledger, ledger::LogRef log,
                                absl::Status status);

// Turns messages into submissions: finds the log, checks each event against the rules, gives ids
// and the time. One thread: the writer.
class AppendIntake {
 public:
  AppendIntake(ledger::Ledger& ledger, const record::RuleContext& rules, Clock& clock,
               Random& random, AppendMeter& meter);

  // Of graven.v1. `log_name` is the one that holds for this request.
  // kInvalidArgument: with the violations of its events. kNotFound: no such log.
  absl::Status Fill(const AppendMessage& message, std::string_view log_name, size_t message_bytes,
                    const Caller& caller, Submission* submission);

  // The same into a log that was found before.
  absl::Status Fill(const AppendMessage& message, ledger::LogRef log, size_t message_bytes,
                    const Caller& caller, Submission* submission);

  // Of the minimal contract: the message is the entry.
  absl::Status FillEntry(std::string_view entry, std::string_view log_name, const Caller& caller,
                         Submission* submission);

  absl::StatusOr<ledger::LogRef> FindLog(std::string_view name) const;

 private:
  // kPermissionDenied: the log is the server's own.
  static absl::Status CheckWriter(ledger::LogRef log, const Caller& caller);
  void AddEvent(record::BodyKind kind, std::string_view body, const record::EventFacts& facts,
                Submission* submission);
  void Finish(ledger::LogRef log, size_t message_bytes, const Caller& caller,
              Submission* submission);

  ledger::Ledger& ledger_;
  const record::RuleContext rules_;
  Clock& clock_;
  AppendMeter& meter_;
  record::EventIdMaker ids_;
  std::vector<record::Violation> violations_;
};

}  // namespace graven::engine
