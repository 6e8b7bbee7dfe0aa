#include "audit/verify_answer.h"

#include <span>

#include "base/encoding.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "client/tail_stream.h"
#include "console/record_text.h"
#include "fmt/format.h"
#include "io/durable_file.h"
#include "merkle/frontier.h"
#include "note/answer.h"
#include "note/checkpoint.h"
#include "note/note.h"
#include "query/matcher.h"
#include "query/parser.h"

namespace graven::audit {
using console::Colour;
using console::CommandContext;
using console::CommandResult;
using console::CountText;
using console::ExitCode;
using console::ProgressLine;
using console::ReadRecord;
using console::ReadRecordBytes;
using console::Terminal;
using console::Unreachable;

namespace {

// What the records themselves say.
struct Recount {
  Hash root;
  uint64_t count = 0;
  Hash matches_root;
};

absl::StatusOr<Recount> Search(CommandContext& context, const note::Answer& answer) {
  ASSIGN_OR_RETURN(const query::Query query, query::Parse(answer.query));
  // Not its canonical form to the letter: that has come to write hidden characters as escapes, and
  // what was signed before holds as before.
  if (!answer.query.starts_with(query::kCanonicalPrefix)) {
    return absl::InvalidArgumentError("the query of the statement names no version");
  }
  ASSIGN_OR_RETURN(const auto client, context.Connect());
  merkle::Frontier tree;
  merkle::Frontier matches;
  query::RecordView view;
  if (answer.size.value > 0) {
    v1::TailRequest request;
    request.set_log(context.log());
    request.set_from_index(0);
    request.set_limit(answer.size.value);
    request.set_stop_at_end(true);
    const auto stream = client->Tail(std::move(request));
    ProgressLine progress(context.err(), "searching", ProgressLine::Unit::kEvents,
                          answer.size.value);
    while (true) {
      ASSIGN_OR_RETURN(const auto batch, stream->Next());
      if (!batch) break;
      for (const v1::RecordView& one : batch->records()) {
        ASSIGN_OR_RETURN(const ReadRecord record, ReadRecordBytes(one.record(), one.record_hash()));
        RETURN_IF_ERROR(view.Read(one.record()));
        if (view.index.value != tree.size().value) {
          return absl::DataLossError(fmt::format("the server sent record {} in place of {}",
                                                 view.index.value, tree.size().value));
        }
        tree.Append(record.hash);
        const bool within = answer.low <= view.index.value && view.index.value < answer.high;
        if (within && query::Matches(query, view)) matches.Append(note::AnswerLeaf(view.index));
      }
      progress.Update(tree.size().value);
    }
  }
  if (tree.size() != answer.size) {
    return absl::DataLossError(fmt::format("the server has {} records; the statement is about {}",
                                           tree.size().value, answer.size.value));
  }
  return Recount{tree.Root(), matches.size().value, matches.Root()};
}

// Who stated it. Without a key nobody knows: then neither verdict says anything about a server.
enum class Signer { kNotChecked, kTheKey, kNotTheKey };

std::string_view SignerName(Signer signer) {
  switch (signer) {
    case Signer::kNotChecked:
      return "NOT_CHECKED";
    case Signer::kTheKey:
      return "GOOD";
    case Signer::kNotTheKey:
      return "BAD";
  }
  return "NOT_CHECKED";
}

// The verdict and all that it rests on.
struct Verdict {
  Signer signer = Signer::kNotChecked;
  std::string problem;  // "": it holds
  bool log_key_checked = false;

