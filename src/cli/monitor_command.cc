#include <memory>

#include "CLI/CLI.hpp"
#include "audit/monitor_run.h"
#include "base/absl_views.h"
#include "base/status_macros.h"
#include "cli/commands.h"
#include "console/key_flag.h"
#include "console/policy_flag.h"
#include "fmt/format.h"
#include "io/durable_file.h"
#include "webhook/page_link.h"

namespace graven::cli {
using audit::RunMonitor;
using console::KeyFlag;
using console::ReadPolicy;
using console::WasTyped;

namespace {

struct MonitorFlags {
  KeyFlag key;
  std::string policy_file;
  std::string url;
  std::string ca;
  std::string folder;
  bool once = false;
  double every_s = 1;
  double patience_s = 60;
  double fresh_s = 0;
  double heartbeat_deadline_s = 600;
  bool complete_required = false;
  std::vector<std::string> checkpoints;
  std::string webhook_url;
  std::string webhook_secret_file;
  std::vector<std::string> webhook_hosts;
  std::string page;
  std::string metrics;
  const CLI::App* command = nullptr;
};

absl::StatusOr<note::VerifierKey> KeyOf(const MonitorFlags& flags,
                                        const std::optional<note::Policy>& policy) {
  ASSIGN_OR_RETURN(const auto key, flags.key.Read());
  if (key) return *key;
  if (!policy) return UsageError("--key or --policy: whose log it is must be known from outside");
  const std::vector<note::VerifierKey> keys = policy->LogKeys();
  if (keys.size() != 1)
    return UsageError("--policy: it does not name exactly one log: say which with --key");
  return keys[0];
}

CommandResult Monitor(CommandContext& context, const MonitorFlags& flags) {
  if (!flags.url.empty() && WasTyped(*flags.command, *flags.command->get_option("--server")))
    return UsageError("--url: a log is followed one way, --server or --url");
  ASSIGN_OR_RETURN(const auto policy, ReadPolicy(flags.policy_file));
  ASSIGN_OR_RETURN(const note::VerifierKey key, KeyOf(flags, policy));
  if (flags.fresh_s > 0 && (!policy || !policy->wants_witnesses()))
    return UsageError("--fresh: only cosignatures have a time; give a --policy with a quorum");
  std::string page;
  if (!flags.page.empty()) {
    const auto parsed = webhook::ParsePageUrl(flags.page);
    if (!parsed.ok())
      return UsageError(fmt::format("--page: {}", ToStd(parsed.status().message())));
    page = *parsed;
  }
  std::string secret;
  if (flags.webhook_url.empty() != flags.webhook_secret_file.empty())
    return UsageError("--webhook and --webhook-secret-file go together");
  if (!flags.webhook_secret_file.empty()) {
    auto text = io::ReadWholeFile(io::PosixFileSystem(), flags.webhook_secret_file, 4096);
    if (!text.ok()) return Unreachable("--webhook-secret-file", text.status());
    secret = *std::move(text);
    while (secret.ends_with('\n') || secret.ends_with('\r')) secret.pop_back();
  }
  return RunMonitor(context, {.key = key,
                              .policy = policy,
                              .url = flags.url,
                              .ca = flags.ca,
                              .folder = flags.folder,
                              .once = flags.once,
                              .every_s = flags.every_s,
                              .patience_s = flags.patience_s,
                              .fresh_s = flags.fresh_s,
                              .heartbeat_deadline_s = flags.heartbeat_deadline_s,
                              .complete_required = flags.complete_required,
                              .checkpoints = flags.checkpoints,
                              .webhook_url = flags.webhook_url,
                              .webhook_secret = secret,
                              .page = page,
                              .webhook_hosts = flags.webhook_hosts,
                              .metrics = flags.metrics});
}

// Where else findings go.
void AddReportFlags(CLI::App* command, MonitorFlags* flags) {
  command
      ->add_option("--webhook", flags->webhook_url,
                   "Tell this URL of findings: signed, at least once, without record content")
      ->type_name("URL");
  command
      ->add_option("--webhook-secret-file", flags->webhook_secret_file,
                   "The secret that signs them, at least 16 bytes")
      ->type_name("FILE");
  command
      ->add_option("--webhook-allow", flags->webhook_hosts,
                   "A host that may be called although its address is a private one")
      ->type_name("HOST");
  command
      ->add_option("--page", flags->page,
                   "Where people find the log's page: findings then carry a link into it")
      ->type_name("URL");
  command
      ->add_option("--metrics", flags->metrics,
                   "Serve /metrics, and /checkpoint for a second monitor, on HOST:PORT")
      ->type_name("ADDR");
}

}  // namespace

void AddMonitorCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command =
      app.add_subcommand("monitor", "Watches a log that it does not trust, from elsewhere");
  command->footer(
      "Reads every record, recomputes chain and tree, and holds each checkpoint against all that\n"
      "it saw before and against those that others hand in. What does not fit is a finding, with\n"
      "a file of evidence in DIR/evidence that anyone checks with graven verify --evidence.\n"
      "DIR is its memory of one log: keep it on another machine than the log.\n"
      "Gaps in the numbers that producers gave their events, and producers that fell silent, are\n"
      "told apart from that: they say nothing about the log.\n"
      "Exit code with --once: 1 when there was a finding, now or a fork before.\n"
      "\n"
      "Example:\n"
      "  graven monitor --key audit.vkey --server audit.example:7465 --data ./seen\n"
      "  graven monitor --key audit.vkey --url https://audit.example/logs/default --data ./seen "
      "\\\n"
      "      --checkpoint ./from-clients --once --json");
  auto flags = std::make_shared<MonitorFlags>();
  flags->command = command;
  flags->key.AddTo(*command);
  command
      ->add_option("--policy", flags->policy_file,
                   "tlog-policy: the log's key, and the quorum of witnesses to ask for")
      ->type_name("FILE");
  command->add_option("--url", flags->url, "Follow the log by its tiles below this URL")
      ->type_name("URL");
  command->add_option("--ca", flags->ca, "Of https: believe what this signed (PEM)")
      ->type_name("FILE");
  command->add_option("--data", flags->folder, "The monitor's memory of this log")
      ->required()
      ->type_name("DIR");
  command->add_flag("--once", flags->once, "Look once, until all that was signed is shown");
  command->add_option("--every", flags->every_s, "Seconds between two looks")
      ->check(CLI::Range(0.01, 86'400.0))
      ->capture_default_str()
      ->type_name("S");
  command
      ->add_option("--patience", flags->patience_s,
                   "Seconds in which a signed tree must be shown, and an answer come")
      ->check(CLI::Range(0.0, 8'640'000.0))
      ->capture_default_str()
      ->type_name("S");
  command
      ->add_option("--fresh", flags->fresh_s,
                   "Seconds that the quorum's cosignatures may be old (0: any)")
      ->check(CLI::Range(0.0, 8'640'000.0))
      ->type_name("S");
  command
      ->add_option("--heartbeat-deadline", flags->heartbeat_deadline_s,
                   "Seconds that a producer with heartbeats may be silent")
      ->check(CLI::Range(0.01, 31'536'000.0))
      ->capture_default_str()
      ->type_name("S");
  command->add_flag("--require-complete", flags->complete_required,
                    "With --once: exit code 1 also when producers' sequences have ever missed "
                    "something");
  command
      ->add_option("--checkpoint", flags->checkpoints,
                   "A signed checkpoint from elsewhere: file, folder of files, or URL")
      ->type_name("PLACE");
  AddReportFlags(command, flags.get());
  context.AddJson(*command);
  context.AddServer(*command);
  context.AddLog(*command);
  context.OnRun(*command, [&context, flags] { return Monitor(context, *flags); });
}

}  // namespace graven::cli
