#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "record/body_check.h"

// What an error says beside code and message, whichever door it leaves by: google.rpc.Status with
// details. The details travel on an absl::Status as payloads, named by their type.
namespace graven::engine {

// The stable reasons of ErrorInfo (domain "graven"); docs/errors.md has them all.
namespace reason {
inline constexpr std::string_view kRequestInvalid = "REQUEST_INVALID";
inline constexpr std::string_view kEventInvalid = "EVENT_INVALID";
inline constexpr std::string_view kEventIdConflict = "EVENT_ID_CONFLICT";
inline constexpr std::string_view kLogExists = "LOG_EXISTS";
inline constexpr std::string_view kPreconditionFailed = "PRECONDITION_FAILED";
inline constexpr std::string_view kQueueFull = "QUEUE_FULL";
inline constexpr std::string_view kJournalFull = "JOURNAL_FULL";
inline constexpr std::string_view kDiskFull = "DISK_FULL";
inline constexpr std::string_view kTooManyStreams = "TOO_MANY_STREAMS";
inline constexpr std::string_view kTooManyTailers = "TOO_MANY_TAILERS";
inline constexpr std::string_view kTooManySearches = "TOO_MANY_SEARCHES";
inline constexpr std::string_view kLogReserved = "LOG_RESERVED";
inline constexpr std::string_view kLogReadOnly = "LOG_READ_ONLY";
inline constexpr std::string_view kWritesStopped = "WRITES_STOPPED";
inline constexpr std::string_view kOutcomeUnknown = "OUTCOME_UNKNOWN";
inline constexpr std::string_view kStopping = "STOPPING";
inline constexpr std::string_view kLogNotFound = "LOG_NOT_FOUND";
inline constexpr std::string_view kIndexNotFound = "INDEX_NOT_FOUND";
inline constexpr std::string_view kEventNotFound = "EVENT_NOT_FOUND";
inline constexpr std::string_view kNotPublishedYet = "NOT_PUBLISHED_YET";
inline constexpr std::string_view kTokenMissing = "TOKEN_MISSING";
inline constexpr std::string_view kTokenUnknown = "TOKEN_UNKNOWN";
inline constexpr std::string_view kRecordDamaged = "RECORD_DAMAGED";
inline constexpr std::string_view kInternal = "INTERNAL";
}  // namespace reason

// What all details of one status may take, so that they fit into a client's limit for metadata.
inline constexpr size_t kDetailsBytesMax = 4096;

// The same with an ErrorInfo, unless it has one or is OK.
absl::Status WithReason(absl::Status status, std::string_view reason);

// The reason of an error: its ErrorInfo's, or the one that its code has by default.
std::string ReasonOf(const absl::Status& status);

// The same with a RetryInfo.
absl::Status WithRetryDelay(absl::Status status, int64_t delay_ms);

// kUnavailable, STOPPING.
absl::Status StoppingError();

// kInvalidArgument, REQUEST_INVALID, one violation.
absl::Status InvalidField(std::string_view field, std::string_view description);

// kInvalidArgument, EVENT_INVALID, with a BadRequest of at most record::kViolationsMax violations.
absl::Status InvalidEvents(const std::vector<record::Violation>& violations);

// The status's message, cut to what goes over the wire.
std::string_view WireMessage(const absl::Status& status);

// The bytes of the google.rpc.Status, with ErrorInfo: where the status has none, with the reason
// that its code has by default.
std::string EncodeRpcStatus(const absl::Status& status);

}  // namespace graven::engine
