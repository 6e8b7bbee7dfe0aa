#include "upkeep/operational_log.h"

#include <fmt/format.h>
#include <grpc/support/log.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <utility>

#include "base/text_safety.h"

namespace graven::upkeep {
namespace {

// The log that gRPC's messages go to; gRPC takes a plain function.
std::atomic<OperationalLog*> g_grpc_log = nullptr;

void LogForGrpc(gpr_log_func_args* args) {
  if (OperationalLog* log = g_grpc_log) {
    log->Write(Severity::kDebug, fmt::format("gRPC: {}", args->message));
  }
}

spdlog::level::level_enum LevelOf(const std::string& name) {
  if (name == "debug") return spdlog::level::debug;
  if (name == "warn" || name == "warning") return spdlog::level::warn;
  if (name == "error") return spdlog::level::err;
  return spdlog::level::info;
}

spdlog::level::level_enum LevelOf(Severity severity) {
  switch (severity) {
    case Severity::kDebug:
      return spdlog::level::debug;
    case Severity::kInfo:
      return spdlog::level::info;
    case Severity::kWarning:
      return spdlog::level::warn;
    case Severity::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

}  // namespace

std::string JsonText(std::string_view message) {
  std::string out = "\"";
  for (const char c : message) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  out += '"';
  return out;
}

OperationalLog::OperationalLog(const std::string& level, const std::string& format)
    : logger_(std::make_shared<spdlog::logger>("graven",
                                               std::make_shared<spdlog::sinks::stderr_sink_mt>())),
      json_(format == "json") {
  const char* pattern = json_ ? R"({"time":"%Y-%m-%dT%H:%M:%S.%fZ","level":"%l","message":%v})"
                              : "%Y-%m-%dT%H:%M:%S.%eZ %l: %v";
  logger_->set_formatter(
      std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::utc));
  logger_->set_level(LevelOf(level));
  logger_->flush_on(spdlog::level::debug);
  g_grpc_log = this;
  gpr_set_log_function(&LogForGrpc);
}

OperationalLog::~OperationalLog() {
  // gRPC's threads may still speak; they find nobody.
  g_grpc_log = nullptr;
}

void OperationalLog::Write(Severity severity, std::string_view message) {
  const auto level = LevelOf(severity);
  if (!logger_->should_log(level)) return;
  const std::string safe = SafeText(message);
  logger_->log(level, spdlog::string_view_t(json_ ? JsonText(safe) : safe));
}

}  // namespace graven::upkeep
