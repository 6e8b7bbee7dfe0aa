#include "service/worked_calls.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "engine/error_details.h"
#include "fmt/format.h"
#include "record/time_text.h"
#include "search/statement.h"
#include "search/tally.h"
#include "service/status_mapping.h"
#include "service/time_messages.h"

namespace graven::service {
namespace {

// What one call may cost; then the numbers are those so far.
constexpr int64_t kWorkNsMax = 60'000'000'000;
// Of the caller's own deadline, so much is kept for the answer's way.
constexpr int64_t kDeadlineMarginNs = 50'000'000;

// A call of one method: its request is an `Asked`, and the next one is asked of gRPC by `kRequest`.
template <typename Call, typename Asked, auto kRequest>
class CallOf : public WorkedCall {
 public:
  CallOf(CallEnvironment& environment, WorkedCalls& calls, GravenCalls& service)
      : WorkedCall(environment, calls), calls_(calls), service_(service) {}

 protected:
  // What is more than the question.
  virtual absl::Status ReadRest() { return absl::OkStatus(); }

  Asked asked_;

 private:
  void Request() override {
    (service_.*kRequest)(&context_, &request_, &responder_, environment_.queue, environment_.queue,
                         static_cast<Tag*>(&accepted_tag_));
  }
  std::shared_ptr<WorkedCall> Another() override {
    return std::make_shared<Call>(environment_, calls_, service_);
  }
  absl::Status Read(std::string_view message, search::Question* question) override {
    if (!asked_.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
      return engine::InvalidField("", "the request is not well-formed");
    }
    question->log = asked_.log();
    question->query = asked_.query();
    question->tree_size = asked_.tree_size();
    return ReadRest();
  }

