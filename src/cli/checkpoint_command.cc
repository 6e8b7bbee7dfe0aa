#include <memory>

#include "base/encoding.h"
#include "base/status_macros.h"
#include "cli/commands.h"
#include "cli/key_flag.h"
#include "note/checkpoint.h"
#include "note/note.h"

namespace graven::cli {
namespace {

CommandResult PrintCheckpoint(CommandContext& context, const KeyFlag& key_flag) {
  ASSIGN_OR_RETURN(const auto key, key_flag.Read());
  ASSIGN_OR_RETURN(const auto client, context.Connect());
  ASSIGN_OR_RETURN(const v1::GetCheckpointResponse response, client->GetCheckpoint());
  const std::string& note = response.checkpoint();
  note::Checkpoint checkpoint;
  if (key.has_value()) {
    ASSIGN_OR_RETURN(checkpoint, note::OpenCheckpoint(note, *key));
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
  context.OnRun(*command, [&context, key] { return PrintCheckpoint(context, *key); });
}

}  // namespace graven::cli
