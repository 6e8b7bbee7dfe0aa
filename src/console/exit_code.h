#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace graven::console {

// What every command tells the shell; documented in docs/errors.md.
enum class ExitCode : int {
  kDone = 0,
  kNo = 1,           // a check failed, or the answer is no
  kUsage = 2,        // the command line is wrong
  kUnreachable = 3,  // could not reach the server, or open the file or folder
};

// A command ends with a code of its own, or with an error from which ExitCodeOf makes one.
using CommandResult = absl::StatusOr<ExitCode>;

// The command line is wrong: kUsage.
absl::Status UsageError(std::string_view message);

// `what` could not be reached or opened: kUnreachable whatever the code of `status`.
absl::Status Unreachable(std::string_view what, const absl::Status& status);

// `what` was checked, and does not hold: kNo whatever the code of `status`.
absl::Status CheckFailed(std::string_view what, const absl::Status& status);

// kUsage, kUnreachable and kNo for those above; else kUnreachable for what a server that is away or
// does not know us answers, and kNo for every other error.
ExitCode ExitCodeOf(const absl::Status& status);

}  // namespace graven::console
