#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "client/client.h"
#include "console/exit_code.h"
#include "console/terminal.h"
#include "nlohmann/json.hpp"

// Every file that reads CLI11 pays seconds of compile time: only those that add flags do.
namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace graven::console {

// Keeps keys in the order in which they were put.
using Json = nlohmann::ordered_json;

// What all commands share: the flags that people repeat, where output goes, how it ends. One
// command runs per process, on one thread; flags of commands that do not run stay at their
// defaults.
class CommandContext {
 public:
  CommandContext();
  CommandContext(const CommandContext&) = delete;
  CommandContext& operator=(const CommandContext&) = delete;

  // Each adds flags to a command; the values are read by the members below.
  void AddJson(CLI::App& command);
  // --server, --token-file and those for TLS.
  void AddServer(CLI::App& command);
  void AddLog(CLI::App& command);
  CLI::Option* AddData(CLI::App& command);

  // `run` is what the command does; its result becomes the exit code.
  void OnRun(CLI::App& command, std::function<CommandResult()> run);

  // A client for the server and log of the flags. Does not wait for the server.
  absl::StatusOr<std::unique_ptr<client::Client>> Connect() const;

  // For what goes wrong before the flags are read.
  void UseJson() { flags_.json = true; }
  // Whether the output is for a machine.
  bool json() const { return flags_.json; }
  const std::string& server() const { return flags_.server.address; }
  const std::string& log() const { return flags_.log; }
  const std::string& data() const { return flags_.data; }

  Terminal& out() { return out_; }
  Terminal& err() { return err_; }
  // One document, pretty when a person looks on.
  void PrintJson(const Json& document);
  // One line, for streams of them.
  void PrintJsonLine(const Json& document);

  // A signed note or receipt: its exact bytes, for a file or a pipe; on a terminal line by line and
  // made harmless, since its origin is a stranger's text.
  void PrintNote(std::string_view note);

  // A line about work that goes on (what was refused, what was left out), on standard error: made
  // harmless for a person, {"notice": text} and exact with --json. `text` is not escaped yet.
  void PrintNotice(std::string_view text);

  // An error for a person, or for a machine with --json; on standard error.
  void PrintError(const absl::Status& status);

  // What the process ends with, once the command ran.
  int exit_code() const { return static_cast<int>(exit_code_); }

 private:
  struct ServerFlags {
    std::string address;
    std::string token_file;
    bool tls = false;
    std::string tls_ca;
    std::string tls_certificate;
    std::string tls_key;
    std::string tls_name;
  };

  struct Flags {
    bool json = false;
    ServerFlags server;
    std::string log = "default";
    std::string data;
  };

  // Of one command. Each has its own: the parser fills those of all commands from the environment,
  // and what was typed for one would be written over by the next.
  Flags& FlagsOf(const CLI::App& command);
  void End(const CommandResult& result);

  Terminal out_;
  Terminal err_;
  std::map<const CLI::App*, std::unique_ptr<Flags>> all_flags_;
  Flags flags_;  // of the command that runs
  ExitCode exit_code_ = ExitCode::kDone;
};

// The bearer token: the text of `file`, or GRAVEN_TOKEN's when that is empty; without white space
// around it. Never from a flag: everybody on the machine sees the flags of every process.
absl::StatusOr<std::string> ReadToken(const std::string& file);

// Whether `option`, one of `command`'s own, stands on the command line. A value from its
// environment variable does not count, not even an equal one.
bool WasTyped(const CLI::App& command, const CLI::Option& option);

}  // namespace graven::console
