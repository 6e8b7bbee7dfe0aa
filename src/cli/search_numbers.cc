#include "cli/search_numbers.h"

#include <algorithm>

#include "base/status_macros.h"
#include "base/text_safety.h"
#include "console/table.h"
#include "fmt/format.h"
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

CommandResult End(CommandContext& context, bool exact) {
  RETURN_IF_ERROR(context.out().Finish());
  if (exact) return ExitCode::kDone;
  context.PrintNotice("not counted to the end: the numbers are lower bounds");
  return ExitCode::kNo;
}

uint64_t Total(const v1::HistogramBucket& bucket) {
  return bucket.unknown() + bucket.success() + bucket.failure() + bucket.denied() + bucket.other();
}

int64_t NsOf(int64_t seconds, int32_t nanos) { return seconds * 1'000'000'000 + nanos; }

absl::Status SetTime(const std::string& text, const char* flag,
                     google::protobuf::Timestamp* (v1::GetHistogramRequest::*field)(),
                     v1::GetHistogramRequest* request) {
  if (text.empty()) return absl::OkStatus();
  const auto time = record::ParseRfc3339(text);
  if (!time) {
    return UsageError(fmt::format("{}: a time is written 2026-03-01T00:00:00Z", flag));
  }
  google::protobuf::Timestamp* out = (request->*field)();
  out->set_seconds(time->seconds);
  out->set_nanos(time->nanos);
  return absl::OkStatus();
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

void PrintHistogramJson(CommandContext& context, const v1::GetHistogramResponse& response,
                        int64_t from_ns, int64_t bucket_ns) {
  Json buckets = Json::array();
  int64_t start_ns = from_ns;
  for (const v1::HistogramBucket& bucket : response.buckets()) {
    buckets.push_back({{"start", record::FormatRfc3339Ns(start_ns)},
                       {"unknown", bucket.unknown()},
                       {"success", bucket.success()},
                       {"failure", bucket.failure()},
                       {"denied", bucket.denied()},
                       {"other", bucket.other()}});
    start_ns += bucket_ns;
  }
  context.PrintJson({{"query", response.query()},
                     {"tree_size", response.tree_size()},
                     {"exact", response.exact()},
                     {"from", record::FormatRfc3339Ns(from_ns)},
                     {"bucket_ns", bucket_ns},
                     {"buckets", buckets}});
}

}  // namespace

CommandResult ShowFacets(CommandContext& context, const std::string& query, uint64_t tree_size,
                         const NumberFlags& flags) {
  ASSIGN_OR_RETURN(const auto client, context.Connect());
  v1::GetFacetsRequest request;
  request.set_log(context.log());
  request.set_query(query);
  request.set_tree_size(tree_size);
  request.set_top(flags.top);
  for (const std::string& field : flags.facets) request.add_fields(field);
  ASSIGN_OR_RETURN(const v1::GetFacetsResponse response,
                   client->GetFacets(std::move(request), kTimeout));
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
                            const NumberFlags& flags) {
  ASSIGN_OR_RETURN(const auto client, context.Connect());
  v1::GetHistogramRequest request;
  request.set_log(context.log());
  request.set_query(query);
  request.set_tree_size(tree_size);
  request.set_buckets(flags.buckets);
  RETURN_IF_ERROR(SetTime(flags.from, "--from", &v1::GetHistogramRequest::mutable_from, &request));
  RETURN_IF_ERROR(SetTime(flags.to, "--to", &v1::GetHistogramRequest::mutable_to, &request));
  ASSIGN_OR_RETURN(const v1::GetHistogramResponse response,
                   client->GetHistogram(std::move(request), kTimeout));
  const int64_t from_ns = NsOf(response.from().seconds(), response.from().nanos());
  const int64_t bucket_ns = NsOf(response.bucket().seconds(), response.bucket().nanos());
  if (context.json()) {
    PrintHistogramJson(context, response, from_ns, bucket_ns);
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
  int64_t start_ns = from_ns;
  for (const v1::HistogramBucket& bucket : response.buckets()) {
    const uint64_t total = Total(bucket);
    const size_t length =
        static_cast<size_t>(static_cast<double>(total) / static_cast<double>(most) * kBarColumns);
    std::string bar;
    for (size_t i = 0; i < length; ++i) bar += out.speaks_utf8() ? "█" : "#";
    table.AddRow({{record::FormatRfc3339Ns(start_ns / 1'000'000 * 1'000'000)},
                  {CountText(total)},
                  {CountText(bucket.denied())},
                  {CountText(bucket.failure())},
                  {bar, Colour::kDim}});
    start_ns += bucket_ns;
  }
  if (table.empty()) {
    out.Line("no record can match");
  } else {
    table.WriteTo(out);
  }
  return End(context, response.exact());
}

}  // namespace graven::cli
