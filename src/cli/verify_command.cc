#include <filesystem>
#include <memory>

#include "CLI/CLI.hpp"
#include "audit/verify_answer.h"
#include "audit/verify_indexes.h"
#include "audit/verify_run.h"
#include "base/status_macros.h"
#include "cli/commands.h"
#include "console/key_flag.h"
#include "fmt/format.h"

namespace graven::cli {
using audit::Completeness;
using audit::VerifyAnswer;
using audit::VerifyEvidence;
using audit::VerifyExport;
using audit::VerifyFolder;
using audit::VerifyIndexes;
using audit::VerifyServer;
using console::KeyFlag;
using console::ReadVerifierKey;
using console::WasTyped;

namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

struct VerifyFlags {
  std::string path;
  std::string checkpoint_file;
  std::string origin;
  std::string guard;
  std::string evidence;
  std::string answer;
  const CLI::App* command = nullptr;
  KeyFlag key;
  std::string answer_key;

  bool indexes = false;
  bool complete_required = false;
  int64_t heartbeat_deadline_s = verify::ProducerRules{}.heartbeat_deadline_ns / kSecondNs;

  Completeness Wanted() const { return {complete_required, heartbeat_deadline_s * kSecondNs}; }
  bool Typed(const char* flag) const { return WasTyped(*command, *command->get_option(flag)); }
};

// What is checked is one thing, and named once: a flag that says nothing about it is refused, since
// whoever typed it believes that it was checked.
absl::Status CheckFlags(const VerifyFlags& flags, std::string_view object,
                        std::initializer_list<const char*> without) {
  for (const char* flag : without) {
    if (flags.Typed(flag)) return UsageError(fmt::format("{} has no say in {}", flag, object));
  }
  return absl::OkStatus();
}

CommandResult VerifyPath(CommandContext& context, const VerifyFlags& flags, const std::string& path,
                         const std::optional<note::VerifierKey>& key) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    RETURN_IF_ERROR(
        CheckFlags(flags, "the check of a folder", {"--checkpoint", "--origin", "--server"}));
    const bool one_log = flags.Typed("--log");
    if (flags.indexes) {
      RETURN_IF_ERROR(CheckFlags(flags, "the check of search indexes",
                                 {"--guard", "--key", "--require-complete"}));
      return VerifyIndexes(context, path, one_log ? context.log() : "");
    }
    return VerifyFolder(context,
                        {path, flags.guard, one_log ? context.log() : "", key, flags.Wanted()});
  }
  RETURN_IF_ERROR(
      CheckFlags(flags, "the check of an export", {"--guard", "--log", "--server", "--indexes"}));
  if (flags.Typed("--key") && flags.checkpoint_file.empty()) {
    return UsageError(
        "--key: an export holds no signature to check with it; give the signed checkpoint too: "
        "--checkpoint FILE (graven checkpoint)");
  }
  return VerifyExport(context, {path, flags.checkpoint_file, flags.origin, key, flags.Wanted()});
}

CommandResult VerifyTheAnswer(CommandContext& context, const VerifyFlags& flags,
                              const std::optional<note::VerifierKey>& key) {
  if (!flags.path.empty()) return UsageError("--answer: one thing is checked at a time");
  RETURN_IF_ERROR(CheckFlags(
      flags, "the check of an answer",
      {"--data", "--checkpoint", "--origin", "--guard", "--require-complete", "--indexes"}));
  std::optional<note::VerifierKey> answer_key;
  if (!flags.answer_key.empty()) {
    ASSIGN_OR_RETURN(answer_key, ReadVerifierKey("--answer-key", flags.answer_key));
  }
  return VerifyAnswer(context, flags.answer, key, answer_key);
}

