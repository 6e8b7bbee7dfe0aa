#include "web/search_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "engine/error_details.h"
#include "json/object_text.h"
#include "query/time_literal.h"
#include "record/time_text.h"
#include "search/page.h"
#include "search/question.h"
#include "search/statement.h"
#include "search/tally.h"
#include "web/arguments.h"
#include "web/errors.h"

namespace graven::web {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr uint64_t kPageWaitMs = 2'000;
constexpr uint64_t kTallyWaitMs = 5'000;
constexpr uint64_t kWaitMsMax = 60'000;
// Behind a page, matches are counted for so long.
constexpr int64_t kCountNs = 300 * kNsPerMs;

// What an answer is made of, once its question has been read.
struct Making {
  std::unique_ptr<search::Work> work;
  std::function<std::string()> body;  // when the work is done: JSON
  // Of a statement, which is text: with what it was signed.
  std::string answer_key = {};
};
using Begin = std::function<absl::StatusOr<Making>(search::Search search)>;

// One request, from its arrival to its answer.
struct Job {
  Job(search::Searches& by, std::string of_log, search::Admission::Ticket place,
      http::Responder back)
      : searches(by),
        log(std::move(of_log)),
        ticket(std::move(place)),
        responder(std::move(back)) {}

  search::Searches& searches;
  std::string log;
  search::Admission::Ticket ticket;
  http::Responder responder;
  // What all of them take.
  std::string query;
  std::string cursor;
  search::Order order = search::Order::kNewestFirst;
  uint64_t size = 0;
  uint64_t from_ordinal = 0;
  int64_t until_ns = 0;
  Begin begin;
  std::optional<Making> making;  // on the workers alone

