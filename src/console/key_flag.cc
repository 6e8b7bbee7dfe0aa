#include "console/key_flag.h"

#include <utility>

#include "CLI/CLI.hpp"
#include "base/absl_views.h"
#include "base/status_macros.h"
#include "console/exit_code.h"
#include "fmt/format.h"
#include "io/durable_file.h"

namespace graven::console {

CLI::Option* KeyFlag::AddTo(CLI::App& command) {
  return command
      .add_option("--key", value_, "The log's public key (C2SP vkey), or a file that holds it")
      ->envname("GRAVEN_KEY")
      ->type_name("VKEY");
}

absl::StatusOr<std::optional<note::VerifierKey>> KeyFlag::Read() const {
  if (value_.empty()) return std::nullopt;
  ASSIGN_OR_RETURN(note::VerifierKey key, ReadVerifierKey("--key", value_));
  return std::optional<note::VerifierKey>(std::move(key));
}

absl::StatusOr<note::VerifierKey> ReadVerifierKey(std::string_view flag, const std::string& value) {
  std::string text = value;
  if (text.find('+') == text.npos) {  // every vkey has two
    auto file = io::ReadWholeFile(io::PosixFileSystem(), value, kKeyFileBytesMax);
    if (!file.ok()) return Unreachable(flag, file.status());
    text = *std::move(file);
  }
  const size_t end = text.find_last_not_of(" \t\r\n");
  text.resize(end == text.npos ? 0 : end + 1);
  auto key = note::VerifierKey::Parse(text);
  if (!key.ok()) return UsageError(fmt::format("{}: {}", flag, ToStd(key.status().message())));
  return *std::move(key);
}

}  // namespace graven::console
