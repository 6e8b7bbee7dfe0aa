#pragma once

#include <memory>

#include "console/command_context.h"

// The commands. Each stands in a file of its own, <name>_command.cc, which adds one subcommand with
// its flags, help and example to the program, and what it does to the context.
namespace graven::cli {

// What every command speaks with.
using console::Colour;
using console::CommandContext;
using console::CommandResult;
using console::CountText;
using console::ExitCode;
using console::Json;
using console::ProgressLine;
using console::Terminal;
using console::Unreachable;
using console::UsageError;

void AddServeCommand(CLI::App& app, CommandContext& context);
void AddLogsCommand(CLI::App& app, CommandContext& context);
void AddAppendCommand(CLI::App& app, CommandContext& context);
void AddImportCommand(CLI::App& app, CommandContext& context);
void AddTailCommand(CLI::App& app, CommandContext& context);
void AddShowCommand(CLI::App& app, CommandContext& context);
void AddSearchCommand(CLI::App& app, CommandContext& context);
void AddTraceCommand(CLI::App& app, CommandContext& context);
void AddExplainCommand(CLI::App& app, CommandContext& context);
void AddPreserveCommand(CLI::App& app, CommandContext& context);
void AddExportCommand(CLI::App& app, CommandContext& context);
void AddCheckpointCommand(CLI::App& app, CommandContext& context);
void AddReceiptCommand(CLI::App& app, CommandContext& context);
void AddVerifyCommand(CLI::App& app, CommandContext& context);
void AddMonitorCommand(CLI::App& app, CommandContext& context);
void AddRehearseCommand(CLI::App& app, CommandContext& context);
void AddKeysCommand(CLI::App& app, CommandContext& context);
void AddStatusCommand(CLI::App& app, CommandContext& context);
void AddVersionCommand(CLI::App& app, CommandContext& context);
void AddViewCommand(CLI::App& app, CommandContext& context);
void AddWitnessCommand(CLI::App& app, CommandContext& context);
// Completes every command that was added before it.
void AddCompletionCommand(CLI::App& app, CommandContext& context);

// The whole program. `context` outlives it.
std::unique_ptr<CLI::App> MakeProgram(CommandContext& context);

// Parses `arguments` (without the program's name), runs the command, and returns the exit code.
int RunProgram(const std::vector<std::string>& arguments, CommandContext& context);

}  // namespace graven::cli
