#include <functional>
#include <memory>

#include "CLI/CLI.hpp"
#include "cli/commands.h"
#include "fmt/format.h"

// Shell completion, made from the program's own tree of commands, so that it cannot fall behind.
namespace graven::cli {
namespace {

// Calls `visit` for the program and every command below it, with the path of names ("logs create").
void VisitCommands(const CLI::App& app, const std::string& path,
                   const std::function<void(const CLI::App&, const std::string&)>& visit) {
  visit(app, path);
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    VisitCommands(*command, path.empty() ? command->get_name() : path + " " + command->get_name(),
                  visit);
  }
}

std::vector<std::string> FlagNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

std::vector<std::string> CommandNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands(nullptr)) names.push_back(command->get_name());
  return names;
}

std::string ShellQuoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

// Shell code that sets `typed` to the commands among the words typed so far. Not `path`: zsh ties
// that to PATH.
std::string PathCases(const CLI::App& app) {
  std::string cases;
  VisitCommands(app, "", [&cases](const CLI::App& command, const std::string& path) {
    for (const std::string& name : CommandNames(command)) {
      const std::string longer = path.empty() ? name : path + " " + name;
      cases += fmt::format("      '{}/{}') typed='{}' ;;\n", path, name, longer);
    }
  });
  return cases;
}

std::string BashScript(const CLI::App& app) {
  std::string words;
  VisitCommands(app, "", [&words](const CLI::App& command, const std::string& path) {
    words += fmt::format("    '{}') words='{} {}' ;;\n", path,
                         fmt::join(CommandNames(command), " "), fmt::join(FlagNames(command), " "));
  });
  return fmt::format(
      "# bash completion for graven: source <(graven completion bash)\n"
      "_graven() {{\n"
      "  local typed='' words='' word\n"
      "  for word in \"${{COMP_WORDS[@]:1:COMP_CWORD-1}}\"; do\n"
      "    case \"$typed/$word\" in\n{}    esac\n"
      "  done\n"
      "  case \"$typed\" in\n{}  esac\n"
      "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"${{COMP_WORDS[COMP_CWORD]}}\")\n"
      "}}\n"
      "complete -o default -F _graven graven\n",
      PathCases(app), words);
}

std::string ZshScript(const CLI::App& app) {
  std::string words;
  VisitCommands(app, "", [&words](const CLI::App& command, const std::string& path) {
    std::string commands;
    std::string flags;
    for (const CLI::App* below : command.get_subcommands(nullptr)) {
      commands += " " + ShellQuoted(below->get_name() + ":" + below->get_description());
    }
    for (const CLI::Option* option : command.get_options()) {
      for (const std::string& name : option->get_lnames()) {
        flags += " " + ShellQuoted("--" + name + ":" + option->get_description());
      }
    }
    words += fmt::format("    '{}') commands=({}) flags=({}) ;;\n", path, commands, flags);
  });
  return fmt::format(
      "#compdef graven\n"
      "# zsh completion for graven: source <(graven completion zsh)\n"
      "_graven() {{\n"
      "  local typed='' word\n"
      "  local -a commands flags\n"
      "  for word in \"${{(@)words[2,CURRENT-1]}}\"; do\n"
      "    case \"$typed/$word\" in\n{}    esac\n"
      "  done\n"
      "  case \"$typed\" in\n{}  esac\n"
      "  (( $#commands )) && _describe command commands\n"
      "  [[ $PREFIX == -* ]] && _describe flag flags\n"
      "  (( $#commands )) || _files\n"
      "}}\n"
      "compdef _graven graven\n",
      PathCases(app), words);
}

// The same for fish, whose `case` ends at the next one.
std::string FishCases(const CLI::App& app) {
  std::string cases;
  VisitCommands(app, "", [&cases](const CLI::App& command, const std::string& path) {
    for (const std::string& name : CommandNames(command)) {
      const std::string longer = path.empty() ? name : path + " " + name;
      cases += fmt::format("      case '{}/{}'\n        set typed '{}'\n", path, name, longer);
    }
  });
  return cases;
}

std::string FishScript(const CLI::App& app) {
  std::string script = fmt::format(
      "# fish completion for graven: graven completion fish | source\n"
      "function __graven_typed --description 'Whether exactly these commands are typed'\n"
      "  set -l typed ''\n"
      "  set -l words (commandline -opc)\n"
      "  set -e words[1]\n"
      "  for word in $words\n"
      "    switch \"$typed/$word\"\n{}    end\n"
      "  end\n"
      "  test \"$typed\" = \"$argv[1]\"\n"
      "end\n",
      FishCases(app));
  VisitCommands(app, "", [&script](const CLI::App& command, const std::string& path) {
    const std::string condition = ShellQuoted("__graven_typed " + ShellQuoted(path));
    for (const CLI::App* below : command.get_subcommands(nullptr)) {
      script += fmt::format("complete -c graven -f -n {} -a {} -d {}\n", condition,
                            below->get_name(), ShellQuoted(below->get_description()));
    }
    for (const CLI::Option* option : command.get_options()) {
      if (option->get_lnames().empty()) continue;
      script += fmt::format(
          "complete -c graven -n {} -l {}{} -d {}\n", condition, option->get_lnames().front(),
          option->get_expected_min() > 0 ? " -r" : "", ShellQuoted(option->get_description()));
    }
  });
  return script;
}

}  // namespace

void AddCompletionCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("completion", "Prints a completion script for a shell");
  command->footer(
      "With --json: {\"shell\": ..., \"script\": ...}.\n"
      "\n"
      "Example:\n"
      "  source <(graven completion bash)\n"
      "  graven completion fish | source");
  auto shell = std::make_shared<std::string>();
  command->add_option("shell", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  context.AddJson(*command);
  context.OnRun(*command, [&app, &context, shell]() -> CommandResult {
    const std::string script = *shell == "bash"  ? BashScript(app)
                               : *shell == "zsh" ? ZshScript(app)
                                                 : FishScript(app);
    if (context.json()) {
      context.PrintJson({{"shell", *shell}, {"script", script}});
    } else {
      context.out().Write(script);
    }
    return ExitCode::kDone;
  });
}

}  // namespace graven::cli
