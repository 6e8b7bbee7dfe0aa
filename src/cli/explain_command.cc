#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "audit/verify_output.h"
#include "audit/verify_run.h"
#include "base/encoding.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "cli/commands.h"
#include "cli/log_word.h"
#include "console/key_flag.h"
#include "console/policy_flag.h"
#include "fmt/format.h"
#include "verify/explanation.h"

namespace graven::cli {
using audit::ShownVerdict;
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

std::string_view FirstLine(std::string_view text) {
  return text.substr(0, text.find_first_of("\r\n"));
}

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

bool MustAsk(const ExplainFlags& flags) {
  return WasTyped(*flags.command, *flags.command->get_option("--server"));
}

// Nothing when there is nothing to ask.
absl::StatusOr<std::optional<LogWord>> AskTheLog(CommandContext& context, const ExplainFlags& flags,
                                                 std::string_view file,
                                                 const verify::Explanation& found,
                                                 const std::vector<note::VerifierKey>& keys) {
  if (!MustAsk(flags)) return std::nullopt;
  ASSIGN_OR_RETURN(const auto client, context.Connect());
  if (found.checkpoint) return AskAboutTree(*client, *found.checkpoint, keys);
  switch (found.kind) {
    case verify::FileKind::kEvidence:
      return AskAboutEvidence(*client, file, keys);
    case verify::FileKind::kVerifierKey: {
      ASSIGN_OR_RETURN(const note::VerifierKey key, note::VerifierKey::Parse(FirstLine(file)));
      return AskAboutKey(*client, key);
    }
    case verify::FileKind::kPolicy: {
      ASSIGN_OR_RETURN(const note::Policy policy, note::Policy::Parse(file));
      return AskAboutPolicy(*client, policy);
    }
    default:
      return std::nullopt;
  }
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

// What the log said, or why it could not be asked, behind what the file itself says: a server that
// is away makes no file worth less. `code` is what the file says without it.
CommandResult PrintWord(CommandContext& context, const absl::StatusOr<std::optional<LogWord>>& word,
                        bool counts, ExitCode code, Json body) {
  if (!context.json()) {
    Terminal& out = context.out();
    if (word.ok() && *word) {
      out.Line(
          out.Paint((*word)->holds ? Colour::kGreen : Colour::kRed, SafeText((*word)->sentence)));
    }
  } else {
    if (word.ok() && *word) {
      body[std::string((*word)->name)] = (*word)->holds;
      body["log_says"] = (*word)->sentence;
    }
    context.PrintJson(body);
  }
  RETURN_IF_ERROR(context.out().Finish());
  RETURN_IF_ERROR(word.status());
  return counts && *word && !(*word)->holds ? ExitCode::kNo : code;
}

CommandResult Print(CommandContext& context, const verify::Explanation& found,
                    const absl::StatusOr<std::optional<LogWord>>& word) {
  Terminal& out = context.out();
  if (!context.json()) out.Line(out.Paint(ColourOf(found.holds), SafeText(found.sentence)));
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
  const ExitCode code = found.holds == verify::Holds::kNo ? ExitCode::kNo : ExitCode::kDone;
  // That a log denies one of two trees of a fork is what evidence is about.
  return PrintWord(context, word, found.kind != verify::FileKind::kEvidence, code, std::move(body));
}

CommandResult ExplainExport(CommandContext& context, const ExplainFlags& flags,
                            const verify::Explanation& found,
                            const std::optional<note::VerifierKey>& key,
                            const std::vector<note::VerifierKey>& keys) {
  // A key alone has nothing to check in an export, which holds no signature.
  ASSIGN_OR_RETURN(
      const ShownVerdict verdict,
      audit::CheckExport(context, {flags.path, "", key ? key->name() : "", std::nullopt}));
  if (!context.json()) {
    context.out().Line(found.sentence);
    audit::WriteVerdict(verdict, context.out());
  }
  const auto ask = [&]() -> absl::StatusOr<std::optional<LogWord>> {
    if (!MustAsk(flags)) return std::nullopt;
    ASSIGN_OR_RETURN(const auto client, context.Connect());
    return AskAboutExport(*client, verdict, keys);
  };
  Json body = audit::VerdictJson(verdict);
  body["kind"] = verify::KindName(found.kind);
  body["holds"] = verify::HoldsName(verdict.status.ok() ? verify::Holds::kYes : verify::Holds::kNo);
  body["sentence"] = found.sentence;
  return PrintWord(context, ask(), true, verdict.status.ok() ? ExitCode::kDone : ExitCode::kNo,
                   std::move(body));
}

CommandResult Run(CommandContext& context, const ExplainFlags& flags) {
  ASSIGN_OR_RETURN(const auto key, flags.key.Read());
  ASSIGN_OR_RETURN(const auto asked, ReadPolicy(flags.policy));
  const note::Policy policy = asked.value_or(note::Policy());
  std::vector<note::VerifierKey> keys = policy.LogKeys();
  if (key) keys = {*key};
  ASSIGN_OR_RETURN(const std::string head, ReadHead(flags.path));
  const verify::Explanation found = verify::Explain(head, keys, policy);
  if (found.kind == verify::FileKind::kExportLines ||
      found.kind == verify::FileKind::kExportRecords) {
    return ExplainExport(context, flags, found, key, keys);
  }
  return Print(context, found, AskTheLog(context, flags, head, found, keys));
}

}  // namespace

void AddExplainCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command =
      app.add_subcommand("explain", "Says what a file is, and whether it holds, in one sentence");
  command->footer(
      "Knows receipts, checkpoints, evidence, exports, statements about searches, public keys and\n"
      "policies. With --key or --policy signatures are checked; with --server, whether the log "
      "still\n"
      "contains it (of a key: is signed with it; of a policy: meets it), by proofs that are\n"
      "recomputed here. Of an export that begins with the first record all records are compared, "
      "by\n"
      "the root of their tree; of another one the last, whose chain of hashes names those before.\n"
      "Exit code 1: it does not hold, the log does not contain it, or it is nothing that Graven\n"
      "makes. 3: the server could not be asked.\n"
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
