#include "service/search_calls.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "engine/error_details.h"
#include "engine/record_messages.h"
#include "record/time_text.h"
#include "record/wire.h"
#include "search/question.h"
#include "search/tally.h"
#include "service/status_mapping.h"
#include "service/sync_calls.h"

namespace graven::service {
namespace {

using graven::v1::SearchRequest;

constexpr uint32_t kLimitDefault = 100;
constexpr uint32_t kLimitMax = 100'000;
// A reader that is stuck holds one batch.
constexpr size_t kBatchBytesMax = 256 * 1024;
// How often a search that finds nothing says how far it has come, and one that follows that it
// still does.
constexpr int64_t kProgressNs = 200'000'000;
constexpr int64_t kFollowProgressNs = 1'000'000'000;
// What one call may cost; then it ends with a cursor.
constexpr int64_t kSearchNsMax = 60'000'000'000;
// Of the caller's own deadline, so much is kept for the answer's way.
constexpr int64_t kDeadlineMarginNs = 50'000'000;

// graven.v1.AuditLogService.Search
class SearchCall final : public FollowCall {
 public:
  SearchCall(CallEnvironment& environment, FollowCalls& calls, GravenCalls& service)
      : FollowCall(environment, calls), service_(service) {}

 private:
  void Request() override {
    service_.RequestSearch(&context_, &request_, &stream_, environment_.queue, environment_.queue,
                           static_cast<Tag*>(&accepted_tag_));
  }
  std::shared_ptr<FollowCall> Another() override {
    return std::make_shared<SearchCall>(environment_, calls_, service_);
  }
  std::atomic<uint64_t>& Counter() override { return environment_.counters.searches; }
  engine::WorkerPool& Workers() override { return environment_.searches.workers(); }

  // On the loop's thread: what may take time waits for the first job.
  absl::StatusOr<FollowRequest> Start() override;
  absl::Status ReadBatch(std::deque<grpc::ByteBuffer>* messages) override;

  absl::Status Open(std::deque<grpc::ByteBuffer>* messages);
  absl::Status Look(std::string* response);
  void AddTreeSize(std::string* response) const {
    if (scan_->size().value != 0) record::AppendVarintField(2, scan_->size().value, response);
  }
  // Closes `response` with how far the search has come; as the last one when it is.
  void Send(std::string response, bool last, std::deque<grpc::ByteBuffer>* messages);
  int64_t NowNs() const { return environment_.clock.SteadyNs(); }

