#include <memory>

#include "CLI/CLI.hpp"
#include "cli/commands.h"
#include "server/witness_serve.h"

namespace graven::cli {

void AddWitnessCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand(
      "witness", "Cosigns the checkpoints of other logs, as long as they only grow");
  command->footer(
      "A witness (C2SP tlog-witness) remembers the largest tree of each log that it was shown, "
      "and\n"
      "cosigns only what continues it. Run it on another machine than the logs, by other people.\n"
      "Its key is made at the first start; the public half is in the ready file, at GET /, and "
      "shown\n"
      "by graven keys show --data DIR. Never restore its folder from an older copy.\n"
      "\n"
      "Example:\n"
      "  graven witness --data ./witness --name witness.example.org/w1 \\\n"
      "    --listen 0.0.0.0:7467 --host witness.example.org --log \"$(cat log.vkey)\"");
  auto options = std::make_shared<server::WitnessServeOptions>();
  command
      ->add_option("--data", options->data, "Folder of what it has seen; made when it is missing")
      ->required()
      ->type_name("DIR");
  command->add_option("--name", options->name, "Of its key: a URL without a scheme is best")
      ->required()
      ->type_name("NAME");
  command
      ->add_option("--log", options->logs,
                   "Public key (C2SP vkey) of a log to cosign, or a file that holds it; may be "
                   "repeated")
      ->required()
      ->type_name("VKEY")
      ->take_all();
  command
      ->add_option("--listen", options->listen,
                   std::string("HOST:PORT (port 0: any); may be repeated [") +
                       server::kDefaultWitnessListen + "]")
      ->type_name("ADDR")
      ->take_all();
  command
      ->add_option("--host", options->hosts,
                   "A name that it is called by, beside loopback and the addresses themselves; may "
                   "be repeated")
      ->type_name("HOST")
      ->take_all();
  command
      ->add_option("--ready-file", options->ready_file,
                   "Receives one JSON object, in one step, once the witness answers")
      ->type_name("FILE");
  options->log_level = "info";
  options->log_format = "text";
  command->add_option("--log-level", options->log_level, "Of the operational log")
      ->check(CLI::IsMember({"debug", "info", "warn", "warning", "error"}));
  CLI::Option* format =
      command->add_option("--log-format", options->log_format, "Of the operational log")
          ->check(CLI::IsMember({"text", "json"}));
  context.AddJson(*command);
  command->get_option("--json")->excludes(format)->description("The same as --log-format json");
  context.OnRun(*command, [&context, options]() -> CommandResult {
    if (context.json()) options->log_format = "json";
    return static_cast<ExitCode>(server::RunWitness(*options));
  });
}

}  // namespace graven::cli
