#include <memory>

#include "base/status_macros.h"
#include "base/text_safety.h"
#include "cli/commands.h"
#include "cli/rehearsal.h"
#include "fmt/format.h"

namespace graven::cli {
namespace {

struct RehearseFlags {
  std::string attack;
  std::string data;
  bool keep = false;
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

CommandResult RunRehearsal(CommandContext& context, const RehearseFlags& flags) {
  RehearsalOptions options;
  for (const auto& [name, attack] : kAttacks)
    if (name == flags.attack) options.attack = attack;
  options.data = flags.data;
  options.log = context.log();
  options.keep = flags.keep;
  const auto report = Rehearse(options);
  if (!report.ok()) return Unreachable("rehearsal", report.status());
  const ExitCode code = report->caught() ? ExitCode::kDone : ExitCode::kNo;
  if (context.json()) {
    context.PrintJson(ReportJson(flags, *report));
    return code;
  }
  Terminal& out = context.out();
  out.Line(fmt::format("attacker: {}", SafeText(report->done)));
  for (const Sighting& sighting : report->sightings)
    out.Line(fmt::format(
        "{:8}  {}", sighting.who + ":",
        out.Paint(sighting.caught ? Colour::kRed : Colour::kDim, SafeText(sighting.words))));
  if (!report->evidence.empty()) out.Line(fmt::format("evidence: {}", SafeText(report->evidence)));
  out.Line(out.Paint(report->caught() ? Colour::kGreen : Colour::kRed,
                     report->caught() ? "the attack was caught" : "NOBODY NOTICED"));
  if (!report->folder.empty())
    out.Line(fmt::format("all of it is in {}", SafeText(report->folder)));
  return code;
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
      "Exit code 0: the attack was caught. 1: nobody noticed.\n"
      "\n"
      "Example:\n"
      "  graven rehearse fork\n"
      "  graven rehearse flip --data ./audit --json");
  auto flags = std::make_shared<RehearseFlags>();
  command->add_option("attack", flags->attack, "What is done to the log")
      ->required()
      ->check(CLI::IsMember({"flip", "fork", "rollback", "withhold"}));
  command->add_option("--data", flags->data, "Copy this folder; its server must be stopped")
      ->type_name("DIR");
  command->add_flag("--keep", flags->keep, "Leave the throw-away folder behind");
  context.AddJson(*command);
  context.AddLog(*command);
  context.OnRun(*command, [&context, flags] { return RunRehearsal(context, *flags); });
}

}  // namespace graven::cli
