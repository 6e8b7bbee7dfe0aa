#include "search/question.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/absl_views.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "engine/error_details.h"
#include "fmt/format.h"
#include "query/parser.h"

namespace graven::search {

TreeSize TreeOf(const Searches& searches, const Question& question) {
  const absl::StatusOr<ledger::LogRef> log = searches.reads().FindLog(question.log);
  if (!log.ok()) return TreeSize(0);
  const TreeSize durable = searches.ledger().DurableSize(*log);
  TreeSize wanted(question.tree_size);
  if (wanted.value == 0 && question.cursor.empty()) wanted = durable;
  const bool comes = searches.ledger().GetPublished(*log)->size < wanted && wanted <= durable;
  return comes ? wanted : TreeSize(0);
}

void AwaitTree(Searches& searches, const Question& question, std::function<void()> ready) {
  const TreeSize size = TreeOf(searches, question);
  if (size.value == 0) return ready();
  searches.hub().Await(*searches.reads().FindLog(question.log), size,
                       searches.clock().SteadyNs() + kTreeWaitNs,
                       [ready = std::move(ready)](engine::PublicationOutcome) { ready(); });
}

absl::StatusOr<Search> ReadQuestion(const Searches& searches, const Question& question) {
  Search search;
  ASSIGN_OR_RETURN(const ledger::LogRef log, searches.reads().FindLog(question.log));
  absl::StatusOr<query::Query> query = query::Parse(question.query);
  if (!query.ok()) return engine::InvalidField("query", ToStd(query.status().message()));
  search.canonical = query::Canonical(*query);
  if (question.tree_size >= kLogIndexLimit) {
    return engine::InvalidField("tree_size", "must be below 2^63");
  }
  if (question.tree_size != 0) {
    RETURN_IF_ERROR(searches.reads().Await(log, TreeSize(question.tree_size), /*wait_ns=*/0));
  }
  const TreeSize published = searches.ledger().GetPublished(log)->size;
  search.start.query_hash = Sha256(search.canonical);
  search.start.log_hash = Sha256(log.origin());
  search.start.order = question.order;
  search.start.size = question.tree_size == 0 ? published : TreeSize(question.tree_size);
  search.source = searches.SourceOf(log, *std::move(query), search.start.size);
  if (question.cursor.empty()) {
    search.start.position = question.order == Order::kOldestFirst ? 0 : search.start.size.value;
    search.start.skip = std::min(question.from_ordinal, search.start.left());
    return search;
  }
  if (question.from_ordinal != 0) {
    return engine::InvalidField("from_ordinal", "goes without a cursor");
  }
  const absl::StatusOr<Cursor> cursor = ParseCursor(question.cursor, search.start, published);
  if (!cursor.ok()) return engine::InvalidField("cursor", ToStd(cursor.status().message()));
  if (question.tree_size != 0 && cursor->size.value != question.tree_size) {
    return engine::InvalidField("tree_size", fmt::format("is {}; the cursor's is {}",
                                                         question.tree_size, cursor->size.value));
  }
  search.start = *cursor;
  search.source.size = cursor->size;
  return search;
}

}  // namespace graven::search
