#include "console/policy_flag.h"

#include "base/absl_views.h"
#include "console/exit_code.h"
#include "fmt/format.h"
#include "io/durable_file.h"

namespace graven::console {

absl::StatusOr<std::optional<note::Policy>> ReadPolicy(const std::string& path,
                                                       std::string* text_out) {
  if (path.empty()) return std::nullopt;
  const auto text = io::ReadWholeFile(io::PosixFileSystem(), path, note::kPolicyBytesMax);
  if (!text.ok()) return Unreachable("--policy", text.status());
  auto policy = note::Policy::Parse(*text);
  if (!policy.ok()) {
    return UsageError(fmt::format("--policy: {}", ToStd(policy.status().message())));
  }
  if (text_out != nullptr) *text_out = *text;
  return *std::move(policy);
}

}  // namespace graven::console
