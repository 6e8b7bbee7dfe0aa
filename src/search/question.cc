#include "search/question.h"

#include <string>

#include "base/sha256.h"
#include "base/status_macros.h"
#include "engine/error_details.h"
#include "fmt/format.h"
#include "query/parser.h"

namespace graven::search {
namespace {

std::string MessageOf(const absl::Status& status) {
  return std::string(status.message().data(), status.message().size());
}

}  // namespace

absl::StatusOr<query::Query> ReadQuery(std::string_view text) {
  absl::StatusOr<query::Query> query = query::Parse(text);
  if (query.ok()) return query;
  return engine::InvalidField("query", MessageOf(query.status()));
}

absl::StatusOr<Search> ReadQuestion(const engine::PublishedReads& reads,
                                    const ledger::Ledger& ledger, const Question& question) {
  Search search;
  ASSIGN_OR_RETURN(search.log, reads.FindLog(question.log));
  ASSIGN_OR_RETURN(search.query, ReadQuery(question.query));
  search.canonical = query::Canonical(search.query);
  search.from_ordinal = question.from_ordinal;
  if (question.tree_size >= kLogIndexLimit) {
    return engine::InvalidField("tree_size", "must be below 2^63");
  }
  RETURN_IF_ERROR(reads.Await(search.log, TreeSize(question.tree_size)));
  const TreeSize published = ledger.GetPublished(search.log)->size;
  search.start.query_hash = Sha256(search.canonical);
  search.start.log_hash = Sha256(search.log.origin());
  search.start.order = question.order;
  search.start.size = question.tree_size == 0 ? published : TreeSize(question.tree_size);
  if (question.cursor.empty()) {
    search.start.position = question.order == Order::kOldestFirst ? 0 : search.start.size.value;
    return search;
  }
  if (question.from_ordinal != 0) {
    return engine::InvalidField("from_ordinal", "goes without a cursor");
  }
  const absl::StatusOr<Cursor> cursor = ParseCursor(question.cursor, search.start, published);
  if (!cursor.ok()) return engine::InvalidField("cursor", MessageOf(cursor.status()));
  if (question.tree_size != 0 && cursor->size.value != question.tree_size) {
    return engine::InvalidField("tree_size", fmt::format("is {}; the cursor's is {}",
                                                         question.tree_size, cursor->size.value));
  }
  search.start = *cursor;
  return search;
}

}  // namespace graven::search
