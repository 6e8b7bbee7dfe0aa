#include <memory>

#include "CLI/CLI.hpp"
#include "base/encoding.h"
#include "base/status_macros.h"
#include "cli/commands.h"
#include "console/key_flag.h"
#include "note/checkpoint.h"
#include "note/note.h"

namespace graven::cli {
using console::CheckFailed;
using console::KeyFlag;

namespace {

CommandResult PrintCheckpoint(CommandContext& context, const KeyFlag& key_flag,
                              const std::string& level) {
  auto wanted = v1::RECEIPT_LEVEL_UNSPECIFIED;
  if (level == "published") wanted = v1::RECEIPT_LEVEL_PUBLISHED;
  if (level == "cosigned") wanted = v1::RECEIPT_LEVEL_COSIGNED;
  ASSIGN_OR_RETURN(const auto key, key_flag.Read());
  ASSIGN_OR_RETURN(const auto client, context.Connect());
  ASSIGN_OR_RETURN(const v1::GetCheckpointResponse response, client->GetCheckpoint({}, wanted));
  const std::string& note = response.checkpoint();
  note::Checkpoint checkpoint;
  if (key.has_value()) {
    auto opened = note::OpenCheckpoint(note, *key);
    if (!opened.ok()) return CheckFailed("the server's checkpoint", opened.status());
    checkpoint = *std::move(opened);
  } else {
    ASSIGN_OR_RETURN(const note::Note parsed, note::ParseNote(note));
    ASSIGN_OR_RETURN(checkpoint, note::ParseCheckpoint(parsed.text));
  }
  if (context.json()) {
    context.PrintJson({{"origin", checkpoint.origin},
                       {"size", checkpoint.size.value},
                       {"root_hash", HexEncode(checkpoint.root)},
                       {"signature_checked", key.has_value()},
                       {"checkpoint", note}});
  } else {
    context.PrintNote(note);
  }
  return ExitCode::kDone;
}

}  // namespace

void AddCheckpointCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("checkpoint", "Prints the newest signed checkpoint");
  command->footer(
      "The output is the signed note itself (C2SP tlog-checkpoint). With --key its signature is\n"
      "checked first; exit code 1: it does not verify.\n"
      "\n"
      "Example:\n"
      "  graven checkpoint > checkpoint.note");
  auto key = std::make_shared<KeyFlag>();
  key->AddTo(*command);
  context.AddJson(*command);
  context.AddServer(*command);
  context.AddLog(*command);
  auto level = std::make_shared<std::string>();
  command
      ->add_option("--level", *level,
                   "published: the newest of all; cosigned: the newest that meets the quorum of "
                   "witnesses\n[cosigned where the server has a quorum, else published]")
      ->check(CLI::IsMember({"published", "cosigned"}));
  context.OnRun(*command,
                [&context, key, level] { return PrintCheckpoint(context, *key, *level); });
}

}  // namespace graven::cli
