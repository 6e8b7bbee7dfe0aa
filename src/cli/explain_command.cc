#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
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
using console::ReadVerifierKey;
using console::WasTyped;

namespace {

// Larger than any file that is explained whole.
constexpr size_t kHeadBytesMax = size_t{8} << 20;
constexpr absl::Duration kAskTimeout = absl::Seconds(20);

struct ExplainFlags {
  std::string path;
  std::string policy;
  KeyFlag key;
  std::string answer_key;
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

// The key that a server signs statements with, as it says itself: a small question gets it. Nothing
// where none is to be had; whether the server is there is said elsewhere.
std::optional<verify::AnswerKey> AnswerKeyOfServer(const CommandContext& context) {
  const auto client = context.Connect();
  if (!client.ok()) return std::nullopt;
  v1::GetStatementRequest request;
  request.set_log(context.log());
  request.set_query("index:0");
  const auto response = (*client)->GetStatement(std::move(request), kAskTimeout);
  if (!response.ok()) return std::nullopt;
  auto key = note::VerifierKey::Parse(response->vkey());
  if (!key.ok()) return std::nullopt;
  return verify::AnswerKey{*std::move(key), "that the server names"};
}

// Who must have signed a statement.
absl::StatusOr<std::optional<verify::AnswerKey>> AnswerKeyFor(const CommandContext& context,
                                                              const ExplainFlags& flags) {
  if (flags.answer_key.empty()) {
    return MustAsk(flags) ? AnswerKeyOfServer(context) : std::nullopt;
  }
  ASSIGN_OR_RETURN(note::VerifierKey key, ReadVerifierKey("--answer-key", flags.answer_key));
  return std::optional(verify::AnswerKey{std::move(key), "that was given"});
}

// Nothing when there is nothing to ask.
absl::StatusOr<std::optional<LogWord>> AskTheLog(CommandContext& context, const ExplainFlags& flags,
                                                 std::string_view file,
                                                 const verify::Explanation& found,
                                                 const std::vector<note::VerifierKey>& keys) {
  if (!MustAsk(flags)) return std::nullopt;
  ASSIGN_OR_RETURN(const auto client, context.Connect());
  if (found.checkpoint) {
    ASSIGN_OR_RETURN(LogWord word, AskAboutTree(*client, *found.checkpoint, keys));
    // A statement is no part of a log, true or not.
    if (found.kind == verify::FileKind::kAnswer && word.holds) {
      word.clause = "the log still contains the tree that it is about";
    }
    return std::optional(std::move(word));
  }
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

// What is known of the log, in a few words. `asked`: of a file that a log can be asked about.
std::string_view ClauseOf(const absl::StatusOr<std::optional<LogWord>>& word,
                          const ExplainFlags& flags, verify::FileKind kind, bool can_ask) {
  if (!can_ask) return "";
  if (MustAsk(flags)) {
    if (!word.ok()) return "the log could not be asked";
    return *word ? (*word)->clause : "";
  }
  switch (kind) {
    case verify::FileKind::kVerifierKey:
      return "whether a log signs with it was not asked";
    case verify::FileKind::kPolicy:
      return "whether a log meets it was not asked";
    default:
      return "whether the log still contains it was not asked";
  }
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

Json BodyOf(const verify::Explanation& found, verify::Holds holds, const std::string& sentence) {
  Json facts = Json::object();
  for (const auto& [name, value] : found.facts) facts[name] = value;
  return {{"kind", verify::KindName(found.kind)},
          {"holds", verify::HoldsName(holds)},
          {"sentence", sentence},
          {"facts", std::move(facts)}};
}

CommandResult Print(CommandContext& context, const ExplainFlags& flags,
                    const verify::Explanation& found,
                    const absl::StatusOr<std::optional<LogWord>>& word) {
  const bool can_ask = found.checkpoint || found.kind == verify::FileKind::kVerifierKey ||
                       found.kind == verify::FileKind::kPolicy ||
                       found.kind == verify::FileKind::kEvidence;
  const std::string sentence =
      verify::WithClause(found.sentence, ClauseOf(word, flags, found.kind, can_ask));
  Terminal& out = context.out();
  if (!context.json()) {
    out.Line(out.Paint(ColourOf(found.holds), SafeText(sentence)));
    for (const auto& [name, value] : found.facts) {
      out.Line(SafeText(fmt::format("  {}: {}", name, value)));
    }
  }
  Json body = BodyOf(found, found.holds, sentence);
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

// The sentence about an export that was read to its end.
std::string ExportSentence(const verify::Explanation& found, const ShownVerdict& verdict) {
  std::string_view what = found.sentence;
  if (what.ends_with('.')) what.remove_suffix(1);
  if (!verdict.status.ok()) {
    return fmt::format("{}, that does not hold: {}.", what, std::string(verdict.status.message()));
  }
  return fmt::format(
      "{}, that holds: {} records from record {} on, each chained to the one before; an export "
      "bears no signature, so no key was needed.",
      what, verdict.records, verdict.first);
}

CommandResult ExplainExport(CommandContext& context, const ExplainFlags& flags,
                            const verify::Explanation& found,
                            const std::optional<note::VerifierKey>& key,
                            const std::vector<note::VerifierKey>& keys) {
  // A key alone has nothing to check in an export, which holds no signature.
  ASSIGN_OR_RETURN(
      const ShownVerdict verdict,
      audit::CheckExport(context, {flags.path, "", key ? key->name() : "", std::nullopt}));
  const auto ask = [&]() -> absl::StatusOr<std::optional<LogWord>> {
    if (!MustAsk(flags)) return std::nullopt;
    ASSIGN_OR_RETURN(const auto client, context.Connect());
    return AskAboutExport(*client, verdict, keys);
  };
  const auto word = ask();
  const std::string sentence = verify::WithClause(
      ExportSentence(found, verdict), ClauseOf(word, flags, found.kind, verdict.status.ok()));
  if (!context.json()) {
    context.out().Line(SafeText(sentence));
    audit::WriteVerdict(verdict, context.out());
  }
  verify::Explanation shown = found;
  shown.facts = {{"records", fmt::format("{}", verdict.records)},
                 {"first record", fmt::format("{}", verdict.first)}};
  if (verdict.root) shown.facts.emplace_back("root of their tree", HexEncode(*verdict.root));
  Json body =
      BodyOf(shown, verdict.status.ok() ? verify::Holds::kYes : verify::Holds::kNo, sentence);
  const Json verdict_json = audit::VerdictJson(verdict);
  for (const auto& [name, value] : verdict_json.items()) body[name] = value;
  return PrintWord(context, word, true, verdict.status.ok() ? ExitCode::kDone : ExitCode::kNo,
                   std::move(body));
}

CommandResult Run(CommandContext& context, const ExplainFlags& flags) {
  ASSIGN_OR_RETURN(const auto key, flags.key.Read());
  ASSIGN_OR_RETURN(const auto asked, ReadPolicy(flags.policy));
  const note::Policy policy = asked.value_or(note::Policy());
  std::vector<note::VerifierKey> keys = policy.LogKeys();
  if (key) keys = {*key};
  ASSIGN_OR_RETURN(const std::string head, ReadHead(flags.path));
  verify::Explanation found = verify::Explain(head, keys, policy);
  if (found.kind == verify::FileKind::kAnswer) {
    ASSIGN_OR_RETURN(const auto answer_key, AnswerKeyFor(context, flags));
    found = verify::Explain(head, keys, policy, answer_key);
  } else if (!flags.answer_key.empty()) {
    return UsageError("--answer-key: the file is no statement about a search");
  }
  if (found.kind == verify::FileKind::kExportLines ||
      found.kind == verify::FileKind::kExportRecords) {
    return ExplainExport(context, flags, found, key, keys);
  }
  return Print(context, flags, found, AskTheLog(context, flags, head, found, keys));
}

}  // namespace

void AddExplainCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command =
      app.add_subcommand("explain", "Says what a file is, and whether it holds, in one sentence");
  command->footer(
      "Knows receipts, checkpoints, evidence, statements about searches, exports (JSON Lines and\n"
      "records), public and private keys, policies, tables that the page saved (CSV), tiles and "
      "time\n"
      "stamps. The first line is one sentence: what it is, whether it holds, by which key, and "
      "whether\n"
      "the log still contains it. With --key or --policy signatures are checked; with --server, "
      "whether\n"
      "the log still contains it (of a key: is signed with it; of a policy: meets it), by proofs "
      "that\n"
      "are recomputed here. Of an export that begins with the first record all records are "
      "compared,\n"
      "by the root of their tree; of another one the last, whose chain of hashes names those "
      "before.\n"
      "A statement's own signature is checked with --answer-key, or else with the key that the "
      "server\n"
      "of --server names; without either who signed it stays unknown, and that is said.\n"
      "Exit code 1: it does not hold, the log does not contain it, or it is nothing that Graven\n"
      "makes. 3: the server could not be asked.\n"
      "\n"
      "Example:\n"
      "  graven explain found.file --key audit.vkey --server 127.0.0.1:7465\n"
      "  graven explain denied.answer --key audit.vkey --answer-key answers.vkey");
  auto flags = std::make_shared<ExplainFlags>();
  flags->command = command;
  command->add_option("file", flags->path, "The file")->required()->type_name("FILE");
  flags->key.AddTo(*command);
  command
      ->add_option("--policy", flags->policy,
                   "Policy file: log keys, and the witnesses whose quorum must have cosigned")
      ->type_name("FILE");
  command
      ->add_option("--answer-key", flags->answer_key,
                   "Of a statement: the key of the server that stated it (vkey), or a file that "
                   "holds it")
      ->type_name("VKEY");
  context.AddJson(*command);
  context.AddServer(*command);
  context.AddLog(*command);
  context.OnRun(*command, [&context, flags] { return Run(context, *flags); });
}

}  // namespace graven::cli
