#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "audit/verify_run.h"
#include "base/absl_views.h"
#include "base/encoding.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "cli/commands.h"
#include "console/key_flag.h"
#include "console/policy_flag.h"
#include "fmt/format.h"
#include "merkle/proof.h"
#include "verify/explanation.h"

namespace graven::cli {
using audit::VerifyExport;
using console::KeyFlag;
using console::ReadPolicy;
using console::WasTyped;

namespace {

// Larger than any file that is explained whole.
constexpr size_t kHeadBytesMax = size_t{8} << 20;

struct ExplainFlags {
  std::string path;
  std::string policy;
  KeyFlag key;
  const CLI::App* command = nullptr;
};

// The whole file, or what an export begins with.
absl::StatusOr<std::string> ReadHead(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             &std::fclose);
  if (file == nullptr) return Unreachable(path, absl::NotFoundError("cannot be opened"));
  std::string head(kHeadBytesMax, '\0');
  head.resize(std::fread(head.data(), 1, head.size(), file.get()));
  if (std::ferror(file.get()) != 0) {
    return Unreachable(path, absl::UnavailableError("cannot be read"));
  }
  return head;
}

// What the log of the flags, as it is now, says about a receipt or checkpoint.
struct LogWord {
  bool holds = false;
  std::string sentence;
};

std::vector<Hash> HashesOf(const v1::GetConsistencyProofResponse& answer) {
  std::vector<Hash> hashes;
  for (const std::string& hash : answer.hashes()) {
    // One of another length makes the proof one hash short, and so no proof.
    if (hash.size() == Hash::kSize) hashes.push_back(Hash::FromBytes(hash));
  }
  return hashes;
}

// The log's newest checkpoint, whose signature is checked when its key is at hand.
absl::StatusOr<note::Checkpoint> Newest(client::Client& client,
                                        const std::vector<note::VerifierKey>& keys) {
  ASSIGN_OR_RETURN(const v1::GetCheckpointResponse answer, client.GetCheckpoint());
  const verify::Explanation found = verify::Explain(answer.checkpoint(), keys, {});
  if (found.kind == verify::FileKind::kCheckpoint && found.holds != verify::Holds::kNo) {
    return *found.checkpoint;
  }
  return absl::DataLossError("the log's newest checkpoint does not hold: " + found.sentence);
}

// Whether the tree that `checkpoint` names is a prefix of the log's now: the server's proof is
// recomputed here.
absl::StatusOr<LogWord> AskAboutTree(client::Client& client, const note::Checkpoint& checkpoint,
                                     const std::vector<note::VerifierKey>& keys) {
  ASSIGN_OR_RETURN(const note::Checkpoint now, Newest(client, keys));
  if (now.origin != checkpoint.origin) {
    return LogWord{false, fmt::format("The server's log is another one: {}.", now.origin)};
  }
  if (now.size < checkpoint.size) {
    return LogWord{false, fmt::format("The log shows {} records now: it was rolled back, or does "
                                      "not show all of them.",
                                      now.size.value)};
  }
  absl::Status consistent = absl::OkStatus();
  if (checkpoint.size.value > 0) {
    ASSIGN_OR_RETURN(const v1::GetConsistencyProofResponse answer,
                     client.GetConsistencyProof(checkpoint.size, now.size));
    consistent = merkle::CheckConsistency(checkpoint.size, now.size, HashesOf(answer),
                                          checkpoint.root, now.root);
  }
  if (!consistent.ok()) {
    return LogWord{false,
                   "The log does not contain it any more, or proves it wrongly: keep this "
                   "file, and run graven monitor."};
  }
  return LogWord{true,
                 fmt::format("The log, of {} records now, still contains it.", now.size.value)};
}

// Nothing when there is nothing to ask.
absl::StatusOr<std::optional<LogWord>> AskTheLog(CommandContext& context, const ExplainFlags& flags,
                                                 const verify::Explanation& found,
                                                 const std::vector<note::VerifierKey>& keys) {
  if (!found.checkpoint || !WasTyped(*flags.command, *flags.command->get_option("--server"))) {
    return std::nullopt;
  }
  ASSIGN_OR_RETURN(const auto client, context.Connect());
  ASSIGN_OR_RETURN(LogWord word, AskAboutTree(*client, *found.checkpoint, keys));
  return word;
}

Colour ColourOf(verify::Holds holds) {
  switch (holds) {
    case verify::Holds::kYes:
      return Colour::kGreen;
    case verify::Holds::kNo:
      return Colour::kRed;
    case verify::Holds::kNotChecked:
      return Colour::kYellow;
  }
  return Colour::kYellow;
}

CommandResult Print(CommandContext& context, const verify::Explanation& found,
                    const std::optional<LogWord>& word) {
  const bool contradicted = word && !word->holds;
  const ExitCode code =
      found.holds == verify::Holds::kNo || contradicted ? ExitCode::kNo : ExitCode::kDone;
  if (!context.json()) {
    Terminal& out = context.out();
    out.Line(out.Paint(ColourOf(found.holds), SafeText(found.sentence)));
    if (word) {
      out.Line(out.Paint(word->holds ? Colour::kGreen : Colour::kRed, SafeText(word->sentence)));
    }
    return code;
  }
  Json body = {{"kind", verify::KindName(found.kind)},
               {"holds", verify::HoldsName(found.holds)},
               {"sentence", found.sentence}};
  if (found.checkpoint) {
    body["origin"] = found.checkpoint->origin;
    body["tree_size"] = found.checkpoint->size.value;
    body["root_hash"] = HexEncode(found.checkpoint->root);
  }
  if (found.index) body["index"] = found.index->value;
  if (found.record_hash) body["record_hash"] = HexEncode(*found.record_hash);
  if (word) {
    body["log_contains_it"] = word->holds;
    body["log_says"] = word->sentence;
  }
  context.PrintJson(body);
  return code;
}

CommandResult Run(CommandContext& context, const ExplainFlags& flags) {
  ASSIGN_OR_RETURN(const auto key, flags.key.Read());
  ASSIGN_OR_RETURN(const auto asked, ReadPolicy(flags.policy));
  const note::Policy policy = asked.value_or(note::Policy());
  std::vector<note::VerifierKey> keys = policy.LogKeys();
  if (key) keys = {*key};
  ASSIGN_OR_RETURN(const std::string head, ReadHead(flags.path));
  const verify::Explanation found = verify::Explain(head, keys, policy);
  const bool lines = found.kind == verify::FileKind::kExportLines;
  if (lines || found.kind == verify::FileKind::kExportRecords) {
    if (!context.json()) context.out().Line(found.sentence);
    // A key alone has nothing to check in an export, which holds no signature.
    return VerifyExport(context, {flags.path, "", key ? key->name() : "", std::nullopt});
  }
  ASSIGN_OR_RETURN(const auto word, AskTheLog(context, flags, found, keys));
  return Print(context, found, word);
}

}  // namespace

void AddExplainCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command =
      app.add_subcommand("explain", "Says what a file is, and whether it holds, in one sentence");
  command->footer(
      "Knows receipts, checkpoints, evidence, exports, public keys and policies. With --key or\n"
      "--policy signatures are checked; with --server, whether the log still contains it.\n"
      "Exit code 1: it does not hold, or is nothing that Graven makes.\n"
      "\n"
      "Example:\n"
      "  graven explain found.file --key audit.vkey --server 127.0.0.1:7465");
  auto flags = std::make_shared<ExplainFlags>();
  flags->command = command;
  command->add_option("file", flags->path, "The file")->required()->type_name("FILE");
  flags->key.AddTo(*command);
  command
      ->add_option("--policy", flags->policy,
                   "Policy file: log keys, and the witnesses whose quorum must have cosigned")
      ->type_name("FILE");
  context.AddJson(*command);
  context.AddServer(*command);
  context.AddLog(*command);
  context.OnRun(*command, [&context, flags] { return Run(context, *flags); });
}

}  // namespace graven::cli
