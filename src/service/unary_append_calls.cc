#include "service/unary_append_calls.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "engine/error_details.h"
#include "service/status_mapping.h"

namespace graven::service {
namespace {

constexpr uint64_t kEventsWaitingMax = 1'000'000;

// graven.v1.AuditLogService.Append
class AppendCall final : public UnaryAppendCall {
 public:
  AppendCall(CallEnvironment& environment, UnaryAppendPool& pool, GravenCalls& service)
      : UnaryAppendCall(environment, pool), service_(service) {}

 private:
  void Request() override {
    service_.RequestAppend(&*context_, &request_, &*responder_, environment_.queue,
                           environment_.queue, static_cast<Tag*>(this));
  }

  absl::Status Prepare(std::string_view message) override {
    RETURN_IF_ERROR(engine::DecodeAppendMessage(message, engine::AppendShape::kUnary, &message_));
    if (message_.wait_level == engine::kLevelCosigned && !environment_.ledger.wants_witnesses()) {
      return engine::InvalidField("wait.level", "is COSIGNED, and this server has no witnesses");
    }
    return environment_.intake.Fill(message_, message_.log, message.size(), identity_.caller,
                                    &submission_);
  }

  void Reply(std::span<const ledger::EventReceipt> receipts) override {
    event_ids_.clear();
    for (const sequencer::NewEvent& event : submission_.events) {
      event_ids_.push_back(event.event_id);
    }
    std::atomic<uint64_t>& waiting = environment_.counters.events_waiting;
    // Above the limit the answer is the level reached, as it is after the time.
    if (message_.wait_level == engine::kLevelDurable || waiting > kEventsWaitingMax) {
      FinishWith(Encode(receipts, engine::kLevelDurable));
      return;
    }
    receipts_.assign(receipts.begin(), receipts.end());
    // The wait may be long: the request's bytes do not stay for it, but for the ids.
    kept_ids_.clear();
    for (std::string_view id : event_ids_) kept_ids_.emplace_back(id);
    event_ids_.assign(kept_ids_.begin(), kept_ids_.end());
    const ledger::LogRef log = submission_.log;
    ReleaseRequest();
    submission_.log = log;
    waiting += receipts_.size();
    LogIndex last;
    for (const ledger::EventReceipt& receipt : receipts_) last = std::max(last, receipt.index);
    // A worker answers: proofs are read from the disk. What was reached is looked up then: who
    // waited in vain for the witnesses has a published record all the same.
    engine::PublicationHub& hub = message_.wait_level == engine::kLevelCosigned
                                      ? environment_.cosigned_hub
                                      : environment_.hub;
    hub.Await(submission_.log, SizeThrough(last), environment_.clock.SteadyNs() + message_.wait_ns,
              [this, last](engine::PublicationOutcome) {
                environment_.workers.Submit([this, last] {
                  environment_.counters.events_waiting -= receipts_.size();
                  FinishWith(Encode(receipts_, LevelOf(SizeThrough(last))));
                });
              });
  }

  // How far so many records have come; at most as far as was asked for.
  uint64_t LevelOf(TreeSize size) const {
    if (message_.wait_level == engine::kLevelCosigned &&
        environment_.cosigned_hub.Has(submission_.log, size)) {
      return engine::kLevelCosigned;
    }
    return environment_.hub.Has(submission_.log, size) ? engine::kLevelPublished
                                                       : engine::kLevelDurable;
  }

  // Proofs are added until they fill half a MiB; the others can be asked for. 8,192 receipts of
  // the longest names and ids are 2.1 MiB, so that the whole stays below gRPC's own limit of 4.
  std::string Encode(std::span<const ledger::EventReceipt> receipts, uint64_t level) const {
    const auto checkpoint = level == engine::kLevelCosigned ? ledger::CheckpointLevel::kCosigned
                                                            : ledger::CheckpointLevel::kPublished;
    std::string response;
    const std::string& log = submission_.log.name();
    for (size_t i = 0; i < receipts.size(); ++i) {
      std::string proof;
      if (level != engine::kLevelDurable && response.size() < engine::kReplyBytesMax / 2) {
        absl::StatusOr<std::string> made =
            environment_.ledger.Receipt(submission_.log, receipts[i].index, checkpoint);
        if (made.ok()) proof = *std::move(made);
      }
      engine::EncodeReceipt(log, receipts[i], event_ids_[i], proof, &response);
    }
    engine::EncodeLevel(level, &response);
    return response;
  }

