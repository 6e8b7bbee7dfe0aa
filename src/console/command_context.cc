#include "console/command_context.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "base/absl_views.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "client/call_status.h"
#include "fmt/format.h"
#include "io/durable_file.h"

namespace graven::console {
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

}  // namespace graven::console
