#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "note/keys.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace graven::console {

// A key file holds one line.
inline constexpr uint64_t kKeyFileBytesMax = 4096;

// The public key that `value` is, or that the file of this name holds. A usage error that names
// `flag` when it is no key.
absl::StatusOr<note::VerifierKey> ReadVerifierKey(std::string_view flag, const std::string& value);

// --key: the public key that somebody knows a log by. GRAVEN_KEY.
class KeyFlag {
 public:
  CLI::Option* AddTo(CLI::App& command);

  // Nothing when the flag was not given. A usage error when it is no key. The value is a vkey, or
  // the name of a file that holds one.
  absl::StatusOr<std::optional<note::VerifierKey>> Read() const;

 private:
  std::string value_;
};

}  // namespace graven::console
