// What CommandContext adds to a command: apart from it, since CLI11 takes seconds to read.
#include <algorithm>
#include <utility>

#include "CLI/CLI.hpp"
#include "console/command_context.h"

namespace graven::console {

CommandContext::Flags& CommandContext::FlagsOf(const CLI::App& command) {
  std::unique_ptr<Flags>& flags = all_flags_[&command];
  if (flags == nullptr) flags = std::make_unique<Flags>(flags_);
  return *flags;
}

void CommandContext::AddJson(CLI::App& command) {
  command.add_flag("--json", FlagsOf(command).json, "Output for machines");
}

void CommandContext::AddServer(CLI::App& command) {
  ServerFlags& flags = FlagsOf(command).server;
  command.add_option("--server", flags.address, "Where the server listens: HOST:PORT or unix:PATH")
      ->envname("GRAVEN_SERVER")
      ->type_name("ADDR")
      ->capture_default_str();
  command
      .add_option("--token-file", flags.token_file,
                  "File with the bearer token (or the token itself in GRAVEN_TOKEN)")
      ->envname("GRAVEN_TOKEN_FILE")
      ->type_name("FILE");
  command.add_flag("--tls", flags.tls, "Use TLS, with the machine's own roots")
      ->envname("GRAVEN_TLS");
  command.add_option("--tls-ca", flags.tls_ca, "Use TLS, and believe what this signed (PEM)")
      ->envname("GRAVEN_TLS_CA")
      ->type_name("FILE");
  command.add_option("--tls-cert", flags.tls_certificate, "Our certificate (PEM)")
      ->envname("GRAVEN_TLS_CERT")
      ->type_name("FILE");
  command.add_option("--tls-key", flags.tls_key, "Its key (PEM)")
      ->envname("GRAVEN_TLS_KEY")
      ->type_name("FILE");
  command.add_option("--tls-name", flags.tls_name, "Name to expect in the server's certificate")
      ->envname("GRAVEN_TLS_NAME")
      ->type_name("NAME");
}

void CommandContext::AddLog(CLI::App& command) {
  command.add_option("--log", FlagsOf(command).log, "Name of the log")
      ->envname("GRAVEN_LOG")
      ->type_name("NAME")
      ->capture_default_str();
}

CLI::Option* CommandContext::AddData(CLI::App& command) {
  return command.add_option("--data", FlagsOf(command).data, "Folder of the logs")
      ->envname("GRAVEN_DATA")
      ->type_name("DIR");
}

void CommandContext::OnRun(CLI::App& command, std::function<CommandResult()> run) {
  command.callback([this, &command, run = std::move(run)] {
    flags_ = FlagsOf(command);
    End(run());
  });
}

bool WasTyped(const CLI::App& command, const CLI::Option& option) {
  // The parser notes options here as it meets them; those filled from the environment it does not.
  const std::vector<CLI::Option*>& typed = command.parse_order();
  return std::find(typed.begin(), typed.end(), &option) != typed.end();
}

}  // namespace graven::console
