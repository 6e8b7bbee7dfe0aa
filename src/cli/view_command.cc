#include <cstdlib>
#include <memory>

#include "CLI/CLI.hpp"
#include "base/absl_views.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "cli/commands.h"
#include "cli/version.h"
#include "console/policy_flag.h"
#include "fmt/format.h"
#include "io/durable_file.h"
#include "server/stop_signals.h"
#include "view/view.h"
#include "web/page_files.h"

namespace graven::cli {
using console::ReadPolicy;
using console::ReadToken;

namespace {

struct ViewFlags {
  std::string server;
  std::string policy_file;
  std::string folder;
  std::string listen = "127.0.0.1:0";
  std::string ca;
  std::string token_file;
};

// Where a person's programs keep what they must not lose (XDG base directories). Its parents are
// made where they are missing.
absl::StatusOr<std::string> DefaultFolder() {
  const char* home = std::getenv("HOME");
  const char* data = std::getenv("XDG_DATA_HOME");
  const bool named = data != nullptr && data[0] == '/';
  if (!named && (home == nullptr || home[0] != '/'))
    return UsageError("--data: there is no HOME to keep the memory in; name a folder");
  std::vector<std::string> parents;
  if (named) {
    parents.emplace_back(data);
  } else {
    parents.push_back(io::JoinPath(home, ".local"));
    parents.push_back(io::JoinPath(parents.back(), "share"));
  }
  parents.push_back(io::JoinPath(parents.back(), "graven"));
  for (const std::string& parent : parents) {
    const absl::Status made = io::MakeDirectoryDurably(io::PosixFileSystem(), parent, 0700);
    if (!made.ok()) return Unreachable("--data", made);
  }
  return io::JoinPath(parents.back(), "view");
}

// Whether what is sent to this URL can be read on the way.
bool IsClearTextElsewhere(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) return false;
  url.remove_prefix(kScheme.size());
  const std::string_view host = url.substr(0, url.find('/'));
  const std::string_view name =
      host.starts_with('[') ? host.substr(0, host.find(']') + 1) : host.substr(0, host.find(':'));
  if (name == "localhost" || name == "[::1]") return false;
  // A name may begin with these digits too: it is not an address then.
  return !name.starts_with("127.") || name.find_first_not_of("0123456789.") != name.npos;
}

CommandResult ServeView(CommandContext& context, const ViewFlags& flags) {
  // Before any thread is made, so that all of them leave the signals to it.
  server::StopSignals stop;
  view::ViewOptions options;
  options.listen = flags.listen;
  options.version = kVersion;
  options.page = web::PageFiles();
  options.relay.server = flags.server;
  options.relay.ca_file = flags.ca;
  ASSIGN_OR_RETURN(options.relay.token, ReadToken(flags.token_file));
  if (!options.relay.token.empty() && IsClearTextElsewhere(flags.server)) {
    return UsageError(fmt::format("--token-file: not sent to {} in clear text; give an https URL",
                                  SafeText(flags.server, 256)));
  }
  ASSIGN_OR_RETURN(const auto policy, ReadPolicy(flags.policy_file, &options.policy_text));
  if (!policy || policy->LogKeys().empty())
    return UsageError("--policy: it names no log, so no key would be pinned");
  std::string folder = flags.folder;
  if (folder.empty()) {
    ASSIGN_OR_RETURN(folder, DefaultFolder());
  }
  auto memory =
      view::SeenMemory::Open(io::PosixFileSystem(), folder, *policy, SystemClock(), SystemRandom());
  if (!memory.ok()) return Unreachable("--data", memory.status());
  auto view = view::View::Start(**memory, std::move(options));
  if (absl::IsInvalidArgument(view.status())) return UsageError(ToStd(view.status().message()));
  if (!view.ok()) return Unreachable("view", view.status());
  if (context.json()) {
    context.PrintJsonLine(
        {{"address", (*view)->address()}, {"server", (*view)->server()}, {"data", folder}});
  } else {
    context.out().Line(fmt::format("{}", (*view)->address()));
    context.err().Line(SafeText(fmt::format("a view of {}, with its memory in {}; Ctrl-C ends it",
                                            (*view)->server(), folder)));
    RETURN_IF_ERROR(context.err().Finish());
  }
  RETURN_IF_ERROR(context.out().Finish());
  stop.Wait();
  return ExitCode::kDone;
}

}  // namespace

void AddViewCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command =
      app.add_subcommand("view", "Shows the page from your own binary, about a server elsewhere");
  command->footer(
      "Serves the page on this machine, and asks the server at URL (what its serve --http says)\n"
      "for records and proofs. The log's key and the quorum of witnesses are those of the policy\n"
      "(C2SP tlog-policy, docs/format.md), and what was seen is remembered in DIR, on your disk. "
      "So\n"
      "only this page says \"independently verified\": one that a server ships is its own judge.\n"
      "Prints the address to open; it holds a secret of DIR, for other users of this machine can\n"
      "reach the port. Nothing is ever written to the server. Ends at SIGINT or SIGTERM.\n"
      "\n"
      "Example:\n"
      "  graven view --server https://audit.example --policy audit.policy\n"
      "  graven view --server http://127.0.0.1:7466 --policy audit.policy --data ./seen --json");
  auto flags = std::make_shared<ViewFlags>();
  command->add_option("--server", flags->server, "HTTP address of the server, http or https")
      ->required()
      ->type_name("URL");
  command
      ->add_option("--policy", flags->policy_file,
                   "tlog-policy: the keys of logs, and the quorum of witnesses to ask for")
      ->required()
      ->type_name("FILE");
  command
      ->add_option("--data", flags->folder,
                   "The view's memory [~/.local/share/graven/view, or below XDG_DATA_HOME]")
      ->type_name("DIR");
  command
      ->add_option("--listen", flags->listen,
                   "HOST:PORT on this machine alone (port 0: the system chooses)")
      ->capture_default_str()
      ->type_name("ADDR");
  command->add_option("--ca", flags->ca, "Of https: believe what this signed (PEM)")
      ->type_name("FILE");
  command
      ->add_option("--token-file", flags->token_file,
                   "File with the bearer token for the server (or the token itself in "
                   "GRAVEN_TOKEN)")
      ->envname("GRAVEN_TOKEN_FILE")
      ->type_name("FILE");
  context.AddJson(*command);
  context.OnRun(*command, [&context, flags] { return ServeView(context, *flags); });
}

}  // namespace graven::cli
