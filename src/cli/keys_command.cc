#include <memory>

#include "CLI/CLI.hpp"
#include "base/absl_views.h"
#include "base/random.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "cli/commands.h"
#include "console/key_flag.h"
#include "fmt/format.h"
#include "io/durable_file.h"
#include "note/checkpoint.h"
#include "note/keys.h"
#include "store/log_meta.h"

namespace graven::cli {
using console::kKeyFileBytesMax;
using console::WasTyped;

namespace {

CommandResult PrintKey(CommandContext& context, const note::VerifierKey& key) {
  if (context.json()) {
    context.PrintJson({{"name", key.name()},
                       {"key_id", fmt::format("{:08x}", key.key_id())},
                       {"vkey", key.Format()}});
  } else {
    context.out().Line(SafeText(key.Format()));
  }
  return ExitCode::kDone;
}

// The private half goes into a file and nowhere else.
CommandResult Generate(CommandContext& context, const std::string& name, const std::string& path) {
  if (const absl::Status valid = note::CheckOrigin(name); !valid.ok()) {
    return UsageError(fmt::format("NAME: {}", ToStd(valid.message())));
  }
  ASSIGN_OR_RETURN(const note::SignerKey key,
                   note::SignerKey::Generate(name, note::KeyType::kEd25519, SystemRandom()));
  const absl::Status written =
      io::CreateFileDurably(io::PosixFileSystem(), path, key.Format() + "\n",
                            /*permissions=*/0600);
  if (!written.ok()) return Unreachable("--output", written);
  return PrintKey(context, key.verifier());
}

absl::StatusOr<note::VerifierKey> ReadKeyFile(const std::string& path) {
  auto text = io::ReadWholeFile(io::PosixFileSystem(), path, kKeyFileBytesMax);
  if (!text.ok()) return Unreachable(path, text.status());
  while (!text->empty() && text->back() == '\n') text->pop_back();
  if (text->starts_with("PRIVATE+KEY+")) {
    ASSIGN_OR_RETURN(const note::SignerKey key, note::SignerKey::Parse(*text));
    return key.verifier();
  }
  return note::VerifierKey::Parse(*text);
}

CommandResult Show(CommandContext& context, const std::string& file, bool from_folder) {
  if (!file.empty()) {
    ASSIGN_OR_RETURN(const note::VerifierKey key, ReadKeyFile(file));
    return PrintKey(context, key);
  }
  if (from_folder) {
    // A witness's folder has one key and no logs of its own.
    const std::string version = context.data() + "/version";
    const auto kind = io::ReadWholeFile(io::PosixFileSystem(), version, kKeyFileBytesMax);
    if (kind.ok() && kind->starts_with("graven witness ")) {
      ASSIGN_OR_RETURN(const note::VerifierKey key, ReadKeyFile(context.data() + "/key"));
      return PrintKey(context, key);
    }
    // From the log's metadata and not from keys/: a copy for auditors has no private keys.
    const std::string path = fmt::format("{}/logs/{}/meta", context.data(), context.log());
    const auto meta = store::ReadLogMeta(io::PosixFileSystem(), path);
    if (!meta.ok()) return Unreachable("--data", meta.status());
    ASSIGN_OR_RETURN(const note::VerifierKey key, note::VerifierKey::Parse(meta->vkey));
    return PrintKey(context, key);
  }
  ASSIGN_OR_RETURN(const auto client, context.Connect());
  ASSIGN_OR_RETURN(const v1::Log log, client->GetLog());
  ASSIGN_OR_RETURN(const note::VerifierKey key, note::VerifierKey::Parse(log.vkey()));
  return PrintKey(context, key);
}

void AddGenerate(CLI::App& keys, CommandContext& context) {
  CLI::App* command = keys.add_subcommand("generate", "Makes an Ed25519 key pair");
  command->footer(
      "The private key goes into a new file of mode 0600 and is never printed; the public key "
      "(C2SP\n"
      "vkey) is.\n"
      "\n"
      "Example:\n"
      "  graven keys generate example.org/audit --output audit.key");
  auto name = std::make_shared<std::string>();
  auto path = std::make_shared<std::string>();
  command->add_option("name", *name, "Name of the key: the origin of its log")->required();
  command->add_option("--output", *path, "New file for the private key")
      ->required()
      ->type_name("FILE");
  context.AddJson(*command);
  context.OnRun(*command, [&context, name, path] { return Generate(context, *name, *path); });
}

}  // namespace

void AddKeysCommand(CLI::App& app, CommandContext& context) {
  CLI::App* keys = app.add_subcommand("keys", "Makes keys, and shows public ones");
  keys->require_subcommand(1);
  keys->footer("Example:\n  graven keys show --data ./audit");
  AddGenerate(*keys, context);

  CLI::App* show = keys->add_subcommand("show", "Prints the public key of a log (C2SP vkey)");
  show->footer(
      "Asks the server, unless --data or --file is given. To pin a key, take it from the folder, "
      "not\n"
      "from the server that is to be checked with it.\n"
      "\n"
      "Example:\n"
      "  graven keys show --data ./audit --log default");
  auto file = std::make_shared<std::string>();
  show->add_option("--file", *file, "File of a private or public key")->type_name("FILE");
  CLI::Option* data = context.AddData(*show);
  context.AddJson(*show);
  context.AddServer(*show);
  context.AddLog(*show);
  CLI::Option* server = show->get_option("--server");
  context.OnRun(*show, [&context, show, file, data, server] {
    const bool folder = WasTyped(*show, *data) || (data->count() > 0 && !WasTyped(*show, *server));
    return Show(context, *file, folder);
  });
}

}  // namespace graven::cli
