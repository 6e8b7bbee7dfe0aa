#include "cli/commands.h"

#include <algorithm>
#include <iostream>

#include "CLI/CLI.hpp"
#include "fmt/format.h"

namespace graven::cli {

namespace {

// The first word that stands where a command was due and is none; empty when there is none such.
std::string UnknownCommand(const CLI::App& program, const std::vector<std::string>& arguments) {
  const CLI::App* command = &program;
  for (const std::string& word : arguments) {
    const auto below = command->get_subcommands(nullptr);
    if (below.empty() || word.starts_with("-")) return "";
    const auto named = std::find_if(below.begin(), below.end(), [&word](const CLI::App* one) {
      return one->get_name() == word;
    });
    if (named == below.end()) return word;
    command = *named;
  }
  return "";
}

// Help goes to standard output and is no error; every other end of parsing is the user's mistake.
int EndParsing(const CLI::App& program, const std::vector<std::string>& arguments,
               const CLI::ParseError& error, CommandContext& context) {
  if (error.get_exit_code() == 0) return program.exit(error, std::cout, std::cerr);
  const std::string unknown = UnknownCommand(program, arguments);
  if (std::find(arguments.begin(), arguments.end(), "--json") != arguments.end()) context.UseJson();
  if (!unknown.empty()) {
    context.PrintError(
        UsageError(fmt::format("unknown command \"{}\" (graven --help lists them)", unknown)));
  } else if (context.json()) {
    context.PrintError(UsageError(error.what()));
  } else {
    program.exit(error, std::cout, std::cerr);
  }
  return static_cast<int>(ExitCode::kUsage);
}

}  // namespace

std::unique_ptr<CLI::App> MakeProgram(CommandContext& context) {
  auto app =
      std::make_unique<CLI::App>("Graven: an audit log that nobody can quietly rewrite.", "graven");
  app->require_subcommand(1);
  app->set_help_flag("-h,--help", "Explains a command, with an example");
  app->footer(
      "Exit codes: 0 done, 1 a check failed or the answer is no, 2 usage, 3 could not reach or "
      "open.\n"
      "Flags that people repeat can stand in the environment: GRAVEN_SERVER, GRAVEN_LOG, "
      "GRAVEN_DATA,\n"
      "GRAVEN_TOKEN, GRAVEN_TOKEN_FILE, GRAVEN_KEY, GRAVEN_TLS_CA.\n"
      "\n"
      "Example:\n"
      "  graven serve --data ./audit\n"
      "  graven append --actor alice --action invoice.approve --target invoice:42");
  AddServeCommand(*app, context);
  AddWitnessCommand(*app, context);
  AddLogsCommand(*app, context);
  AddAppendCommand(*app, context);
  AddImportCommand(*app, context);
  AddTailCommand(*app, context);
  AddShowCommand(*app, context);
  AddSearchCommand(*app, context);
  AddTraceCommand(*app, context);
  AddExplainCommand(*app, context);
  AddExportCommand(*app, context);
  AddCheckpointCommand(*app, context);
  AddReceiptCommand(*app, context);
  AddVerifyCommand(*app, context);
  AddMonitorCommand(*app, context);
  AddViewCommand(*app, context);
  AddRehearseCommand(*app, context);
  AddPreserveCommand(*app, context);
  AddKeysCommand(*app, context);
  AddStatusCommand(*app, context);
  AddVersionCommand(*app, context);
  AddCompletionCommand(*app, context);
  return app;
}

int RunProgram(const std::vector<std::string>& arguments, CommandContext& context) {
  const auto app = MakeProgram(context);
  // CLI11 wants them last first.
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app->parse(reversed);
  } catch (const CLI::ParseError& error) {
    return EndParsing(*app, arguments, error, context);
  }
  return context.exit_code();
}

}  // namespace graven::cli
