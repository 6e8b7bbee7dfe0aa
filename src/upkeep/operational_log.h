#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace spdlog {
class logger;
}

// What the operator reads: one line on stderr for each thing that happened, as text or JSON. It
// never holds the content of events, and strangers' text in it is made harmless.
namespace graven::upkeep {

enum class Severity { kDebug, kInfo, kWarning, kError };

class OperationalLog {
 public:
  // `level`: "debug", "info", "warn", "warning" or "error"; `format`: "text" or "json". gRPC's own
  // messages go here too, at level debug: what matters of them comes back as a status.
  OperationalLog(const std::string& level, const std::string& format);
  ~OperationalLog();

  // Thread-safe.
  void Write(Severity severity, std::string_view message);
  void Info(std::string_view message) { Write(Severity::kInfo, message); }
  void Warning(std::string_view message) { Write(Severity::kWarning, message); }
  void Error(std::string_view message) { Write(Severity::kError, message); }

 private:
  const std::shared_ptr<spdlog::logger> logger_;
  const bool json_;
};

// `message` as a JSON string, with quotes.
std::string JsonText(std::string_view message);

}  // namespace graven::upkeep
