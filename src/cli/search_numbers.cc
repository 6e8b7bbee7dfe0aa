#include "cli/search_numbers.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "cli/calendar.h"
#include "cli/search_records.h"
#include "console/table.h"
#include "fmt/format.h"
#include "query/time_literal.h"
#include "record/time_text.h"

namespace graven::cli {
using console::Colour;
using console::CommandContext;
using console::CommandResult;
using console::CountText;
using console::ExitCode;
using console::Json;
using console::Table;
using console::Terminal;
using console::UsageError;

namespace {

constexpr absl::Duration kTimeout = absl::Seconds(60);
constexpr size_t kBarColumns = 40;
constexpr size_t kValueColumns = 72;
constexpr size_t kStretchesMax = 1000;  // the server's limit

CommandResult End(CommandContext& context, bool exact) {
  RETURN_IF_ERROR(context.out().Finish());
  if (exact) return ExitCode::kDone;
  context.PrintNotice("not counted to the end: the numbers are lower bounds");
  return ExitCode::kNo;
}

uint64_t Total(const v1::HistogramBucket& bucket) {
  return bucket.unknown() + bucket.success() + bucket.failure() + bucket.denied() + bucket.other();
}

// What no time can be, which only a server says that is wrong, is 0.
int64_t NsOf(int64_t seconds, int32_t nanos) { return record::ToNs({seconds, nanos}).value_or(0); }

void SetNs(int64_t ns, google::protobuf::Timestamp* time) {
  const record::TimePoint at = record::FromNs(ns);
  time->set_seconds(at.seconds);
  time->set_nanos(at.nanos);
}

// Where what is written begins: 2026-03 on the first of March.
bool SaysItsOffset(std::string_view text) {
  const size_t time = text.find('T');
  return time != std::string_view::npos &&
         text.find_first_of("Zz+-", time) != std::string_view::npos;
}

absl::StatusOr<int64_t> ReadTime(const char* flag, const std::string& text) {
  const auto range = query::ParseTimeLiteral(text);
  const std::optional<int64_t> ns = range ? record::ToNs(range->low) : std::nullopt;
  if (ns && *ns >= 0) return *ns;
  return UsageError(fmt::format(
      "{}: a time is written 2026-03-01 or 2026-03-01T00:00:00Z, from 1970 to 2262", flag));
}

// One without an offset is of the zone whose days are counted.
absl::StatusOr<int64_t> ReadTimeIn(const char* flag, const std::string& text, absl::TimeZone zone) {
  ASSIGN_OR_RETURN(const int64_t ns, ReadTime(flag, text));
  if (SaysItsOffset(text)) return ns;
  const absl::Time utc = absl::FromUnixNanos(ns);
  const absl::CivilSecond civil = absl::ToCivilSecond(utc, absl::UTCTimeZone());
  const absl::Duration rest = utc - absl::FromCivil(civil, absl::UTCTimeZone());
  return absl::ToUnixNanos(absl::FromCivil(civil, zone) + rest);
}

// When the oldest, or the newest, record that matches was received. Nothing: there is none.
absl::StatusOr<std::optional<int64_t>> MatchAtTheEnd(client::Client& client, v1::SearchOrder order,
                                                     v1::GetHistogramRequest* request) {
  v1::SearchRequest search;
  search.set_log(request->log());
  search.set_query(request->query());
  search.set_tree_size(request->tree_size());
  search.set_order(order);
  std::optional<int64_t> received_ns;
  ASSIGN_OR_RETURN(const SearchEnd end,
                   ForEachMatch(client, std::move(search), 1, [&](const FoundRecord& found) {
                     received_ns = found.record.header.received_at_ns;
                     return absl::OkStatus();
                   }));
  // All that is asked is about one tree.
  request->set_tree_size(end.tree_size);
  return received_ns;
}

// Days, weeks ...: from the first to the last match, or exactly between the times that were given.
// False: nothing matches.
absl::StatusOr<bool> LayCalendar(client::Client& client, const NumberFlags& flags,
                                 absl::TimeZone zone, v1::GetHistogramRequest* request) {
  ASSIGN_OR_RETURN(const CalendarUnit unit, ParseCalendarUnit(flags.by));
  std::optional<int64_t> from_ns;
  std::optional<int64_t> to_ns;
  if (!flags.from.empty()) {
    ASSIGN_OR_RETURN(from_ns, ReadTimeIn("--from", flags.from, zone));
  } else {
    ASSIGN_OR_RETURN(from_ns, MatchAtTheEnd(client, v1::SEARCH_ORDER_OLDEST_FIRST, request));
  }
  if (!flags.to.empty()) {
    ASSIGN_OR_RETURN(to_ns, ReadTimeIn("--to", flags.to, zone));
  } else if (from_ns) {
    ASSIGN_OR_RETURN(to_ns, MatchAtTheEnd(client, v1::SEARCH_ORDER_NEWEST_FIRST, request));
    if (to_ns && *to_ns < INT64_MAX) ++*to_ns;
  }
  if (!flags.from.empty() && !flags.to.empty() && *to_ns <= *from_ns) {
    return UsageError("--to: is not behind --from");
  }
  if (!from_ns || !to_ns || *to_ns <= *from_ns) return false;
  absl::StatusOr<std::vector<int64_t>> borders =
      CalendarBorders(unit, zone, *from_ns, *to_ns, kStretchesMax);
  if (!borders.ok()) {
    return UsageError(
        fmt::format("--by {}: {}", flags.by, std::string(borders.status().message())));
  }
  if (!flags.from.empty()) borders->front() = *from_ns;
  if (!flags.to.empty()) borders->back() = *to_ns;
  for (const int64_t ns : *borders) SetNs(ns, request->add_at());
  return true;
}

// Puts the stretches of the flags into the request. False: nothing matches.
absl::StatusOr<bool> LayStretches(client::Client& client, const NumberFlags& flags,
                                  absl::TimeZone zone, v1::GetHistogramRequest* request) {
  if (!flags.by.empty()) return LayCalendar(client, flags, zone, request);
  for (const std::string& text : flags.at) {
    ASSIGN_OR_RETURN(const int64_t ns, ReadTime("--at", text));
    SetNs(ns, request->add_at());
  }
  if (!flags.at.empty()) return true;
  request->set_buckets(flags.buckets);
  if (!flags.from.empty()) {
    ASSIGN_OR_RETURN(const int64_t ns, ReadTime("--from", flags.from));
    SetNs(ns, request->mutable_from());
  }
  if (!flags.to.empty()) {
    ASSIGN_OR_RETURN(const int64_t ns, ReadTime("--to", flags.to));
    SetNs(ns, request->mutable_to());
  }
  return true;
}

int64_t StartNs(const v1::HistogramBucket& bucket) {
  return NsOf(bucket.start().seconds(), bucket.start().nanos());
}

// To the millisecond, as the zone's clocks show it.
std::string StartText(const v1::HistogramBucket& bucket, absl::TimeZone zone) {
  const int64_t shown_ns = StartNs(bucket) / 1'000'000 * 1'000'000;
  if (zone == absl::UTCTimeZone()) return record::FormatRfc3339Ns(shown_ns);
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*S%Ez", absl::FromUnixNanos(shown_ns), zone);
}

void PrintFacetsJson(CommandContext& context, const v1::GetFacetsResponse& response) {
  Json facets = Json::array();
  for (const v1::Facet& facet : response.facets()) {
    Json values = Json::array();
    for (const v1::FacetValue& value : facet.values()) {
      values.push_back({{"value", value.value()}, {"count", value.count()}});
    }
    facets.push_back({{"field", facet.field()},
                      {"values", values},
                      {"others", facet.others()},
                      {"without", facet.without()}});
  }
  context.PrintJson({{"query", response.query()},
                     {"tree_size", response.tree_size()},
                     {"exact", response.exact()},
                     {"matches", response.matches()},
                     {"facets", facets}});
}

void PrintHistogramJson(CommandContext& context, const v1::GetHistogramResponse& response) {
  Json buckets = Json::array();
  for (const v1::HistogramBucket& bucket : response.buckets()) {
    buckets.push_back({{"start", record::FormatRfc3339Ns(StartNs(bucket))},
                       {"unknown", bucket.unknown()},
                       {"success", bucket.success()},
                       {"failure", bucket.failure()},
                       {"denied", bucket.denied()},
                       {"other", bucket.other()}});
  }
  const auto text = [](const google::protobuf::Timestamp& time) {
    return record::FormatRfc3339Ns(NsOf(time.seconds(), time.nanos()));
  };
  context.PrintJson({{"query", response.query()},
                     {"tree_size", response.tree_size()},
                     {"exact", response.exact()},
                     {"from", text(response.from())},
                     {"to", text(response.to())},
                     // 0: not all are of one length
                     {"bucket_ns", NsOf(response.bucket().seconds(), response.bucket().nanos())},
                     {"buckets", buckets}});
}

}  // namespace

CommandResult ShowFacets(CommandContext& context, const std::string& query, uint64_t tree_size,
                         const NumberFlags& flags, Counted* counted) {
  ASSIGN_OR_RETURN(const auto client, context.Connect());
  v1::GetFacetsRequest request;
  request.set_log(context.log());
  request.set_query(query);
  request.set_tree_size(tree_size);
  request.set_top(flags.top);
  request.set_prefix(flags.prefix);
  request.set_contains(flags.contains);
  for (const std::string& field : flags.facets) request.add_fields(field);
  ASSIGN_OR_RETURN(const v1::GetFacetsResponse response,
                   client->GetFacets(std::move(request), kTimeout));
  *counted = {response.tree_size(), response.matches(), response.exact()};
  if (context.json()) {
    PrintFacetsJson(context, response);
    return End(context, response.exact());
  }
  Terminal& out = context.out();
  out.Line(fmt::format("{} of {} records match", CountText(response.matches()),
                       CountText(response.tree_size())));
  for (const v1::Facet& facet : response.facets()) {
    out.Line("");
    Table table({{SafeText(facet.field())}, {"records", Table::Align::kRight}});
    for (const v1::FacetValue& value : facet.values()) {
      table.AddRow({{SafeText(value.value(), kValueColumns)}, {CountText(value.count())}});
    }
    if (facet.others() > 0) {
      table.AddRow({{"(others)", Colour::kDim}, {CountText(facet.others())}});
    }
    if (facet.without() > 0) {
      table.AddRow({{"(none)", Colour::kDim}, {CountText(facet.without())}});
    }
    table.WriteTo(out);
  }
  return End(context, response.exact());
}

CommandResult ShowHistogram(CommandContext& context, const std::string& query, uint64_t tree_size,
                            const NumberFlags& flags, Counted* counted) {
  ASSIGN_OR_RETURN(const auto client, context.Connect());
  v1::GetHistogramRequest request;
  request.set_log(context.log());
  request.set_query(query);
  request.set_tree_size(tree_size);
  const auto zone = ParseZone(flags.zone);
  if (!zone.ok())
    return UsageError(fmt::format("--zone: {}", std::string(zone.status().message())));
  ASSIGN_OR_RETURN(const bool may_match, LayStretches(*client, flags, *zone, &request));
  v1::GetHistogramResponse response;
  if (may_match) {
    ASSIGN_OR_RETURN(response, client->GetHistogram(std::move(request), kTimeout));
  } else {
    response.set_query(request.query());
    response.set_tree_size(request.tree_size());
    response.set_exact(true);
  }
  counted->tree_size = response.tree_size();
  // Between given times there are not all.
  counted->all = response.exact() && flags.from.empty() && flags.to.empty() && flags.at.empty();
  for (const v1::HistogramBucket& bucket : response.buckets()) counted->matches += Total(bucket);
  if (context.json()) {
    PrintHistogramJson(context, response);
    return End(context, response.exact());
  }
  uint64_t most = 1;
  for (const v1::HistogramBucket& bucket : response.buckets()) {
    most = std::max(most, Total(bucket));
  }
  Terminal& out = context.out();
  Table table({{"from"},
               {"records", Table::Align::kRight},
               {"denied", Table::Align::kRight},
               {"failed", Table::Align::kRight},
               {""}});
  for (const v1::HistogramBucket& bucket : response.buckets()) {
    const uint64_t total = Total(bucket);
    const size_t length =
        static_cast<size_t>(static_cast<double>(total) / static_cast<double>(most) * kBarColumns);
    std::string bar;
    for (size_t i = 0; i < length; ++i) bar += out.speaks_utf8() ? "█" : "#";
    table.AddRow({{StartText(bucket, *zone)},
                  {CountText(total)},
                  {CountText(bucket.denied())},
                  {CountText(bucket.failure())},
                  {bar, Colour::kDim}});
  }
  if (table.empty()) {
    out.Line("no record can match");
  } else {
    table.WriteTo(out);
  }
  return End(context, response.exact());
}

}  // namespace graven::cli
