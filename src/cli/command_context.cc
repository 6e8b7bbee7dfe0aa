#include "cli/command_context.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "CLI/CLI.hpp"
#include "base/absl_views.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "client/call_status.h"
#include "fmt/format.h"
#include "io/durable_file.h"

namespace graven::cli {
namespace {

constexpr char kDefaultServer[] = "127.0.0.1:7465";
constexpr uint64_t kTokenBytesMax = 4096;

// Text that is not UTF-8 cannot stand in JSON; records cannot hold any. With `ascii` everything
// else than ASCII stands as \u escapes: the same document, and harmless to a terminal.
std::string Dump(const Json& document, int indent, bool ascii) {
  return document.dump(indent, ' ', ascii, Json::error_handler_t::replace);
}

// gRPC's words for a server that is not there say everything but that.
absl::Status InPlainWords(const absl::Status& status, const std::string& server) {
  if (!absl::IsUnavailable(status) ||
      ToStd(status.message()).find("failed to connect") == std::string_view::npos) {
    return status;
  }
  return absl::UnavailableError(fmt::format(
      "no server answers at {} (start one: graven serve --data DIR --listen {})", server, server));
}

}  // namespace

CommandContext::CommandContext() : out_(stdout), err_(stderr) {
  flags_.server.address = kDefaultServer;
}

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

void CommandContext::End(const CommandResult& result) {
  if (result.ok()) {
    exit_code_ = *result;
  } else {
    PrintError(InPlainWords(result.status(), server()));
    exit_code_ = ExitCodeOf(result.status());
  }
  if (const absl::Status written = out_.Finish(); !written.ok() && result.ok()) {
    PrintError(written);
    exit_code_ = ExitCode::kUnreachable;
  }
}

absl::StatusOr<std::unique_ptr<client::Client>> CommandContext::Connect() const {
  const ServerFlags& flags = flags_.server;
  client::ClientOptions options;
  options.address = flags.address;
  options.log = log();
  ASSIGN_OR_RETURN(options.token, ReadToken(flags.token_file));
  options.tls.enabled = flags.tls || !flags.tls_ca.empty() || !flags.tls_certificate.empty();
  options.tls.ca_file = flags.tls_ca;
  options.tls.certificate_file = flags.tls_certificate;
  options.tls.key_file = flags.tls_key;
  options.tls.server_name = flags.tls_name;
  auto connected = client::Client::Connect(std::move(options));
  if (!connected.ok()) return Unreachable(flags.address, connected.status());
  return connected;
}

void CommandContext::PrintJson(const Json& document) {
  out_.Line(Dump(document, out_.is_terminal() ? 2 : -1, out_.is_terminal()));
}

void CommandContext::PrintJsonLine(const Json& document) {
  out_.Line(Dump(document, -1, out_.is_terminal()));
}

void CommandContext::PrintNote(std::string_view note) {
  if (!out_.is_terminal()) {
    out_.Write(note);
    return;
  }
  for (size_t start = 0; start < note.size();) {
    const size_t end = std::min(note.find('\n', start), note.size());
    out_.Line(SafeText(note.substr(start, end - start)));
    start = end + 1;
  }
}

void CommandContext::PrintNotice(std::string_view text) {
  err_.Line(json() ? Dump({{"notice", text}}, -1, err_.is_terminal()) : SafeText(text));
}

void CommandContext::PrintError(const absl::Status& status) {
  const std::string_view message = ToStd(status.message());
  if (json()) {
    Json error = {{"code", absl::StatusCodeToString(status.code())}, {"message", message}};
    if (const std::string reason = client::ErrorReason(status); !reason.empty()) {
      error["reason"] = reason;
    }
    for (const client::FieldViolation& violation : client::Violations(status)) {
      error["violations"].push_back(
          {{"field", violation.field}, {"description", violation.description}});
    }
    err_.Line(Dump({{"error", error}}, -1, err_.is_terminal()));
  } else {
    err_.Line(err_.Paint(Colour::kRed, "graven:") + " " + SafeText(message));
  }
  (void)err_.Finish();
}

absl::StatusOr<std::string> ReadToken(const std::string& file) {
  if (file.empty()) {
    const char* token = std::getenv("GRAVEN_TOKEN");
    return std::string(token == nullptr ? "" : token);
  }
  auto text = io::ReadWholeFile(io::PosixFileSystem(), file, kTokenBytesMax);
  if (!text.ok()) return Unreachable("--token-file", text.status());
  const size_t end = text->find_last_not_of(" \t\r\n");
  text->resize(end == text->npos ? 0 : end + 1);
  return *text;
}

bool WasTyped(const CLI::App& command, const CLI::Option& option) {
  // The parser notes options here as it meets them; those filled from the environment it does not.
  const std::vector<CLI::Option*>& typed = command.parse_order();
  return std::find(typed.begin(), typed.end(), &option) != typed.end();
}

}  // namespace graven::cli
