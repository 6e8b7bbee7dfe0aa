#include "audit/verify_answer.h"

#include <vector>

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
  if (query::Canonical(query) != answer.query) {
    return absl::InvalidArgumentError("the query of the statement is not in its canonical form");
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

// What is wrong with the signatures; "" when nothing is.
std::string CheckSignatures(const note::Note& statement, const note::Answer& answer,
                            const std::optional<note::VerifierKey>& key,
                            const std::optional<note::VerifierKey>& answer_key) {
  if (answer_key && statement.verified.empty()) return "the answer's key did not sign it";
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

}  // namespace

CommandResult VerifyAnswer(CommandContext& context, const std::string& path,
                           const std::optional<note::VerifierKey>& key,
                           const std::optional<note::VerifierKey>& answer_key) {
  const auto file = io::ReadWholeFile(io::PosixFileSystem(), path, note::kNoteBytesMax);
  if (!file.ok()) return Unreachable(path, file.status());
  std::vector<note::VerifierKey> keys;
  if (answer_key) keys.push_back(*answer_key);
  absl::StatusOr<note::Note> opened =
      keys.empty() ? note::ParseNote(*file) : note::OpenNote(*file, keys);
  // Signed by others only: the verdict says so.
  if (absl::IsUnauthenticated(opened.status())) opened = note::ParseNote(*file);
  ASSIGN_OR_RETURN(const note::Note statement, std::move(opened));
  ASSIGN_OR_RETURN(const note::Answer answer, note::ParseAnswer(statement.text));
  std::string problem = CheckSignatures(statement, answer, key, answer_key);
  Recount recount;
  if (problem.empty()) {
    ASSIGN_OR_RETURN(recount, Search(context, answer));
    if (recount.root != answer.root) {
      problem = "the server's records are not those of the tree that it is about";
    } else if (recount.count != answer.count || recount.matches_root != answer.matches_root) {
      problem = fmt::format("it states {} matches with root {}; the records have {} with root {}",
                            answer.count, HexEncode(answer.matches_root), recount.count,
                            HexEncode(recount.matches_root));
    }
  }
  const bool holds = problem.empty();
  if (context.json()) {
    context.PrintJson({{"verdict", holds ? "HOLDS" : "DOES_NOT_HOLD"},
                       {"problem", problem},
                       {"origin", answer.origin},
                       {"query", answer.query},
                       {"tree_size", answer.size.value},
                       {"low", answer.low},
                       {"high", answer.high},
                       {"root_hash", HexEncode(answer.root)},
                       {"count", answer.count},
                       {"log_key_checked", key.has_value()},
                       {"answer_key_checked", answer_key.has_value()}});
  } else if (holds) {
    Terminal& out = context.out();
    out.Line(out.Paint(Colour::kGreen,
                       fmt::format("HOLDS: searched again here, {} of {} records match, the same.",
                                   CountText(answer.count), CountText(answer.high - answer.low))));
    if (answer.low != 0 || answer.high != answer.size.value) {
      out.Line(fmt::format("It is about records {} to {} of {}.", answer.low, answer.high,
                           answer.size.value));
    }
    out.Line("  " + SafeText(answer.query));
    if (!key) out.Line("The log's key was not checked: give --key VKEY.");
    if (!answer_key) out.Line("Who stated it was not checked: give --answer-key VKEY.");
  } else {
    context.out().Line(context.out().Paint(Colour::kRed, "DOES NOT HOLD: " + SafeText(problem)));
  }
  RETURN_IF_ERROR(context.out().Finish());
  return holds ? ExitCode::kDone : ExitCode::kNo;
}

}  // namespace graven::audit
