#include "service/search_calls.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/status_macros.h"
#include "engine/error_details.h"
#include "engine/record_messages.h"
#include "record/wire.h"
#include "search/page.h"
#include "search/question.h"

namespace graven::service {
namespace {

using graven::v1::SearchRequest;

constexpr uint32_t kLimitMax = 100'000;
// A reader that is stuck holds one batch.
constexpr size_t kBatchBytesMax = 256 * 1024;
// How often a search that finds nothing says how far it has come, and one that follows that it
// still does.
constexpr int64_t kProgressNs = 200'000'000;
constexpr int64_t kFollowProgressNs = 1'000'000'000;
// What one call may cost; then it ends with a cursor.
constexpr int64_t kSearchNsMax = 60'000'000'000;

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

  search::Question Question() const;
  // Whether what the question is about has still to be published: then it is waited for, once.
  bool MustWait();
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
  bool has_waited_ = false;
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
  // Who follows is there for long and mostly waits: such calls have places of their own.
  search::Admission& admission = asked_.follow() ? environment_.searches.follower_admission()
                                                 : environment_.searches.admission();
  ASSIGN_OR_RETURN(ticket_,
                   admission.Admit(search::PeerName(identity.caller.written_by, context_.peer())));
  request.stop_at_end = !asked_.follow();
  request.want_parsed = asked_.want_parsed();
  request.left = asked_.limit();
  if (request.left == 0) request.left = asked_.follow() ? UINT64_MAX : search::kPageRecordsDefault;
  until_ns_ = asked_.follow() ? INT64_MAX : NowNs() + kSearchNsMax;
  return request;
}

search::Question SearchCall::Question() const {
  search::Question question;
  question.log = asked_.log();
  question.query = asked_.query();
  question.tree_size = asked_.tree_size();
  question.cursor = asked_.cursor();
  question.from_ordinal = asked_.from_ordinal();
  if (asked_.follow() || asked_.order() == graven::v1::SEARCH_ORDER_OLDEST_FIRST) {
    question.order = search::Order::kOldestFirst;
  }
  return question;
}

bool SearchCall::MustWait() {
  follow_.wait_until_ns = engine::PublicationHub::kNoDeadline;
  if (std::exchange(has_waited_, true)) return false;
  const TreeSize size = search::TreeOf(environment_.searches, Question());
  if (size.value == 0) return false;
  follow_.next = LogIndex(size.value - 1);
  follow_.end = size;
  follow_.wait_until_ns = NowNs() + search::kTreeWaitNs;
  return true;
}

absl::Status SearchCall::Open(std::deque<grpc::ByteBuffer>* messages) {
  ASSIGN_OR_RETURN(search::Search search, search::ReadQuestion(environment_.searches, Question()));
  if (asked_.follow()) {
    search.start.position = search.start.size.value;
    search.source.filter =
        environment_.searches.live_filters().Share(search.source.log, search.source.query);
  }
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
  if (!scan_) return MustWait() ? absl::OkStatus() : Open(messages);
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

}  // namespace

void ArmSearch(CallEnvironment& environment, FollowCalls& calls, GravenCalls& graven) {
  std::make_shared<SearchCall>(environment, calls, graven)->Arm();
}

}  // namespace graven::service
