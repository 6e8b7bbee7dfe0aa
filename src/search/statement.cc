#include "search/statement.h"

#include <utility>

#include "base/status_macros.h"
#include "note/note.h"

namespace graven::search {
namespace {

// The tree that the statement is about.
absl::StatusOr<std::shared_ptr<const ledger::Published>> CheckpointFor(const Searches& searches,
                                                                       ledger::LogRef log,
                                                                       TreeSize size) {
  auto served = searches.reads().Checkpoint(log);
  if (size.value == 0 || (served.ok() && size <= (*served)->size)) return served;
  // No quorum has signed so far yet; the log itself has.
  return searches.reads().Checkpoint(log, ledger::CheckpointLevel::kPublished);
}

}  // namespace

absl::StatusOr<std::unique_ptr<StatementWork>> StatementWork::Begin(const Searches& searches,
                                                                    Search search,
                                                                    TreeSize tree_size,
                                                                    int64_t until_ns) {
  if (!searches.signer()) {
    return absl::FailedPreconditionError("this server has no key to sign statements with");
  }
  ScanSource source = std::move(search.source);
  ASSIGN_OR_RETURN(const auto checkpoint, CheckpointFor(searches, source.log, tree_size));
  source.size = tree_size.value == 0 ? checkpoint->size : tree_size;
  note::Answer answer;
  answer.origin = source.log.origin();
  answer.query = std::move(search.canonical);
  answer.size = checkpoint->size;
  answer.root = checkpoint->root;
  answer.high = source.size.value;
  answer.checkpoint = checkpoint->checkpoint;
  ASSIGN_OR_RETURN(Scan scan, Scan::Begin(std::move(source), Order::kOldestFirst, 0));
  return std::unique_ptr<StatementWork>(
      new StatementWork(*searches.signer(), std::move(answer), std::move(scan), until_ns));
}

absl::StatusOr<bool> StatementWork::GoOn(const Turn& turn) {
  if (turn.IsPast(until_ns_)) {
    return absl::DeadlineExceededError(
        "there was not time enough to search all of the log; narrow the query");
  }
  RETURN_IF_ERROR(scan_.Step(turn.Until(until_ns_), [this](const Hit& hit) {
    matches_.Append(note::AnswerLeaf(hit.index));
    return Verdict::kGoOn;
  }));
  if (!scan_.done()) return false;
  answer_.count = matches_.size().value;
  answer_.matches_root = matches_.Root();
  ASSIGN_OR_RETURN(statement_, note::SignNote(note::FormatAnswer(answer_), signer_));
  return true;
}

}  // namespace graven::search
