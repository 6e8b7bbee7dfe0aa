#include <unistd.h>

#include <memory>

#include "CLI/CLI.hpp"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "cli/commands.h"
#include "fmt/format.h"
#include "rehearse/rehearsal.h"

namespace graven::cli {
using rehearse::Attack;
using rehearse::Interruption;
using rehearse::RehearsalAudience;
using rehearse::RehearsalOptions;
using rehearse::RehearsalReport;
using rehearse::Rehearse;
using rehearse::Sighting;

namespace {

struct RehearseFlags {
  std::string attack;
  std::string data;
  std::string guard;
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
// the first signal.
RehearsalAudience Audience(CommandContext& context, const RehearseFlags& flags,
                           Interruption& interruption) {
  RehearsalAudience audience;
  audience.invite = [&context](const std::string& url) {
    if (context.json()) {
      context.PrintJsonLine({{"page", url}});
    } else {
      Terminal& out = context.out();
      out.Line("The page of the copy, as it is before the attack, with the log's key pinned:");
      out.Line(fmt::format("  {}", SafeText(url)));
      out.Line("Open it in a browser. Enter begins the attack.");
    }
    (void)context.out().Finish();
  };
  // The end of the input is as good as a line.
  audience.ready = [&interruption] { return interruption.WaitToRead(STDIN_FILENO, 1000); };
  audience.look = [&context, &flags, &interruption](const RehearsalReport& report) {
    PrintReport(context, flags, report);
    if (!context.json())
      context.out().Line(
          "The page is at the same address still, and red by now. Ctrl-C ends it all.");
    (void)context.out().Finish();
    (void)interruption.Sleep(-1);
  };
  return audience;
}

CommandResult RunRehearsal(CommandContext& context, const RehearseFlags& flags) {
  if (!flags.guard.empty() && flags.data.empty())
    return UsageError("--guard: it belongs to a folder, say which with --data");
  // Before any thread is made, so that all of them leave the signals to it.
  Interruption interruption;
  RehearsalOptions options;
  for (const auto& [name, attack] : kAttacks)
    if (name == flags.attack) options.attack = attack;
  options.data = flags.data;
  options.guard = flags.guard;
  options.log = context.log();
  options.keep = flags.keep;
  if (flags.page) options.audience = Audience(context, flags, interruption);
  const auto report = Rehearse(options, interruption);
  if (!report.ok()) return Unreachable("rehearsal", report.status());
  if (!flags.page || !report->page.ok()) PrintReport(context, flags, *report);
  if (!report->page.ok()) return Unreachable("the page cannot be shown", report->page);
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
      "--data is copied, and without it a small new log is made. The copy lies below TMPDIR, holds "
      "the\n"
      "log's key, lies in a folder of this user alone, and is removed at the end, also by Ctrl-C;\n"
      "its server answers whoever is on this machine.\n"
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
  command
      ->add_option("--guard", flags->guard, "Where the guard of --data lies, if not in the folder")
      ->type_name("FILE");
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
