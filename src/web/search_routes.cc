#include "web/search_routes.h"

#include <fmt/format.h>

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "engine/error_details.h"
#include "json/object_text.h"
#include "record/time_text.h"
#include "search/page.h"
#include "search/question.h"
#include "search/tally.h"
#include "web/arguments.h"
#include "web/errors.h"

namespace graven::web {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kNsPerSecond = 1'000'000'000;
constexpr uint64_t kPageWaitMs = 2'000;
constexpr uint64_t kTallyWaitMs = 5'000;
constexpr uint64_t kWaitMsMax = 60'000;
// Behind a page, matches are counted for so long.
constexpr int64_t kCountNs = 300 * kNsPerMs;

// What a handler needs when it comes to its turn, on another thread.
struct Job {
  search::Searches& searches;
  std::string log;
  http::Parameters query;
  search::Admission::Ticket ticket;
  http::Responder responder;

  int64_t NowNs() const { return searches.clock().SteadyNs(); }
  std::function<bool()> Gone() const {
    return [this] { return responder.gone(); };
  }
};

using Answer = absl::StatusOr<std::string> (*)(const Job& job);

absl::StatusOr<int64_t> UntilNs(const Job& job, const Arguments& arguments,
                                uint64_t when_missing_ms) {
  ASSIGN_OR_RETURN(const uint64_t wait_ms, arguments.Number("wait_ms", when_missing_ms));
  if (wait_ms > kWaitMsMax) {
    return engine::InvalidField("wait_ms", fmt::format("is {}; at most {}", wait_ms, kWaitMsMax));
  }
  return job.NowNs() + static_cast<int64_t>(wait_ms) * kNsPerMs;
}

absl::StatusOr<search::Search> Read(const Job& job, const Arguments& arguments,
                                    search::Order order) {
  const std::string text = arguments.Text("q").value_or("");
  const std::string cursor = arguments.Text("cursor").value_or("");
  search::Question question;
  question.log = job.log;
  question.query = text;
  question.order = order;
  question.cursor = cursor;
  ASSIGN_OR_RETURN(question.tree_size, arguments.Number("size", 0));
  ASSIGN_OR_RETURN(question.from_ordinal, arguments.Number("from_ordinal", 0));
  return search::ReadQuestion(job.searches, question);
}

absl::StatusOr<search::Order> OrderOf(const Arguments& arguments) {
  const std::string order = arguments.Text("order").value_or("newest");
  if (order == "newest") return search::Order::kNewestFirst;
  if (order == "oldest") return search::Order::kOldestFirst;
  return engine::InvalidField("order", "must be newest or oldest");
}

absl::StatusOr<std::string> PageJson(const Job& job) {
  ASSIGN_OR_RETURN(const Arguments arguments,
                   Arguments::Take(job.query, {"q", "order", "limit", "cursor", "size",
                                               "from_ordinal", "wait_ms"}));
  ASSIGN_OR_RETURN(const search::Order order, OrderOf(arguments));
  search::PageLimits limits;
  ASSIGN_OR_RETURN(limits.records_max, arguments.Number("limit", search::kPageRecordsDefault));
  if (limits.records_max == 0 || limits.records_max > search::kPageRecordsMax) {
    return engine::InvalidField(
        "limit", fmt::format("is {}; from 1 to {}", limits.records_max, search::kPageRecordsMax));
  }
  ASSIGN_OR_RETURN(limits.until_ns, UntilNs(job, arguments, kPageWaitMs));
  limits.count_until_ns = std::min(limits.until_ns, job.NowNs() + kCountNs);
  limits.gone = job.Gone();
  ASSIGN_OR_RETURN(const search::Search search, Read(job, arguments, order));
  ASSIGN_OR_RETURN(const search::Page page, search::MakePage(job.searches.clock(), search, limits));
  json::ArrayText records;
  for (const search::PageRecord& record : page.records) {
    json::ObjectText one;
    one.Uint64("index", record.index.value).Bytes("recordHash", record.hash.view());
    one.Bytes("record", record.record);
    records.Raw(one.Finish());
  }
  json::ObjectText count;
  count.Uint64("value", page.count).Bool("exact", page.count_is_exact);
  json::ObjectText body;
  body.Text("query", search.canonical).Uint64("treeSize", search.start.size.value);
  body.Raw("count", count.Finish()).Raw("records", records.Finish());
  body.Text("nextCursor", page.next_cursor).Uint64("scannedTo", page.scanned_to);
  return body.Finish();
}

std::vector<std::string> SplitAtCommas(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(','), text.size());
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

absl::StatusOr<std::string> FacetsJson(const Job& job) {
  ASSIGN_OR_RETURN(const Arguments arguments,
                   Arguments::Take(job.query, {"q", "field", "top", "size", "wait_ms"}));
  ASSIGN_OR_RETURN(const uint64_t top, arguments.Number("top", search::kFacetTopDefault));
  search::TallyLimits limits;
  ASSIGN_OR_RETURN(limits.until_ns, UntilNs(job, arguments, kTallyWaitMs));
  limits.gone = job.Gone();
  ASSIGN_OR_RETURN(const search::Search search, Read(job, arguments, search::Order::kNewestFirst));
  ASSIGN_OR_RETURN(
      const search::Facets facets,
      search::CountFacets(job.searches.clock(), search.source,
                          SplitAtCommas(arguments.Text("field").value_or("")), top, limits));
  json::ArrayText all;
  for (const search::Facet& facet : facets.facets) {
    json::ArrayText values;
    for (const search::FacetValue& value : facet.values) {
      json::ObjectText one;
      one.Text("value", value.value).Uint64("count", value.count);
      values.Raw(one.Finish());
    }
    json::ObjectText one;
    one.Text("field", facet.field).Raw("values", values.Finish());
    one.Uint64("others", facet.others).Uint64("without", facet.without);
    all.Raw(one.Finish());
  }
  json::ObjectText body;
  body.Text("query", search.canonical).Uint64("treeSize", search.start.size.value);
  body.Bool("exact", facets.is_exact).Uint64("matches", facets.matches);
  body.Raw("facets", all.Finish());
  return body.Finish();
}

absl::StatusOr<int64_t> TimeOf(const Arguments& arguments, std::string_view name,
                               int64_t when_missing) {
  const std::optional<std::string> text = arguments.Text(name);
  if (!text) return when_missing;
  const std::optional<record::TimePoint> time = record::ParseRfc3339(*text);
  if (!time || time->seconds < 0 || time->seconds >= INT64_MAX / kNsPerSecond) {
    return engine::InvalidField(name, "must be a time as RFC 3339 has it, from 1970 to 2262");
  }
  return time->seconds * kNsPerSecond + time->nanos;
}

absl::StatusOr<std::string> HistogramJson(const Job& job) {
  ASSIGN_OR_RETURN(
      const Arguments arguments,
      Arguments::Take(job.query, {"q", "from", "to", "buckets", "by", "size", "wait_ms"}));
  if (arguments.Text("by").value_or("outcome") != "outcome") {
    return engine::InvalidField("by", "must be outcome");
  }
  search::HistogramShape shape;
  ASSIGN_OR_RETURN(shape.from_ns, TimeOf(arguments, "from", INT64_MIN));
  ASSIGN_OR_RETURN(shape.to_ns, TimeOf(arguments, "to", INT64_MAX));
  ASSIGN_OR_RETURN(shape.buckets, arguments.Number("buckets", search::kBucketsDefault));
  search::TallyLimits limits;
  ASSIGN_OR_RETURN(limits.until_ns, UntilNs(job, arguments, kTallyWaitMs));
  limits.gone = job.Gone();
  ASSIGN_OR_RETURN(const search::Search search, Read(job, arguments, search::Order::kNewestFirst));
  ASSIGN_OR_RETURN(const search::Histogram histogram,
                   search::CountHistogram(job.searches.clock(), search.source, shape, limits));
  constexpr std::array<std::string_view, search::kOutcomeColumns> kNames = {
      "unknown", "success", "failure", "denied", "other"};
  json::ArrayText buckets;
  int64_t start_ns = histogram.from_ns;
  for (const auto& bucket : histogram.buckets) {
    json::ObjectText counts;
    for (size_t i = 0; i < kNames.size(); ++i) {
      if (bucket[i] != 0) counts.Uint64(kNames[i], bucket[i]);
    }
    json::ObjectText one;
    one.TimeNs("start", start_ns).Raw("counts", counts.Finish());
    buckets.Raw(one.Finish());
    start_ns += histogram.bucket_ns;
  }
  json::ObjectText body;
  body.Text("query", search.canonical).Uint64("treeSize", search.start.size.value);
  body.Bool("exact", histogram.is_exact);
  body.TimeNs("from", histogram.from_ns).TimeNs("to", histogram.to_ns);
  body.Uint64("bucketNs", static_cast<uint64_t>(histogram.bucket_ns));
  body.Raw("buckets", buckets.Finish());
  return body.Finish();
}

// Admits the request and lets a thread of the searches answer it.
Handler OnSearchThread(search::Searches& searches, Answer answer) {
  return [&searches, answer](const Call& call, http::Responder responder) {
    absl::StatusOr<search::Admission::Ticket> ticket =
        searches.admission().Admit(search::PeerName(call.identity, call.request.peer.address));
    if (!ticket.ok()) return std::move(responder).Send(ErrorResponse(ticket.status()));
    // A std::function has to be copyable.
    const auto job = std::make_shared<Job>(
        Job{searches, call.parameters[0], call.query, *std::move(ticket), std::move(responder)});
    searches.workers().Submit([job, answer] {
      if (job->responder.gone()) return;
      absl::StatusOr<std::string> body = answer(*job);
      // The place is free before the answer is out: who asks again at once finds it so.
      job->ticket.reset();
      if (!body.ok()) return std::move(job->responder).Send(ErrorResponse(body.status()));
      http::Response response;
      response.content_type = "application/json";
      response.body = *std::move(body) + "\n";
      response.compressible = true;
      std::move(job->responder).Send(std::move(response));
    });
  };
}

}  // namespace

void AddSearchRoutes(search::Searches& searches, Routes* routes) {
  routes->Add({"GET", "/logs/{log}/search", OnSearchThread(searches, &PageJson)});
  routes->Add({"GET", "/logs/{log}/facets", OnSearchThread(searches, &FacetsJson)});
  routes->Add({"GET", "/logs/{log}/histogram", OnSearchThread(searches, &HistogramJson)});
}

}  // namespace graven::web
