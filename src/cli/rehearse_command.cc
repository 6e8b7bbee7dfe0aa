#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <memory>

#include "CLI/CLI.hpp"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "cli/commands.h"
#include "fmt/format.h"
#include "rehearse/rehearsal.h"

namespace graven::cli {
using rehearse::Attack;
using rehearse::RehearsalOptions;
using rehearse::RehearsalReport;
using rehearse::Rehearse;
using rehearse::Sighting;

namespace {

struct RehearseFlags {
  std::string attack;
  std::string data;
  bool keep = false;
  bool page = false;
};

constexpr std::pair<std::string_view, Attack> kAttacks[] = {{"flip", Attack::kFlip},
                                                            {"fork", Attack::kFork},
                                                            {"rollback", Attack::kRollback},
                                                            {"withhold", Attack::kWithhold}};

Json ReportJson(const RehearseFlags& flags, const RehearsalReport& report) {
  Json json = {{"attack", flags.attack},
               {"done", report.done},
               {"caught", report.caught()},
               {"sightings", Json::array()}};
  for (const Sighting& sighting : report.sightings)
    json["sightings"].push_back(
        {{"who", sighting.who}, {"caught", sighting.caught}, {"words", sighting.words}});
  if (!report.evidence.empty()) json["evidence"] = report.evidence;
  if (!report.folder.empty()) json["folder"] = report.folder;
  return json;
}

void PrintReport(CommandContext& context, const RehearseFlags& flags,
                 const RehearsalReport& report) {
  if (context.json()) return context.PrintJson(ReportJson(flags, report));
  Terminal& out = context.out();
  out.Line(fmt::format("attacker: {}", SafeText(report.done)));
  for (const Sighting& sighting : report.sightings)
    out.Line(fmt::format(
        "{:8}  {}", sighting.who + ":",
        out.Paint(sighting.caught ? Colour::kRed : Colour::kDim, SafeText(sighting.words))));
  if (!report.evidence.empty()) out.Line(fmt::format("evidence: {}", SafeText(report.evidence)));
  out.Line(out.Paint(report.caught() ? Colour::kGreen : Colour::kRed,
                     report.caught() ? "the attack was caught" : "NOBODY NOTICED"));
  if (!report.folder.empty()) out.Line(fmt::format("all of it is in {}", SafeText(report.folder)));
}

// Whoever looks at the page: told of it on standard output, heard on standard input, and gone with
// SIGTERM or SIGINT. Made before any thread, so that the signals come here.
class Onlooker {
 public:
  explicit Onlooker(CommandContext& context) : context_(context) {
    sigemptyset(&stops_);
    sigaddset(&stops_, SIGTERM);
    sigaddset(&stops_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stops_, nullptr);
    signals_ = signalfd(-1, &stops_, SFD_CLOEXEC);
  }
  Onlooker(const Onlooker&) = delete;
  Onlooker& operator=(const Onlooker&) = delete;
  ~Onlooker() { close(signals_); }

  void Invite(const std::string& url) {
    if (context_.json()) {
      context_.PrintJsonLine({{"page", url}});
    } else {
      Terminal& out = context_.out();
      out.Line("The page of the copy, as it is before the attack, with the log's key pinned:");
      out.Line(fmt::format("  {}", SafeText(url)));
      out.Line("Open it in a browser. Enter begins the attack.");
    }
    (void)context_.out().Finish();
  }

  // The end of the input is as good as a line.
  absl::StatusOr<bool> Ready() const {
    pollfd waits[] = {{signals_, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    poll(waits, 2, 1000);
    if (waits[0].revents != 0) return absl::CancelledError("ended before the attack");
    return waits[1].revents != 0;
  }

  void Look() const {
    if (!context_.json())
      context_.out().Line(
          "The page is at the same address still, and red by now. Ctrl-C ends it all.");
    (void)context_.out().Finish();
    int number = 0;
    sigwait(&stops_, &number);
  }

 private:
  CommandContext& context_;
  sigset_t stops_;
  int signals_;
};

CommandResult RunRehearsal(CommandContext& context, const RehearseFlags& flags) {
  RehearsalOptions options;
  for (const auto& [name, attack] : kAttacks)
    if (name == flags.attack) options.attack = attack;
  options.data = flags.data;
  options.log = context.log();
  options.keep = flags.keep;
  std::optional<Onlooker> onlooker;
  if (flags.page) {
    onlooker.emplace(context);
    options.audience = {[&](const std::string& url) { onlooker->Invite(url); },
                        [&] { return onlooker->Ready(); }};
    options.look = [&](const RehearsalReport& report) {
      PrintReport(context, flags, report);
      onlooker->Look();
    };
  }
  const auto report = Rehearse(options);
  if (!report.ok()) return Unreachable("rehearsal", report.status());
  if (!flags.page) PrintReport(context, flags, *report);
  return report->caught() ? ExitCode::kDone : ExitCode::kNo;
}

}  // namespace

void AddRehearseCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command =
      app.add_subcommand("rehearse", "Attacks a throw-away copy of a log, and says who noticed");
  command->footer(
      "  flip      a bit of what is stored changes\n"
      "  fork      the operator signs two histories and shows one to each\n"
      "  rollback  the data folder is put back to an older state, guard and all\n"
      "  withhold  what was signed and given to a client is not shown to the others\n"
      "verify reads the folder; monitor watches from outside; a witness has cosigned what was "
      "signed\n"
      "before. Each says what it saw. Nothing of the real log is touched:\n"
      "--data is copied, and without it a small new log is made.\n"
      "With --page the copy's page is served too: open it, press Enter, and see it turn red.\n"
      "Exit code 0: the attack was caught. 1: nobody noticed.\n"
      "\n"
      "Example:\n"
      "  graven rehearse fork\n"
      "  graven rehearse rollback --page\n"
      "  graven rehearse flip --data ./audit --json");
  auto flags = std::make_shared<RehearseFlags>();
  command->add_option("attack", flags->attack, "What is done to the log")
      ->required()
      ->check(CLI::IsMember({"flip", "fork", "rollback", "withhold"}));
  command->add_option("--data", flags->data, "Copy this folder; its server must be stopped")
      ->type_name("DIR");
  command->add_flag("--keep", flags->keep, "Leave the throw-away folder behind");
  command->add_flag(
      "--page", flags->page,
      "Serve the copy's page on loopback, before the attack and after it, until Ctrl-C;\n"
      "its address comes first, Enter begins");
  context.AddJson(*command);
  context.AddLog(*command);
  context.OnRun(*command, [&context, flags] { return RunRehearsal(context, *flags); });
}

}  // namespace graven::cli
