#include "engine/error_details.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "absl/strings/cord.h"
#include "base/absl_views.h"
#include "base/bad_record.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace graven::engine {
namespace {

constexpr std::string_view kErrorInfoType = "type.googleapis.com/google.rpc.ErrorInfo";
constexpr std::string_view kRetryInfoType = "type.googleapis.com/google.rpc.RetryInfo";
constexpr std::string_view kBadRequestType = "type.googleapis.com/google.rpc.BadRequest";
constexpr std::string_view kDomain = "graven";

constexpr size_t kMessageBytesMax = 512;
constexpr size_t kDescriptionBytesMax = 256;

std::string_view DefaultReason(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
      return reason::kRequestInvalid;
    case absl::StatusCode::kAlreadyExists:
      return reason::kEventIdConflict;
    case absl::StatusCode::kAborted:
      return reason::kPreconditionFailed;
    case absl::StatusCode::kResourceExhausted:
      return reason::kJournalFull;
    case absl::StatusCode::kFailedPrecondition:
      return reason::kWritesStopped;
    case absl::StatusCode::kUnavailable:
      return reason::kOutcomeUnknown;
    case absl::StatusCode::kNotFound:
      return reason::kIndexNotFound;
    case absl::StatusCode::kDataLoss:
      return reason::kRecordDamaged;
    case absl::StatusCode::kUnauthenticated:
      return reason::kTokenMissing;
    default:
      return reason::kInternal;
  }
}

// Cuts between code points, so that what is left is UTF-8 if the whole was.
std::string_view CutText(std::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

void SetDetail(absl::Status* status, std::string_view type,
               const google::protobuf::Message& detail) {
  status->SetPayload(ToAbsl(type), absl::Cord(detail.SerializeAsString()));
}

google::rpc::BadRequest CutToSize(google::rpc::BadRequest bad) {
  constexpr size_t kBadRequestBytesMax = kDetailsBytesMax - 256;  // the rest: ErrorInfo, names
  while (bad.field_violations_size() > 1 && bad.ByteSizeLong() > kBadRequestBytesMax) {
    bad.mutable_field_violations()->RemoveLast();
  }
  return bad;
}

}  // namespace

absl::Status WithReason(absl::Status status, std::string_view reason) {
  if (status.ok() || status.GetPayload(ToAbsl(kErrorInfoType)).has_value()) return status;
  google::rpc::ErrorInfo info;
  info.set_reason(std::string(reason));
  info.set_domain(std::string(kDomain));
  if (const auto index = BadRecordOf(status)) {
    (*info.mutable_metadata())["index"] = fmt::format("{}", index->value);
  }
  SetDetail(&status, kErrorInfoType, info);
  return status;
}

std::string ReasonOf(const absl::Status& status) {
  google::rpc::ErrorInfo info;
  const auto payload = status.GetPayload(ToAbsl(kErrorInfoType));
  if (payload.has_value() && info.ParseFromString(std::string(*payload))) return info.reason();
  return std::string(DefaultReason(status.code()));
}

absl::Status WithRetryDelay(absl::Status status, int64_t delay_ms) {
  if (status.ok()) return status;
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(delay_ms / 1000);
  retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>(delay_ms % 1000) * 1'000'000);
  SetDetail(&status, kRetryInfoType, retry);
  return status;
}

absl::Status StoppingError() {
  return WithReason(absl::UnavailableError("the server is stopping"), reason::kStopping);
}

absl::Status InvalidField(std::string_view field, std::string_view description) {
  absl::Status status = absl::InvalidArgumentError(
      field.empty() ? std::string(description) : fmt::format("{}: {}", field, description));
  google::rpc::BadRequest bad;
  auto* violation = bad.add_field_violations();
  violation->set_field(std::string(field));
  violation->set_description(std::string(CutText(description, kDescriptionBytesMax)));
  SetDetail(&status, kBadRequestType, bad);
  return WithReason(std::move(status), reason::kRequestInvalid);
}

absl::Status InvalidEvents(const std::vector<record::Violation>& violations) {
  const record::Violation& first = violations.front();
  std::string message = fmt::format("{}: {}", first.field, first.description);
  // The check stops once it has found so many.
  const std::string_view at_least = violations.size() >= record::kViolationsMax ? "at least " : "";
  if (violations.size() > 1) {
    message += fmt::format(" (and {}{} more)", at_least, violations.size() - 1);
  }
  google::rpc::BadRequest bad;
  for (size_t i = 0; i < std::min(violations.size(), record::kViolationsMax); ++i) {
    auto* violation = bad.add_field_violations();
    violation->set_field(violations[i].field);
    violation->set_description(fmt::format(
        "{} [{}]", CutText(violations[i].description, kDescriptionBytesMax), violations[i].rule));
  }
  absl::Status status = absl::InvalidArgumentError(message);
  SetDetail(&status, kBadRequestType, CutToSize(std::move(bad)));
  return WithReason(std::move(status), reason::kEventInvalid);
}

std::string_view WireMessage(const absl::Status& status) {
  return CutText(ToStd(status.message()), kMessageBytesMax);
}

std::string EncodeRpcStatus(const absl::Status& status) {
  const absl::Status whole = WithReason(status, DefaultReason(status.code()));
  google::rpc::Status out;
  out.set_code(static_cast<int>(whole.code()));
  out.set_message(std::string(WireMessage(whole)));
  whole.ForEachPayload([&](absl::string_view type, const absl::Cord& bytes) {
    if (ToStd(type).find('/') == std::string_view::npos) return;  // our own, between rooms
    auto* detail = out.add_details();
    detail->set_type_url(std::string(ToStd(type)));
    detail->set_value(std::string(bytes));
  });
  while (out.details_size() > 0 && out.ByteSizeLong() > kDetailsBytesMax + kMessageBytesMax) {
    out.mutable_details()->RemoveLast();
  }
  return out.SerializeAsString();
}

}  // namespace graven::engine
