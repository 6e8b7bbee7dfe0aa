#include "console/exit_code.h"

#include "absl/strings/cord.h"
#include "base/absl_views.h"
#include "fmt/format.h"

namespace graven::console {
namespace {

// A payload marks an error whose exit code does not follow from its status code.
constexpr char kExitPayload[] = "graven.exit_code";

absl::Status Marked(absl::Status status, ExitCode code) {
  status.SetPayload(kExitPayload, absl::Cord(fmt::format("{}", static_cast<int>(code))));
  return status;
}

}  // namespace

absl::Status UsageError(std::string_view message) {
  return Marked(absl::InvalidArgumentError(ToAbsl(message)), ExitCode::kUsage);
}

absl::Status Unreachable(std::string_view what, const absl::Status& status) {
  const std::string text = fmt::format("{}: {}", what, ToStd(status.message()));
  return Marked(absl::Status(status.code(), text), ExitCode::kUnreachable);
}

absl::Status CheckFailed(std::string_view what, const absl::Status& status) {
  const std::string text = fmt::format("{}: {}", what, ToStd(status.message()));
  return Marked(absl::Status(status.code(), text), ExitCode::kNo);
}

ExitCode ExitCodeOf(const absl::Status& status) {
  if (status.ok()) return ExitCode::kDone;
  if (const auto payload = status.GetPayload(kExitPayload)) {
    return *payload == "1"   ? ExitCode::kNo
           : *payload == "2" ? ExitCode::kUsage
                             : ExitCode::kUnreachable;
  }
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
      return ExitCode::kUnreachable;
    default:
      return ExitCode::kNo;
  }
}

}  // namespace graven::console