// What was typed wins over what stands in the environment; without anything it is the server.
CommandResult Verify(CommandContext& context, const VerifyFlags& flags) {
  const bool data_typed = flags.Typed("--data");
  const bool server_typed = flags.Typed("--server");
  if (data_typed && (server_typed || !flags.path.empty())) {
    return UsageError("--data: one thing is checked at a time, PATH or --data or --server");
  }
  ASSIGN_OR_RETURN(const auto key, flags.key.Read());
  if (!flags.evidence.empty()) {
    if (!flags.path.empty()) return UsageError("--evidence: one thing is checked at a time");
    RETURN_IF_ERROR(CheckFlags(flags, "the check of evidence",
                               {"--data", "--server", "--checkpoint", "--origin", "--guard",
                                "--log", "--indexes", "--answer"}));
    return VerifyEvidence(context, flags.evidence, key);
  }
  if (!flags.answer.empty()) return VerifyTheAnswer(context, flags, key);
  if (!flags.path.empty()) return VerifyPath(context, flags, flags.path, key);
  const bool folder = data_typed || (!context.data().empty() && !server_typed);
  if (folder) return VerifyPath(context, flags, context.data(), key);
  RETURN_IF_ERROR(CheckFlags(flags, "the check of a server",
                             {"--checkpoint", "--origin", "--guard", "--indexes"}));
  return VerifyServer(context, key, flags.Wanted());
}

void AddAnswer(CLI::App& command, VerifyFlags& flags) {
  CLI::Option* answer = command
                            .add_option("--answer", flags.answer,
                                        "A statement of graven search --statement: searches all "
                                        "records of the server again")
                            ->type_name("FILE");
  command
      .add_option(
          "--answer-key", flags.answer_key,
          "Of an answer: the key of the server that stated it (vkey), or a file that holds it")
      ->type_name("VKEY")
      ->needs(answer);
}

}  // namespace

void AddVerifyCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command =
      app.add_subcommand("verify", "Checks a data folder, an export, or a running server");
  command->footer(
      "Checks hashes, chain, tree, signatures and the order of time, and names the first bad "
      "record.\n"
      "Without --key a good answer says \"self-consistent, key not pinned\": whoever can write "
      "the\n"
      "folder could have written another history and signed that. A folder's server must be "
      "stopped.\n"
      "Gaps in the numbers that producers gave their events are told apart from that, and make "
      "the\n"
      "exit code 1 only with --require-complete.\n"
      "Exit code 1: something does not hold; with --evidence: the file shows nothing.\n"
      "\n"
      "Example:\n"
      "  graven verify --data ./audit --key audit.vkey\n"
      "  graven verify audit.records --key audit.vkey --checkpoint checkpoint.note\n"
      "  graven verify --evidence fork.evidence --key audit.vkey\n"
      "  graven verify --answer denied.answer --key audit.vkey --answer-key answers.vkey\n"
      "  graven verify --server 127.0.0.1:7465\n"
      "  graven verify --data ./audit --indexes");
  auto flags = std::make_shared<VerifyFlags>();
  command->add_option("path", flags->path, "An export (either format, or -), or a data folder")
      ->type_name("PATH");
  flags->command = command;
  context.AddData(*command);
  flags->key.AddTo(*command);
  command
      ->add_option("--checkpoint", flags->checkpoint_file,
                   "Of an export: a signed checkpoint to hold it against")
      ->type_name("FILE");
  command->add_option("--origin", flags->origin, "Of an export: the log's origin")
      ->type_name("ORIGIN");
  command
      ->add_option("--evidence", flags->evidence,
                   "A file that graven monitor wrote: what it proves, offline")
      ->type_name("FILE");
  AddAnswer(*command, *flags);
  command->add_option("--guard", flags->guard, "Of a folder: where its guard is")
      ->envname("GRAVEN_GUARD")
      ->type_name("FILE");
  command->add_flag("--indexes", flags->indexes,
                    "Of a folder: make the search index again from the records, and compare");
  command->add_flag("--require-complete", flags->complete_required,
                    "Exit code 1 also for gaps, repeats and missing ends of producers' sequences");
  command
      ->add_option("--heartbeat-deadline", flags->heartbeat_deadline_s,
                   "An epoch with heartbeats must not be silent for longer [600]")
      ->type_name("SECONDS")
      ->check(CLI::Range(int64_t{1}, int64_t{31'536'000}));
  context.AddJson(*command);
  context.AddServer(*command);
  context.AddLog(*command);
  context.OnRun(*command, [&context, flags] { return Verify(context, *flags); });
}

}  // namespace graven::cli