  GravenCalls& service_;
  engine::AppendMessage message_;
  std::vector<ledger::EventReceipt> receipts_;
  std::vector<std::string_view> event_ids_;
  std::vector<std::string> kept_ids_;
};

// AuditLogService.SendAuditLog of the minimal contract
class SendAuditLogCall final : public UnaryAppendCall {
 public:
  SendAuditLogCall(CallEnvironment& environment, UnaryAppendPool& pool, CompatCalls& service)
      : UnaryAppendCall(environment, pool), service_(service) {}

 private:
  void Request() override {
    service_.RequestSendAuditLog(&*context_, &request_, &*responder_, environment_.queue,
                                 environment_.queue, static_cast<Tag*>(this));
  }

  absl::Status Prepare(std::string_view message) override {
    return environment_.intake.FillEntry(message, Metadata(*context_, "graven-log"),
                                         identity_.caller, &submission_);
  }

  void Reply(std::span<const ledger::EventReceipt> receipts) override {
    FinishWith(engine::EncodeCompatResponse(receipts.front(), submission_.events.front().event_id));
  }

  CompatCalls& service_;
};

}  // namespace

void UnaryAppendCall::Arm() {
  state_ = State::kArmed;
  context_.emplace();
  responder_.emplace(&*context_);
  Request();
}

void UnaryAppendCall::Proceed(bool ok) {
  if (state_ == State::kFinishing) {
    // An idle call keeps none of its client's bytes.
    ReleaseRequest();
    responder_.reset();
    context_.reset();
    pool_.Free(this);
    return;
  }
  if (!ok) return;  // the server stops: this call never had a client
  state_ = State::kWorking;
  pool_.Accepted();
  if (absl::Status handled = Handle(); !handled.ok()) {
    environment_.counters.requests_refused.fetch_add(1, std::memory_order_relaxed);
    Refuse(handled);
  }
}

void UnaryAppendCall::ReleaseRequest() {
  bytes_ = grpc::Slice();
  request_.Clear();
  submission_.Clear();
}

absl::Status UnaryAppendCall::Handle() {
  RETURN_IF_ERROR(Identify(environment_.authenticator, *context_, &identity_));
  RETURN_IF_ERROR(Prepare(MessageBytes(request_, &bytes_)));
  submission_.request.owner = static_cast<engine::AppendOwner*>(this);
  return engine::ExplainQueueError(environment_.sequencer.Submit(&submission_.request));
}

void UnaryAppendCall::Done(const ledger::RequestResult& result) {
  if (result.status.ok()) {
    Reply(result.receipts);
  } else {
    Refuse(ExplainAppendError(environment_.ledger, submission_.log, result.status));
  }
}

void UnaryAppendCall::Refuse(const absl::Status& status) {
  environment_.meter.CountRefused(status);
  state_ = State::kFinishing;
  responder_->FinishWithError(ToGrpcStatus(status), static_cast<Tag*>(this));
}

void UnaryAppendCall::FinishWith(std::string_view response) {
  state_ = State::kFinishing;
  responder_->Finish(ToMessage(response), grpc::Status::OK, static_cast<Tag*>(this));
}

void UnaryAppendPool::Start() {
  while (armed_ < options_.armed) ArmOne();
}

void UnaryAppendPool::ArmOne() {
  UnaryAppendCall* call = nullptr;
  if (!idle_.empty()) {
    call = idle_.back();
    idle_.pop_back();
  } else if (calls_.size() < options_.calls_max) {
    call = calls_.emplace_back(make_(*this)).get();
  } else {
    return;  // armed again when one is answered
  }
  ++armed_;
  call->Arm();
}

void UnaryAppendPool::Accepted() {
  --armed_;
  if (!stopped_ && armed_ < options_.armed / 2) ArmOne();
}

void UnaryAppendPool::Free(UnaryAppendCall* call) {
  idle_.push_back(call);
  if (!stopped_ && armed_ < options_.armed) ArmOne();
}

UnaryAppendPool::Maker AppendCallMaker(CallEnvironment& environment, GravenCalls& service) {
  return [&](UnaryAppendPool& pool) {
    return std::make_unique<AppendCall>(environment, pool, service);
  };
}

UnaryAppendPool::Maker SendAuditLogCallMaker(CallEnvironment& environment, CompatCalls& service) {
  return [&](UnaryAppendPool& pool) {
    return std::make_unique<SendAuditLogCall>(environment, pool, service);
  };
}

}  // namespace graven::service