  WorkedCalls& calls_;
  GravenCalls& service_;
};

class FacetsCall final
    : public CallOf<FacetsCall, graven::v1::GetFacetsRequest, &GravenCalls::RequestGetFacets> {
 public:
  using CallOf::CallOf;

 private:
  absl::StatusOr<std::unique_ptr<search::Work>> Begin(search::Search search,
                                                      int64_t until_ns) override {
    response_.set_query(search.canonical);
    response_.set_tree_size(search.source.size.value);
    search::FacetShape shape;
    shape.fields.assign(asked_.fields().begin(), asked_.fields().end());
    if (asked_.top() != 0) shape.top = asked_.top();
    shape.values = {asked_.prefix(), asked_.contains()};
    ASSIGN_OR_RETURN(auto work,
                     search::FacetWork::Begin(
                         std::move(search.source), shape,
                         {.until_ns = until_ns, .values = &environment_.searches.value_budget()}));
    facets_ = &work->facets();
    return work;
  }

  std::string Answer() override {
    response_.set_exact(facets_->is_exact);
    response_.set_matches(facets_->matches);
    for (const search::Facet& facet : facets_->facets) {
      auto* out = response_.add_facets();
      out->set_field(facet.field);
      out->set_others(facet.others);
      out->set_without(facet.without);
      for (const search::FacetValue& value : facet.values) {
        auto* one = out->add_values();
        one->set_value(value.value);
        one->set_count(value.count);
      }
    }
    return response_.SerializeAsString();
  }

  graven::v1::GetFacetsResponse response_;
  const search::Facets* facets_ = nullptr;  // the work's
};

class HistogramCall final : public CallOf<HistogramCall, graven::v1::GetHistogramRequest,
                                          &GravenCalls::RequestGetHistogram> {
 public:
  using CallOf::CallOf;

 private:
  static absl::Status ReadTime(bool is_set, const google::protobuf::Timestamp& time,
                               const char* name, int64_t* ns) {
    if (!is_set) return absl::OkStatus();
    const std::optional<int64_t> at = TimeNs(time);
    if (!at) return engine::InvalidField(name, "must be a time from 1970 to 2262");
    *ns = *at;
    return absl::OkStatus();
  }

  absl::Status ReadRest() override {
    RETURN_IF_ERROR(ReadTime(asked_.has_from(), asked_.from(), "from", &shape_.from_ns));
    RETURN_IF_ERROR(ReadTime(asked_.has_to(), asked_.to(), "to", &shape_.to_ns));
    if (asked_.buckets() != 0) shape_.buckets = asked_.buckets();
    if (asked_.at().empty()) return absl::OkStatus();
    if (asked_.has_from() || asked_.has_to() || asked_.buckets() != 0) {
      return engine::InvalidField("at", "goes without from, to and buckets");
    }
    std::vector<int64_t>& borders_ns = shape_.borders_ns.emplace();
    for (const google::protobuf::Timestamp& time : asked_.at()) {
      const std::string name = fmt::format("at[{}]", borders_ns.size());
      RETURN_IF_ERROR(ReadTime(true, time, name.c_str(), &borders_ns.emplace_back()));
      // One too many is refused, with how many there are, before the rest is read.
      if (borders_ns.size() > search::kBucketsMax + 1) {
        return engine::InvalidField("at", fmt::format("has {} times; from 2 to {}",
                                                      asked_.at_size(), search::kBucketsMax + 1));
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<search::Work>> Begin(search::Search search,
                                                      int64_t until_ns) override {
    response_.set_query(search.canonical);
    response_.set_tree_size(search.source.size.value);
    ASSIGN_OR_RETURN(auto work, search::HistogramWork::Begin(std::move(search.source), shape_,
                                                             {.until_ns = until_ns}));
    histogram_ = &work->histogram();
    return work;
  }

  std::string Answer() override {
    response_.set_exact(histogram_->is_exact);
    SetTime(histogram_->from_ns, response_.mutable_from());
    SetTime(histogram_->to_ns, response_.mutable_to());
    if (!shape_.borders_ns) {
      const record::TimePoint width = record::FromNs(histogram_->bucket_ns);
      response_.mutable_bucket()->set_seconds(width.seconds);
      response_.mutable_bucket()->set_nanos(width.nanos);
    }
    for (size_t i = 0; i < histogram_->buckets.size(); ++i) {
      const auto& counts = histogram_->buckets[i];
      auto* bucket = response_.add_buckets();
      SetTime(histogram_->borders_ns[i], bucket->mutable_start());
      bucket->set_unknown(counts[0]);
      bucket->set_success(counts[1]);
      bucket->set_failure(counts[2]);
      bucket->set_denied(counts[3]);
      bucket->set_other(counts[4]);
    }
    return response_.SerializeAsString();
  }

  graven::v1::GetHistogramResponse response_;
  search::HistogramShape shape_;
  const search::Histogram* histogram_ = nullptr;  // the work's
};

class StatementCall final : public CallOf<StatementCall, graven::v1::GetStatementRequest,
                                          &GravenCalls::RequestGetStatement> {
 public:
  using CallOf::CallOf;

 private:
  absl::StatusOr<std::unique_ptr<search::Work>> Begin(search::Search search,
                                                      int64_t until_ns) override {
    ASSIGN_OR_RETURN(auto work,
                     search::StatementWork::Begin(environment_.searches, std::move(search),
                                                  TreeSize(asked_.tree_size()), until_ns));
    statement_ = &work->statement();
    return work;
  }

  std::string Answer() override {
    graven::v1::GetStatementResponse response;
    response.set_statement(*statement_);
    response.set_vkey(environment_.searches.signer()->verifier().Format());
    return response.SerializeAsString();
  }

  const std::string* statement_ = nullptr;  // the work's
};

}  // namespace

WorkedCall::WorkedCall(CallEnvironment& environment, WorkedCalls& calls)
    : environment_(environment),
      responder_(&context_),
      accepted_tag_(this, &WorkedCall::OnAccepted),
      calls_(calls),
      finished_tag_(this, &WorkedCall::OnFinished),
      done_tag_(this, &WorkedCall::OnDone) {}

void WorkedCall::Arm() {
  calls_.Add(shared_from_this());
  context_.AsyncNotifyWhenDone(static_cast<Tag*>(&done_tag_));
  Request();
}

// A place comes before everything that costs more than to read the request.
absl::Status WorkedCall::Admit() {
  CallerIdentity identity;
  RETURN_IF_ERROR(Identify(environment_.authenticator, context_, &identity));
  ASSIGN_OR_RETURN(ticket_, environment_.searches.admission().Admit(
                                search::PeerName(identity.caller.written_by, context_.peer())));
  grpc::Slice slice;
  RETURN_IF_ERROR(Read(MessageBytes(request_, &slice), &question_));
  request_.Clear();
  const int64_t left_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                              context_.deadline() - std::chrono::system_clock::now())
                              .count();
  until_ns_ = environment_.clock.SteadyNs() + std::min(left_ns - kDeadlineMarginNs, kWorkNsMax);
  return absl::OkStatus();
}

void WorkedCall::OnAccepted(bool ok) {
  if (!ok) {
    calls_.Remove(this);  // the server stops; there was no client, so there is no done event
    return;
  }
  if (!calls_.stopped()) Another()->Arm();
  const absl::Status admitted = calls_.stopped() ? StoppingError() : Admit();
  if (!admitted.ok()) {
    ticket_.reset();
    responder_.FinishWithError(ToGrpcStatus(admitted), static_cast<Tag*>(&finished_tag_));
    return;
  }
  search::AwaitTree(environment_.searches, question_, [self = shared_from_this()] {
    self->environment_.searches.TakeTurns(
        [self](const search::Turn& turn) { return self->TakeTurn(turn); });
  });
}

absl::StatusOr<bool> WorkedCall::GoOn(const search::Turn& turn) {
  if (environment_.stopping) return StoppingError();
  if (gone_) return absl::CancelledError("nobody waits for the answer");
  if (work_ == nullptr) {
    ASSIGN_OR_RETURN(search::Search search, search::ReadQuestion(environment_.searches, question_));
    ASSIGN_OR_RETURN(work_, Begin(std::move(search), until_ns_));
  }
  return work_->GoOn(turn);
}

bool WorkedCall::TakeTurn(const search::Turn& turn) {
  const absl::StatusOr<bool> done = GoOn(turn);
  if (done.ok() && !*done) return true;
  const grpc::ByteBuffer answer = done.ok() ? ToMessage(Answer()) : grpc::ByteBuffer();
  work_.reset();
  // The place is free before the answer is out: who asks again at once finds it so.
  ticket_.reset();
  if (done.ok()) {
    responder_.Finish(answer, grpc::Status::OK, static_cast<Tag*>(&finished_tag_));
  } else {
    responder_.FinishWithError(ToGrpcStatus(done.status()), static_cast<Tag*>(&finished_tag_));
  }
  return false;
}

void WorkedCall::OnFinished(bool) { Release(); }

void WorkedCall::OnDone(bool) {
  gone_ = true;
  Release();
}

void WorkedCall::Release() {
  if (events_left_.fetch_sub(1) == 1) calls_.Remove(this);
}

void WorkedCalls::Start(CallEnvironment& environment, GravenCalls& graven) {
  std::make_shared<FacetsCall>(environment, *this, graven)->Arm();
  std::make_shared<HistogramCall>(environment, *this, graven)->Arm();
  std::make_shared<StatementCall>(environment, *this, graven)->Arm();
}

void WorkedCalls::Add(std::shared_ptr<WorkedCall> call) {
  std::lock_guard lock(mutex_);
  WorkedCall* key = call.get();
  calls_.emplace(key, std::move(call));
}

void WorkedCalls::Remove(WorkedCall* call) {
  std::shared_ptr<WorkedCall> last;  // deleted without the lock
  std::lock_guard lock(mutex_);
  const auto found = calls_.find(call);
  if (found == calls_.end()) return;
  last = std::move(found->second);
  calls_.erase(found);
}

}  // namespace graven::service
