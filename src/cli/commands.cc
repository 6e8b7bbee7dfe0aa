#include "cli/commands.h"

#include <algorithm>
#include <iostream>

namespace graven::cli {

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
  AddLogsCommand(*app, context);
  AddAppendCommand(*app, context);
  AddImportCommand(*app, context);
  AddTailCommand(*app, context);
  AddShowCommand(*app, context);
  AddExportCommand(*app, context);
  AddCheckpointCommand(*app, context);
  AddReceiptCommand(*app, context);
  AddVerifyCommand(*app, context);
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
    // Help is an error of code 0 to CLI11; every real one is the user's.
    return app->exit(error, std::cout, std::cerr) == 0 ? 0 : static_cast<int>(ExitCode::kUsage);
  }
  return context.exit_code();
}

}  // namespace graven::cli
