#include "audit/monitor_site.h"

#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"

namespace graven::audit {
namespace {

constexpr int64_t kStopMs = 1000;

// A label's value (Prometheus text format): backslash, quote and line feed escaped.
std::string LabelValue(std::string_view text) {
  std::string value;
  for (const char c : text) {
    if (c == '\\' || c == '"') value += '\\';
    value += c == '\n' ? ' ' : c;
  }
  return value;
}

}  // namespace

absl::StatusOr<std::unique_ptr<MonitorSite>> MonitorSite::Start(const std::string& listen,
                                                                std::string origin) {
  std::unique_ptr<MonitorSite> site(new MonitorSite(std::move(origin)));
  http::ServerOptions options;
  options.listen = {listen};
  options.limits.connections = 64;
  options.limits.workers = 1;
  ASSIGN_OR_RETURN(site->server_, http::Server::Start(*site, std::move(options)));
  return site;
}

MonitorSite::~MonitorSite() {
  if (server_ != nullptr) server_->Stop(kStopMs);
}

void MonitorSite::Show(State state) {
  const MutexLock lock(&mutex_);
  state_ = std::move(state);
}

http::Admission MonitorSite::Admit(const http::Request& head) {
  if (head.method != "GET") return {.refusal = Error(405, "METHOD_NOT_ALLOWED", "only GET")};
  if (head.path != "/metrics" && head.path != "/checkpoint")
    return {.refusal = Error(404, "NOT_FOUND", "there are /metrics and /checkpoint")};
  return {};
}

void MonitorSite::Handle(const http::Request& request, http::Responder responder) {
  State state;
  {
    const MutexLock lock(&mutex_);
    state = state_;
  }
  http::Response response;
  if (request.path == "/metrics") {
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    response.body = MetricsText(state);
  } else if (state.note.empty()) {
    response = Error(404, "NOT_FOUND", "no tree has been seen whole yet");
  } else {
    response.content_type = "text/plain; charset=utf-8";
    response.body = std::move(state.note);
  }
  std::move(responder).Send(std::move(response));
}

std::string MonitorSite::MetricsText(const State& state) const {
  struct Row {
    std::string_view name;
    std::string_view type;
    std::string_view help;
    uint64_t value;
  };
  const Row rows[] = {
      {"tree_size", "gauge", "Records of the tree that was last checked whole.", state.tree_size},
      {"records_total", "counter", "Records read and hashed.", state.records},
      {"rounds_total", "counter", "Looks at the log.", state.rounds},
      {"unanswered_total", "counter", "Looks that the log did not answer.", state.unanswered},
      {"findings_total", "counter", "Findings, those of runs before among them.", state.findings},
      {"last_good_timestamp_seconds", "gauge",
       "When the log last showed a checkpoint that fits all; 0: not since the start.",
       static_cast<uint64_t>(state.last_good_ns / 1'000'000'000)},
      {"webhook_waiting", "gauge", "Notices not delivered yet.", state.webhook.waiting},
      {"webhook_failed_tries_total", "counter", "Deliveries that were not taken.",
       state.webhook.failed_tries},
  };
  std::string text;
  for (const Row& row : rows)
    text += fmt::format(
        "# HELP graven_monitor_{0} {2}\n# TYPE graven_monitor_{0} {1}\n"
        "graven_monitor_{0}{{origin=\"{4}\"}} {3}\n",
        row.name, row.type, row.help, row.value, LabelValue(origin_));
  text +=
      "# HELP graven_monitor_producer_findings_total Gaps, repeats and missing ends of producers' "
      "sequences, by their own word, over all runs.\n"
      "# TYPE graven_monitor_producer_findings_total counter\n";
  for (size_t kind = 0; kind < state.producer_findings.size(); ++kind)
    text += fmt::format("graven_monitor_producer_findings_total{{origin=\"{}\",kind=\"{}\"}} {}\n",
                        LabelValue(origin_),
                        ProducerFindingText(static_cast<verify::ProducerFindingKind>(kind)),
                        state.producer_findings[kind]);
  return text;
}

}  // namespace graven::audit
