#include <memory>

#include "CLI/CLI.hpp"
#include "cli/commands.h"
#include "server/serve.h"

namespace graven::cli {

void AddServeCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("serve", "Runs the server until SIGTERM or Ctrl-C");
  command->footer(
      "What a flag leaves out comes from --config, then from the defaults. SIGTERM drains: "
      "everything\n"
      "accepted is made durable and answered, then it exits 0.\n"
      "\n"
      "Example:\n"
      "  graven serve --data ./audit --listen 127.0.0.1:7465 --http 127.0.0.1:7466");
  auto options = std::make_shared<server::ServeOptions>();
  command->add_option("--data", options->data, "Folder of the logs; made when it is missing")
      ->envname("GRAVEN_DATA")
      ->type_name("DIR");
  command
      ->add_option("--listen", options->listen,
                   std::string("HOST:PORT (port 0: any) or unix:PATH; may be repeated [") +
                       server::kDefaultListen + "]")
      ->type_name("ADDR")
      ->take_all();
  command
      ->add_option("--http", options->http,
                   "HTTP on HOST:PORT (port 0: any) or unix:PATH; may be repeated [none]")
      ->type_name("ADDR")
      ->take_all();
  command->add_option("--config", options->config_file, "Configuration (TOML)")
      ->envname("GRAVEN_CONFIG")
      ->type_name("FILE");
  command
      ->add_option("--ready-file", options->ready_file,
                   "Receives one JSON object, in one step, once the server answers")
      ->type_name("FILE");
  command->add_option("--guard", options->guard, "File of the guard, best on another disk")
      ->type_name("FILE");
  command
      ->add_option("--policy", options->policy,
                   "Witnesses whose quorum a checkpoint needs to be served (C2SP tlog-policy)")
      ->type_name("FILE");
  command
      ->add_option("--descriptor-set", options->descriptor_sets,
                   "FileDescriptorSet whose types an event's details may hold; may be repeated")
      ->type_name("FILE")
      ->take_all();
  command->add_option("--log-level", options->log_level, "Of the operational log")
      ->check(CLI::IsMember({"debug", "info", "warn", "warning", "error"}));
  CLI::Option* format =
      command->add_option("--log-format", options->log_format, "Of the operational log")
          ->check(CLI::IsMember({"text", "json"}));
  context.AddJson(*command);
  command->get_option("--json")->excludes(format)->description("The same as --log-format json");
  command
      ->add_option("--slow-append-ms", options->slow_append_ms,
                   "Log each append that takes longer to become durable, with its stages [0: none]")
      ->type_name("N")
      ->check(CLI::Range(0, 3'600'000));
  command->add_flag("--insecure-listen-on-the-network", options->insecure_listen_on_the_network,
                    "Listen beyond this machine although anybody could then write");
  context.OnRun(*command, [&context, options]() -> CommandResult {
    if (context.json()) options->log_format = "json";
    return static_cast<ExitCode>(server::RunServer(*options));
  });
}

}  // namespace graven::cli