  int64_t NowNs() const { return searches.clock().SteadyNs(); }
  search::Question question() const {
    return {.log = log,
            .query = query,
            .order = order,
            .cursor = cursor,
            .tree_size = size,
            .from_ordinal = from_ordinal};
  }
};

// Reads a request's parameters into the job.
using Ask = absl::Status (*)(const http::Parameters& parameters, Job* job);

absl::Status TakeCommon(const Arguments& arguments, uint64_t wait_ms_default, Job* job) {
  job->query = arguments.Text("q").value_or("");
  job->cursor = arguments.Text("cursor").value_or("");
  ASSIGN_OR_RETURN(job->size, arguments.Number("size", 0));
  ASSIGN_OR_RETURN(job->from_ordinal, arguments.Number("from_ordinal", 0));
  ASSIGN_OR_RETURN(const uint64_t wait_ms, arguments.Number("wait_ms", wait_ms_default));
  if (wait_ms > kWaitMsMax) {
    return engine::InvalidField("wait_ms", fmt::format("is {}; at most {}", wait_ms, kWaitMsMax));
  }
  job->until_ns = job->NowNs() + static_cast<int64_t>(wait_ms) * kNsPerMs;
  return absl::OkStatus();
}

// What every answer begins with.
json::ObjectText BodyOf(const std::string& canonical, TreeSize size) {
  json::ObjectText body;
  body.Text("query", canonical).Uint64("treeSize", size.value);
  return body;
}

absl::StatusOr<search::Order> OrderOf(const Arguments& arguments) {
  const std::string order = arguments.Text("order").value_or("newest");
  if (order == "newest") return search::Order::kNewestFirst;
  if (order == "oldest") return search::Order::kOldestFirst;
  return engine::InvalidField("order", "must be newest or oldest");
}

std::string PageJson(json::ObjectText body, const search::Page& page) {
  json::ArrayText records;
  for (const search::PageRecord& record : page.records) {
    json::ObjectText one;
    one.Uint64("index", record.index.value).Bytes("recordHash", record.hash.view());
    one.Bytes("record", record.record);
    records.Raw(one.Finish());
  }
  json::ObjectText count;
  count.Uint64("value", page.count).Bool("exact", page.count_is_exact);
  body.Raw("count", count.Finish()).Raw("records", records.Finish());
  body.Text("nextCursor", page.next_cursor).Uint64("scannedTo", page.scanned_to);
  return body.Finish();
}

absl::Status AskForPage(const http::Parameters& parameters, Job* job) {
  ASSIGN_OR_RETURN(const Arguments arguments,
                   Arguments::Take(parameters, {"q", "order", "limit", "cursor", "size",
                                                "from_ordinal", "wait_ms"}));
  ASSIGN_OR_RETURN(job->order, OrderOf(arguments));
  search::PageLimits limits;
  ASSIGN_OR_RETURN(limits.records_max, arguments.Number("limit", search::kPageRecordsDefault));
  if (limits.records_max == 0 || limits.records_max > search::kPageRecordsMax) {
    return engine::InvalidField(
        "limit", fmt::format("is {}; from 1 to {}", limits.records_max, search::kPageRecordsMax));
  }
  RETURN_IF_ERROR(TakeCommon(arguments, kPageWaitMs, job));
  limits.until_ns = job->until_ns;
  limits.count_until_ns = std::min(limits.until_ns, job->NowNs() + kCountNs);
  job->begin = [limits](search::Search search) -> absl::StatusOr<Making> {
    const std::string canonical = search.canonical;
    const TreeSize size = search.start.size;
    ASSIGN_OR_RETURN(auto maker, search::PageMaker::Begin(std::move(search), limits));
    const search::Page& page = maker->page();
    return Making{std::move(maker),
                  [canonical, size, &page] { return PageJson(BodyOf(canonical, size), page); }};
  };
  return absl::OkStatus();
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

std::string FacetsJson(json::ObjectText body, const search::Facets& facets) {
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
  body.Bool("exact", facets.is_exact).Uint64("matches", facets.matches);
  body.Raw("facets", all.Finish());
  return body.Finish();
}

absl::Status AskForFacets(const http::Parameters& parameters, Job* job) {
  ASSIGN_OR_RETURN(
      const Arguments arguments,
      Arguments::Take(parameters, {"q", "field", "top", "prefix", "contains", "size", "wait_ms"}));
  search::FacetShape shape;
  shape.fields = SplitAtCommas(arguments.Text("field").value_or(""));
  shape.values = {arguments.Text("prefix").value_or(""), arguments.Text("contains").value_or("")};
  ASSIGN_OR_RETURN(shape.top, arguments.Number("top", search::kFacetTopDefault));
  RETURN_IF_ERROR(TakeCommon(arguments, kTallyWaitMs, job));
  const search::TallyLimits limits{.until_ns = job->until_ns,
                                   .values = &job->searches.value_budget()};
  job->begin = [shape = std::move(shape), limits](search::Search search) -> absl::StatusOr<Making> {
    const std::string canonical = search.canonical;
    const TreeSize size = search.start.size;
    ASSIGN_OR_RETURN(auto work, search::FacetWork::Begin(std::move(search.source), shape, limits));
    const search::Facets& facets = work->facets();
    return Making{std::move(work), [canonical, size, &facets] {
                    return FacetsJson(BodyOf(canonical, size), facets);
                  }};
  };
  return absl::OkStatus();
}

absl::StatusOr<int64_t> TimeOf(const Arguments& arguments, std::string_view name,
                               int64_t when_missing) {
  const std::optional<std::string> text = arguments.Text(name);
  if (!text) return when_missing;
  const std::optional<record::TimePoint> time = record::ParseRfc3339(*text);
  const std::optional<int64_t> ns = time ? record::ToNs(*time) : std::nullopt;
  if (!ns || *ns < 0) {
    return engine::InvalidField(name, "must be a time as RFC 3339 has it, from 1970 to 2262");
  }
  return *ns;
}

// The borders of stretches, each as a query writes a time: where what it names begins.
absl::Status TakeBorders(const Arguments& arguments, std::optional<std::vector<int64_t>>* borders) {
  const std::optional<std::string> text = arguments.Text("at");
  if (!text) return absl::OkStatus();
  if (arguments.Text("from") || arguments.Text("to") || arguments.Text("buckets")) {
    return engine::InvalidField("at", "goes without from, to and buckets");
  }
  borders->emplace();
  for (const std::string& part : SplitAtCommas(*text)) {
    const auto range = query::ParseTimeLiteral(part);
    const std::optional<int64_t> ns = range ? record::ToNs(range->low) : std::nullopt;
    if (!ns || *ns < 0) {
      return engine::InvalidField(fmt::format("at[{}]", (*borders)->size()),
                                  "must be a time as queries have it, from 1970 to 2262");
    }
    (*borders)->push_back(*ns);
  }
  return absl::OkStatus();
}

std::string HistogramJson(json::ObjectText body, const search::Histogram& histogram) {
  constexpr std::array<std::string_view, search::kOutcomeColumns> kNames = {
      "unknown", "success", "failure", "denied", "other"};
  json::ArrayText buckets;
  for (size_t bucket = 0; bucket < histogram.buckets.size(); ++bucket) {
    json::ObjectText counts;
    for (size_t i = 0; i < kNames.size(); ++i) {
      const uint64_t count = histogram.buckets[bucket][i];
      if (count != 0) counts.Uint64(kNames[i], count);
    }
    json::ObjectText one;
    one.TimeNs("start", histogram.borders_ns[bucket]).Raw("counts", counts.Finish());
    buckets.Raw(one.Finish());
  }
  body.Bool("exact", histogram.is_exact);
  body.TimeNs("from", histogram.from_ns).TimeNs("to", histogram.to_ns);
  body.Uint64("bucketNs", static_cast<uint64_t>(histogram.bucket_ns));
  body.Raw("buckets", buckets.Finish());
  return body.Finish();
}

absl::Status AskForHistogram(const http::Parameters& parameters, Job* job) {
  ASSIGN_OR_RETURN(
      const Arguments arguments,
      Arguments::Take(parameters, {"q", "from", "to", "buckets", "at", "by", "size", "wait_ms"}));
  if (arguments.Text("by").value_or("outcome") != "outcome") {
    return engine::InvalidField("by", "must be outcome");
  }
  search::HistogramShape shape;
  ASSIGN_OR_RETURN(shape.from_ns, TimeOf(arguments, "from", INT64_MIN));
  ASSIGN_OR_RETURN(shape.to_ns, TimeOf(arguments, "to", INT64_MAX));
  ASSIGN_OR_RETURN(shape.buckets, arguments.Number("buckets", search::kBucketsDefault));
  RETURN_IF_ERROR(TakeBorders(arguments, &shape.borders_ns));
  RETURN_IF_ERROR(TakeCommon(arguments, kTallyWaitMs, job));
  job->begin = [shape = std::move(shape),
                until_ns = job->until_ns](search::Search search) -> absl::StatusOr<Making> {
    const std::string canonical = search.canonical;
    const TreeSize size = search.start.size;
    ASSIGN_OR_RETURN(auto work, search::HistogramWork::Begin(std::move(search.source), shape,
                                                             {.until_ns = until_ns}));
    const search::Histogram& histogram = work->histogram();
    return Making{std::move(work), [canonical, size, &histogram] {
                    return HistogramJson(BodyOf(canonical, size), histogram);
                  }};
  };
  return absl::OkStatus();
}

absl::Status AskForStatement(const http::Parameters& parameters, Job* job) {
  ASSIGN_OR_RETURN(const Arguments arguments, Arguments::Take(parameters, {"q", "size"}));
  RETURN_IF_ERROR(TakeCommon(arguments, kWaitMsMax, job));
  job->begin = [&searches = job->searches, size = TreeSize(job->size),
                until_ns = job->until_ns](search::Search search) -> absl::StatusOr<Making> {
    ASSIGN_OR_RETURN(auto work,
                     search::StatementWork::Begin(searches, std::move(search), size, until_ns));
    const std::string& statement = work->statement();
    return Making{std::move(work), [&statement] { return statement; },
                  searches.signer()->verifier().Format()};
  };
  return absl::OkStatus();
}

http::Response ResponseOf(const Making& making) {
  http::Response response;
  response.body = making.body();
  response.compressible = true;
  if (making.answer_key.empty()) {
    response.content_type = "application/json";
    response.body += '\n';
  } else {
    // Its bytes are what was signed, with its own last line feed.
    response.content_type = "text/plain; charset=utf-8";
    response.headers.push_back({"Graven-Answer-Key", making.answer_key});
  }
  return response;
}

// True: the answer can be made.
absl::StatusOr<bool> GoOn(Job* job, const search::Turn& turn) {
  if (!job->making) {
    ASSIGN_OR_RETURN(search::Search search, search::ReadQuestion(job->searches, job->question()));
    ASSIGN_OR_RETURN(job->making, job->begin(std::move(search)));
  }
  return job->making->work->GoOn(turn);
}

// True: it wants another turn.
bool TakeTurn(Job* job, const search::Turn& turn) {
  if (job->responder.gone()) return false;
  const absl::StatusOr<bool> done = GoOn(job, turn);
  if (done.ok() && !*done) return true;
  http::Response response = done.ok() ? ResponseOf(*job->making) : ErrorResponse(done.status());
  // The place is free before the answer is out: who asks again at once finds it so.
  job->ticket.reset();
  std::move(job->responder).Send(std::move(response));
  return false;
}

// Admits the request, waits for what it is about to be published, and lets the threads of the
// searches answer it in turns.
Handler InTurns(search::Searches& searches, Ask ask) {
  return [&searches, ask](const Call& call, http::Responder responder) {
    absl::StatusOr<search::Admission::Ticket> ticket =
        searches.admission().Admit(search::PeerName(call.identity, call.request.peer.address));
    if (!ticket.ok()) return std::move(responder).Send(ErrorResponse(ticket.status()));
    // A std::function has to be copyable.
    const auto job = std::make_shared<Job>(searches, call.parameters[0], *std::move(ticket),
                                           std::move(responder));
    if (const absl::Status asked = ask(call.query, job.get()); !asked.ok()) {
      job->ticket.reset();
      return std::move(job->responder).Send(ErrorResponse(asked));
    }
    search::AwaitTree(searches, job->question(), [job] {
      job->searches.TakeTurns(
          [job](const search::Turn& turn) { return TakeTurn(job.get(), turn); });
    });
  };
}

}  // namespace

void AddSearchRoutes(search::Searches& searches, Routes* routes) {
  routes->Add({"GET", "/logs/{log}/search", InTurns(searches, &AskForPage)});
  routes->Add({"GET", "/logs/{log}/facets", InTurns(searches, &AskForFacets)});
  routes->Add({"GET", "/logs/{log}/histogram", InTurns(searches, &AskForHistogram)});
  routes->Add({"GET", "/logs/{log}/statement", InTurns(searches, &AskForStatement)});
}

}  // namespace graven::web
