#include "audit/statement.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/absl_views.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "merkle/frontier.h"
#include "note/checkpoint.h"
#include "note/note.h"
#include "query/parser.h"

namespace graven::audit {
namespace {

absl::Status About(std::string_view what, const absl::Status& status) {
  return absl::Status(status.code(), ToAbsl(fmt::format("the server's statement: {}: {}", what,
                                                        ToStd(status.message()))));
}

Hash RootOf(std::vector<LogIndex> indexes) {
  std::sort(indexes.begin(), indexes.end());
  merkle::Frontier tree;
  for (const LogIndex index : indexes) tree.Append(note::AnswerLeaf(index));
  return tree.Root();
}

// What it says about the matches, against those that were shown. "" when it fits.
std::string MatchesProblem(const note::Answer& answer, const AskedSearch& asked) {
  // Of a search in no tree at all nothing is known but what is stated.
  if (asked.tree_size.value == 0) {
    return asked.shown == 0 ? "" : "matches were shown, and no tree was named that they are of";
  }
  if (answer.count < asked.shown || (asked.complete && answer.count != asked.shown)) {
    return fmt::format("it states {} matches, and {} were shown", answer.count, asked.shown);
  }
  const bool known = asked.complete && asked.matches.size() == asked.shown;
  if (known && answer.matches_root != RootOf(asked.matches)) {
    return "it states other matches than those that were shown";
  }
  return "";
}

// A server of another age may write hidden characters otherwise than we do.
bool IsSameQuery(std::string_view stated, std::string_view canonical) {
  if (stated == canonical) return true;
  if (!stated.starts_with(query::kCanonicalPrefix)) return false;
  const auto query = query::Parse(stated);
  return query.ok() && query::Canonical(*query) == canonical;
}

std::string Problem(const note::Answer& answer, const note::VerifierKey& log_key,
                    const AskedSearch& asked) {
  if (answer.origin != log_key.name()) return "it is about another log";
  if (!IsSameQuery(answer.query, asked.query))
    return fmt::format("it answers another query, {}", answer.query);
  const uint64_t high = asked.tree_size.value == 0 ? answer.size.value : asked.tree_size.value;
  if (answer.low != 0 || answer.high != high) {
    return fmt::format("it is about records {} to {}, and 0 to {} were asked for", answer.low,
                       answer.high, high);
  }
  return MatchesProblem(answer, asked);
}

}  // namespace

absl::StatusOr<CheckedStatement> CheckStatement(std::string_view statement,
                                                const note::VerifierKey& answer_key,
                                                const note::VerifierKey& log_key,
                                                const AskedSearch& asked) {
  const auto opened = note::OpenNote(statement, std::span(&answer_key, 1));
  if (!opened.ok()) return About("its signature", opened.status());
  auto answer = note::ParseAnswer(opened->text);
  if (!answer.ok()) return About("its text", answer.status());
  const auto checkpoint = note::OpenCheckpoint(answer->checkpoint, log_key);
  if (!checkpoint.ok()) return About("the checkpoint in it", checkpoint.status());
  CheckedStatement checked{*std::move(answer), {}};
  checked.problem =
      checkpoint->size != checked.answer.size || checkpoint->root != checked.answer.root
          ? "the checkpoint in it is about another tree"
          : Problem(checked.answer, log_key, asked);
  return checked;
}

}  // namespace graven::audit