  bool holds() const { return problem.empty(); }
};

struct OpenedAnswer {
  note::Answer answer;
  Signer signer = Signer::kNotChecked;
  std::string signer_problem;
};

absl::StatusOr<OpenedAnswer> Open(const std::string& file,
                                  const std::optional<note::VerifierKey>& key) {
  OpenedAnswer opened;
  // Signed by others only, or changed since: the verdict says so, and what it states is shown.
  ASSIGN_OR_RETURN(const note::Note statement, note::ParseNote(file));
  ASSIGN_OR_RETURN(opened.answer, note::ParseAnswer(statement.text));
  if (!key) return opened;
  const absl::Status checked = note::OpenNote(file, std::span(&*key, 1)).status();
  opened.signer = checked.ok() ? Signer::kTheKey : Signer::kNotTheKey;
  if (absl::IsUnauthenticated(checked)) {
    opened.signer_problem = "the answer's key did not sign it";
  } else if (!checked.ok()) {
    opened.signer_problem =
        "the answer's key did not sign this text: it was changed afterwards, or forged";
  }
  return opened;
}

// What is wrong with the log's signature in it; "" when nothing is.
std::string CheckTree(const note::Answer& answer, const std::optional<note::VerifierKey>& key) {
  if (!key) return "";
  const auto checkpoint = note::OpenCheckpoint(answer.checkpoint, *key);
  if (!checkpoint.ok()) {
    return fmt::format("its checkpoint: {}", std::string(checkpoint.status().message()));
  }
  if (checkpoint->origin != answer.origin || checkpoint->size != answer.size ||
      checkpoint->root != answer.root) {
    return "its checkpoint is about another tree";
  }
  return "";
}

std::string CheckRecords(const note::Answer& answer, const Recount& recount) {
  if (recount.root != answer.root) {
    return "the server's records are not those of the tree that it is about";
  }
  if (recount.count == answer.count && recount.matches_root == answer.matches_root) return "";
  return fmt::format("it states {} matches with root {}; the records have {} with root {}",
                     answer.count, HexEncode(answer.matches_root), recount.count,
                     HexEncode(recount.matches_root));
}

// Whose word it is, in both verdicts: what nobody signed accuses nobody.
std::string SignerWords(const Verdict& verdict, const std::optional<note::VerifierKey>& key) {
  switch (verdict.signer) {
    case Signer::kTheKey:
      return verdict.holds()
                 ? fmt::format("Stated by {}, whose signature was checked.", key->name())
                 : fmt::format(
                       "Stated by {}, whose signature was checked: it is the word of "
                       "that server which does not hold. Keep this file.",
                       key->name());
    case Signer::kNotTheKey:
      return "So it is nobody's word, and no finding against the server. Its records were not "
             "searched.";
    case Signer::kNotChecked:
      return verdict.holds() ? "Who stated it was not checked: give --answer-key VKEY."
                             : "Who stated it was not checked, so this is no finding against the "
                               "server: anybody can have written this file. Give --answer-key "
                               "VKEY.";
  }
  return "";
}

void Show(Terminal& out, const note::Answer& answer, const Verdict& verdict,
          const std::optional<note::VerifierKey>& answer_key) {
  if (verdict.holds()) {
    out.Line(out.Paint(Colour::kGreen,
                       fmt::format("HOLDS: searched again here, {} of {} records match, the same.",
                                   CountText(answer.count), CountText(answer.high - answer.low))));
    if (answer.low != 0 || answer.high != answer.size.value) {
      out.Line(fmt::format("It is about records {} to {} of {}.", answer.low, answer.high,
                           answer.size.value));
    }
  } else {
    out.Line(out.Paint(Colour::kRed, "DOES NOT HOLD: " + SafeText(verdict.problem)));
  }
  out.Line("  " + SafeText(answer.query));
  if (!verdict.log_key_checked) out.Line("The log's key was not checked: give --key VKEY.");
  out.Line(SafeText(SignerWords(verdict, answer_key)));
}

}  // namespace

CommandResult VerifyAnswer(CommandContext& context, const std::string& path,
                           const std::optional<note::VerifierKey>& key,
                           const std::optional<note::VerifierKey>& answer_key) {
  const auto file = io::ReadWholeFile(io::PosixFileSystem(), path, note::kNoteBytesMax);
  if (!file.ok()) return Unreachable(path, file.status());
  ASSIGN_OR_RETURN(const OpenedAnswer opened, Open(*file, answer_key));
  const note::Answer& answer = opened.answer;
  Verdict verdict{opened.signer, opened.signer_problem, key.has_value()};
  if (verdict.holds()) verdict.problem = CheckTree(answer, key);
  if (verdict.holds()) {
    ASSIGN_OR_RETURN(const Recount recount, Search(context, answer));
    verdict.problem = CheckRecords(answer, recount);
  }
  if (context.json()) {
    context.PrintJson({{"verdict", verdict.holds() ? "HOLDS" : "DOES_NOT_HOLD"},
                       {"problem", verdict.problem},
                       {"signature", SignerName(verdict.signer)},
                       {"origin", answer.origin},
                       {"query", answer.query},
                       {"tree_size", answer.size.value},
                       {"low", answer.low},
                       {"high", answer.high},
                       {"root_hash", HexEncode(answer.root)},
                       {"count", answer.count},
                       {"log_key_checked", key.has_value()},
                       {"answer_key_checked", answer_key.has_value()}});
  } else {
    Show(context.out(), answer, verdict, answer_key);
  }
  RETURN_IF_ERROR(context.out().Finish());
  return verdict.holds() ? ExitCode::kDone : ExitCode::kNo;
}

}  // namespace graven::audit
