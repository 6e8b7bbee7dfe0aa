#include "cli/search_records.h"

#include <optional>
#include <utility>

#include "base/status_macros.h"
#include "client/search_stream.h"
#include "fmt/format.h"
#include "query/matcher.h"
#include "query/parser.h"

namespace graven::cli {
using console::ReadRecord;
using console::ReadRecordBytes;

namespace {

// Holds what a server sends against what it was asked.
class Judge {
 public:
  explicit Judge(bool oldest_first) : oldest_first_(oldest_first) {}

  absl::Status Use(const std::string& canonical) {
    ASSIGN_OR_RETURN(query_, query::Parse(canonical));
    return absl::OkStatus();
  }

  absl::Status Look(LogIndex index, std::string_view bytes) {
    if (last_ && (oldest_first_ ? index <= *last_ : index >= *last_)) {
      return absl::DataLossError(
          fmt::format("the server sent record {} behind record {}", index.value, last_->value));
    }
    last_ = index;
    RETURN_IF_ERROR(view_.Read(bytes));
    if (query_ && query::Matches(*query_, view_)) return absl::OkStatus();
    return absl::DataLossError(
        fmt::format("the server sent record {}, which does not match", index.value));
  }

 private:
  const bool oldest_first_;
  std::optional<query::Query> query_;
  std::optional<LogIndex> last_;
  query::RecordView view_;
};

}  // namespace

absl::StatusOr<SearchEnd> ForEachMatch(
    client::Client& client, v1::SearchRequest request, uint64_t limit,
    const std::function<absl::Status(const FoundRecord&)>& take) {
  const bool follow = request.follow();
  Judge judge(follow || request.order() == v1::SEARCH_ORDER_OLDEST_FIRST);
  // Ours, so that what it means is not the server's to say. What is wrong with it, the server says.
  if (const auto query = query::Parse(request.query()); query.ok()) {
    RETURN_IF_ERROR(judge.Use(query::Canonical(*query)));
  }
  SearchEnd end;
  const auto stream = client.Search(std::move(request), limit);
  while (true) {
    ASSIGN_OR_RETURN(const auto reply, stream->Next());
    if (!reply) break;
    if (end.query.empty()) end.query = reply->query();
    if (reply->tree_size() != 0) {
      // Pages of one search are of one tree; what is followed grows.
      if (!follow && end.tree_size != 0 && reply->tree_size() != end.tree_size) {
        return absl::DataLossError(
            fmt::format("the server answers for {} records, and before for {}", reply->tree_size(),
                        end.tree_size));
      }
      end.tree_size = reply->tree_size();
    }
    for (const v1::RecordView& view : reply->records()) {
      ASSIGN_OR_RETURN(const ReadRecord record, ReadRecordBytes(view.record(), view.record_hash()));
      RETURN_IF_ERROR(judge.Look(record.header.index, view.record()));
      ++end.matches;
      RETURN_IF_ERROR(take({record, view.record()}));
    }
  }
  end.next_cursor = stream->next_cursor();
  return end;
}

}  // namespace graven::cli