  GravenCalls& service_;
  SearchRequest asked_;
  search::Admission::Ticket ticket_;
  std::optional<search::Scan> scan_;
  search::Cursor start_;
  uint64_t skip_ = 0;
  int64_t until_ns_ = 0;
  int64_t last_said_ns_ = 0;
};

absl::StatusOr<FollowRequest> SearchCall::Start() {
  grpc::Slice slice;
  const std::string_view bytes = MessageBytes(request_, &slice);
  if (!asked_.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return engine::InvalidField("", "the request is not a well-formed SearchRequest");
  }
  if (asked_.limit() > kLimitMax) {
    return engine::InvalidField("limit",
                                fmt::format("is {}; at most {}", asked_.limit(), kLimitMax));
  }
  if (asked_.follow() && (!asked_.cursor().empty() || asked_.from_ordinal() != 0 ||
                          asked_.order() == graven::v1::SEARCH_ORDER_NEWEST_FIRST)) {
    return engine::InvalidField("follow", "goes without cursor, order and from_ordinal");
  }
  CallerIdentity identity;
  RETURN_IF_ERROR(Identify(environment_.authenticator, context_, &identity));
  FollowRequest request;
  ASSIGN_OR_RETURN(request.log, FindLog(asked_.log()));
  ASSIGN_OR_RETURN(ticket_, environment_.searches.admission().Admit(
                                search::PeerName(identity.caller.written_by, context_.peer())));
  request.stop_at_end = !asked_.follow();
  request.want_parsed = asked_.want_parsed();
  request.left = asked_.limit();
  if (request.left == 0) request.left = asked_.follow() ? UINT64_MAX : kLimitDefault;
  until_ns_ = asked_.follow() ? INT64_MAX : NowNs() + kSearchNsMax;
  return request;
}

absl::Status SearchCall::Open(std::deque<grpc::ByteBuffer>* messages) {
  search::Question question;
  question.log = asked_.log();
  question.query = asked_.query();
  question.tree_size = asked_.tree_size();
  question.cursor = asked_.cursor();
  question.from_ordinal = asked_.from_ordinal();
  if (asked_.follow() || asked_.order() == graven::v1::SEARCH_ORDER_OLDEST_FIRST) {
    question.order = search::Order::kOldestFirst;
  }
  ASSIGN_OR_RETURN(search::Search search, search::ReadQuestion(environment_.searches, question));
  if (asked_.follow()) search.start.position = search.start.size.value;
  start_ = search.start;
  skip_ = start_.skip;
  std::string response;
  record::AppendBytesField(1, search.canonical, &response);
  ASSIGN_OR_RETURN(scan_,
                   search::Scan::Begin(std::move(search.source), start_.order, start_.position));
  follow_.next = NextIndex(start_.size);
  last_said_ns_ = NowNs();
  AddTreeSize(&response);
  messages->push_back(ToMessage(response));
  return absl::OkStatus();
}

// One job: records until the message is full, the limit is reached or the time is up.
absl::Status SearchCall::Look(std::string* response) {
  if (follow_.left == 0) return absl::OkStatus();
  const search::Turn turn{&environment_.clock, NowNs() + search::kTurnNs};
  return scan_->Step(turn.Until(until_ns_), [&](const search::Hit& hit) {
    if (skip_ > 0) {
      --skip_;
      return search::Verdict::kGoOn;
    }
    const size_t size = engine::RecordViewSize(hit.record, follow_.want_parsed);
    if (!response->empty() && response->size() + size > kBatchBytesMax) {
      return search::Verdict::kRefuse;
    }
    engine::EncodeRecordView(3, hit.record, hit.hash, follow_.want_parsed, response);
    --follow_.left;
    return follow_.left == 0 ? search::Verdict::kStop : search::Verdict::kGoOn;
  });
}

absl::Status SearchCall::ReadBatch(std::deque<grpc::ByteBuffer>* messages) {
  follow_.again = false;
  if (!scan_) return Open(messages);
  if (asked_.follow() && scan_->done()) {
    scan_->Extend(environment_.ledger.GetPublished(follow_.log)->size);
    follow_.next = NextIndex(scan_->size());
  }
  std::string response;
  RETURN_IF_ERROR(Look(&response));
  const bool last =
      follow_.left == 0 || (!asked_.follow() && scan_->done()) || NowNs() >= until_ns_;
  const int64_t silence_ns = asked_.follow() ? kFollowProgressNs : kProgressNs;
  if (last || !response.empty() || NowNs() - last_said_ns_ >= silence_ns) {
    Send(std::move(response), last, messages);
  } else {
    // One that follows waits for the next publication when there is nothing left to look at.
    follow_.again = !scan_->done();
  }
  return absl::OkStatus();
}

void SearchCall::Send(std::string response, bool last, std::deque<grpc::ByteBuffer>* messages) {
  last_said_ns_ = NowNs();
  if (asked_.follow()) AddTreeSize(&response);
  if (scan_->position() != 0) record::AppendVarintField(4, scan_->position(), &response);
  if (last) {
    follow_.left = 0;
    if (scan_->done()) {
      record::AppendVarintField(6, 1, &response);
    } else if (!asked_.follow()) {
      search::Cursor next = start_;
      next.position = scan_->position();
      next.skip = std::min(skip_, next.left());
      record::AppendBytesField(5, search::FormatCursor(next), &response);
    }
  }
  messages->push_back(ToMessage(response));
}

// What the numbers are counted over, and for how long.
struct Tallying {
  std::string canonical;
  search::ScanSource source;
  search::TallyLimits limits;
  search::Admission::Ticket ticket;
};

absl::StatusOr<Tallying> Prepare(CallEnvironment& environment, const grpc::ServerContext& context,
                                 const std::string& log, const std::string& query,
                                 uint64_t tree_size) {
  CallerIdentity identity;
  RETURN_IF_ERROR(Identify(environment.authenticator, context, &identity));
  search::Question question;
  question.log = log;
  question.query = query;
  question.tree_size = tree_size;
  ASSIGN_OR_RETURN(search::Search search, search::ReadQuestion(environment.searches, question));
  Tallying tallying;
  ASSIGN_OR_RETURN(tallying.ticket, environment.searches.admission().Admit(search::PeerName(
                                        identity.caller.written_by, context.peer())));
  tallying.canonical = std::move(search.canonical);
  tallying.source = std::move(search.source);
  const int64_t left_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                              context.deadline() - std::chrono::system_clock::now())
                              .count();
  tallying.limits.until_ns =
      environment.clock.SteadyNs() + std::min(left_ns - kDeadlineMarginNs, kSearchNsMax);
  tallying.limits.gone = [&context, &environment] {
    return context.IsCancelled() || environment.stopping;
  };
  return tallying;
}

void SetTime(int64_t ns, google::protobuf::Timestamp* time) {
  const record::TimePoint at = record::FromNs(ns);
  time->set_seconds(at.seconds);
  time->set_nanos(at.nanos);
}

// Nothing: not sayable in nanoseconds.
std::optional<int64_t> NsOf(const google::protobuf::Timestamp& time) {
  constexpr int64_t kNsPerSecond = 1'000'000'000;
  if (time.nanos() < 0 || time.nanos() >= kNsPerSecond) return std::nullopt;
  if (time.seconds() < 0 || time.seconds() >= INT64_MAX / kNsPerSecond) return std::nullopt;
  return time.seconds() * kNsPerSecond + time.nanos();
}

absl::Status FacetsOf(CallEnvironment& environment, const grpc::ServerContext& context,
                      const graven::v1::GetFacetsRequest& request,
                      graven::v1::GetFacetsResponse* response) {
  ASSIGN_OR_RETURN(const Tallying tallying, Prepare(environment, context, request.log(),
                                                    request.query(), request.tree_size()));
  const std::vector<std::string> fields(request.fields().begin(), request.fields().end());
  const uint64_t top = request.top() == 0 ? search::kFacetTopDefault : request.top();
  ASSIGN_OR_RETURN(
      const search::Facets facets,
      search::CountFacets(environment.clock, tallying.source, fields, top, tallying.limits));
  response->set_query(tallying.canonical);
  response->set_tree_size(tallying.source.size.value);
  response->set_exact(facets.is_exact);
  response->set_matches(facets.matches);
  for (const search::Facet& facet : facets.facets) {
    auto* out = response->add_facets();
    out->set_field(facet.field);
    out->set_others(facet.others);
    out->set_without(facet.without);
    for (const search::FacetValue& value : facet.values) {
      auto* one = out->add_values();
      one->set_value(value.value);
      one->set_count(value.count);
    }
  }
  return absl::OkStatus();
}

absl::Status HistogramOf(CallEnvironment& environment, const grpc::ServerContext& context,
                         const graven::v1::GetHistogramRequest& request,
                         graven::v1::GetHistogramResponse* response) {
  search::HistogramShape shape;
  const auto take = [](bool is_set, const google::protobuf::Timestamp& time, const char* name,
                       int64_t* ns) -> absl::Status {
    if (!is_set) return absl::OkStatus();
    const std::optional<int64_t> at = NsOf(time);
    if (!at) return engine::InvalidField(name, "must be a time from 1970 to 2262");
    *ns = *at;
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(take(request.has_from(), request.from(), "from", &shape.from_ns));
  RETURN_IF_ERROR(take(request.has_to(), request.to(), "to", &shape.to_ns));
  if (request.buckets() != 0) shape.buckets = request.buckets();
  ASSIGN_OR_RETURN(const Tallying tallying, Prepare(environment, context, request.log(),
                                                    request.query(), request.tree_size()));
  ASSIGN_OR_RETURN(
      const search::Histogram histogram,
      search::CountHistogram(environment.clock, tallying.source, shape, tallying.limits));
  response->set_query(tallying.canonical);
  response->set_tree_size(tallying.source.size.value);
  response->set_exact(histogram.is_exact);
  SetTime(histogram.from_ns, response->mutable_from());
  constexpr int64_t kNsPerSecond = 1'000'000'000;
  response->mutable_bucket()->set_seconds(histogram.bucket_ns / kNsPerSecond);
  response->mutable_bucket()->set_nanos(static_cast<int32_t>(histogram.bucket_ns % kNsPerSecond));
  for (const auto& counts : histogram.buckets) {
    auto* bucket = response->add_buckets();
    bucket->set_unknown(counts[0]);
    bucket->set_success(counts[1]);
    bucket->set_failure(counts[2]);
    bucket->set_denied(counts[3]);
    bucket->set_other(counts[4]);
  }
  return absl::OkStatus();
}

}  // namespace

void ArmSearch(CallEnvironment& environment, FollowCalls& calls, GravenCalls& graven) {
  std::make_shared<SearchCall>(environment, calls, graven)->Arm();
}

grpc::Status GravenServer::GetFacets(grpc::ServerContext* context,
                                     const graven::v1::GetFacetsRequest* request,
                                     graven::v1::GetFacetsResponse* response) {
  return ToGrpcStatus(FacetsOf(environment_, *context, *request, response));
}

grpc::Status GravenServer::GetHistogram(grpc::ServerContext* context,
                                        const graven::v1::GetHistogramRequest* request,
                                        graven::v1::GetHistogramResponse* response) {
  return ToGrpcStatus(HistogramOf(environment_, *context, *request, response));
}

}  // namespace graven::service
