#include "service/follow_calls.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "engine/error_details.h"
#include "service/status_mapping.h"

namespace graven::service {

FollowCall::FollowCall(CallEnvironment& environment, FollowCalls& calls)
    : environment_(environment),
      calls_(calls),
      stream_(&context_),
      accepted_tag_(this, &FollowCall::OnAccepted),
      written_tag_(this, &FollowCall::OnWritten),
      finished_tag_(this, &FollowCall::OnFinished),
      done_tag_(this, &FollowCall::OnDone) {}

void FollowCall::Arm() {
  calls_.Add(shared_from_this());
  context_.AsyncNotifyWhenDone(static_cast<Tag*>(&done_tag_));
  Request();
}

absl::StatusOr<ledger::LogRef> FollowCall::FindLog(std::string_view name) const {
  return environment_.intake.FindLog(name);
}

absl::Status FollowCall::CheckStart(ledger::LogRef log, uint64_t index) const {
  const uint64_t size = environment_.ledger.DurableSize(log).value;
  if (index <= size) return absl::OkStatus();
  return engine::WithReason(
      absl::NotFoundError(fmt::format("index {} is beyond the log's size {}", index, size)),
      engine::reason::kIndexNotFound);
}

void FollowCall::OnAccepted(bool ok) {
  if (!ok) {
    calls_.Remove(this);  // the server stops; there was no client, so there is no done event
    return;
  }
  Counter().fetch_add(1);
  if (!calls_.stopped()) Another()->Arm();

  CallerIdentity identity;
  absl::Status allowed = Identify(environment_.authenticator, context_, &identity);
  if (allowed.ok() && Counter() > calls_.calls_max()) {
    allowed = engine::WithRetryDelay(
        engine::WithReason(absl::ResourceExhaustedError("too many calls follow logs"),
                           engine::reason::kTooManyTailers),
        1000);
  }
  if (allowed.ok()) {
    absl::StatusOr<FollowRequest> request = Start();
    allowed = request.status();
    if (request.ok()) follow_ = *std::move(request);
  }
  request_.Clear();
  std::unique_ptr<grpc::ByteBuffer> first = allowed.ok() ? FirstMessage() : nullptr;
  std::lock_guard lock(mutex_);
  if (!allowed.ok() || stopping_) {
    Finish(allowed.ok() ? StoppingError() : allowed);
    return;
  }
  next_read_ = follow_.next;
  phase_ = Phase::kWriting;
  if (first != nullptr) {
    messages_.push_back(std::move(*first));
    WriteNext();
  } else {
    ++operations_;
    stream_.SendInitialMetadata(static_cast<Tag*>(&written_tag_));
  }
}

void FollowCall::WriteNext() {
  phase_ = Phase::kWriting;
  ++operations_;
  grpc::ByteBuffer message = std::move(messages_.front());
  messages_.pop_front();
  grpc::WriteOptions options;
  // Small messages go out together. Never the first one: without another write behind it, it might
  // stay.
  if (first_sent_ && !messages_.empty()) options.set_buffer_hint();
  first_sent_ = true;
  stream_.Write(message, options, static_cast<Tag*>(&written_tag_));
}

void FollowCall::OnWritten(bool ok) {
  {
    std::lock_guard lock(mutex_);
    --operations_;
    if (!ok || done_) {
      phase_ = Phase::kEnded;
      messages_.clear();
    } else if (stopping_) {
      Finish(StoppingError());
    } else if (!messages_.empty()) {
      WriteNext();
    } else {
      ScheduleRead();
    }
  }
  RemoveIfIdle();
}

void FollowCall::ScheduleRead() {
  phase_ = Phase::kReading;
  Workers().Submit([self = shared_from_this()] { self->ReadOnWorker(); });
}

bool FollowCall::AtEnd() const {
  if (follow_.left == 0) return true;
  if (!follow_.stop_at_end) return false;
  const TreeSize published = environment_.ledger.GetPublished(follow_.log)->size;
  return follow_.next.value >= std::max(published, follow_.end).value;
}

void FollowCall::ReadOnWorker() {
  std::deque<grpc::ByteBuffer> messages;
  absl::Status read;
  if (follow_.left > 0) read = ReadBatch(&messages);
  const bool at_end = messages.empty() && !follow_.again && AtEnd();
  bool wait = false;
  {
    std::lock_guard lock(mutex_);
    next_read_ = follow_.next;
    if (done_) {
      phase_ = Phase::kEnded;
    } else if (stopping_) {
      Finish(StoppingError());
    } else if (!read.ok()) {
      Finish(read);
    } else if (!messages.empty()) {
      messages_ = std::move(messages);
      WriteNext();
    } else if (at_end) {
      Finish(absl::OkStatus());
    } else if (follow_.again) {
      ScheduleRead();
    } else {
      phase_ = Phase::kWaiting;
      ++wait_number_;
      ticket_ = 0;
      wait = true;
    }
  }
  if (wait) Await();
  RemoveIfIdle();
}

// The hub may call back before Await returns, on this thread or another, and by then the call may
// wait again, hence the numbers.
void FollowCall::Await() {
  uint64_t number;
  {
    std::lock_guard lock(mutex_);
    number = wait_number_;
  }
  const uint64_t ticket = environment_.hub.Await(
      follow_.log, TreeSize(follow_.next.value + 1), follow_.wait_until_ns,
      [self = shared_from_this()](engine::PublicationOutcome) { self->OnPublished(); });
  std::lock_guard lock(mutex_);
  if (phase_ != Phase::kWaiting || wait_number_ != number || ticket == 0) return;
  ticket_ = ticket;
  // Cancelled or stopped before the ticket was here.
  if ((done_ || stopping_) && environment_.hub.Cancel(ticket)) {
    if (done_) {
      phase_ = Phase::kEnded;
    } else {
      Finish(StoppingError());
    }
  }
}

void FollowCall::OnPublished() {
  {
    std::lock_guard lock(mutex_);
    if (phase_ != Phase::kWaiting) return;
    ticket_ = 0;
    if (done_) {
      phase_ = Phase::kEnded;
    } else if (stopping_) {
      Finish(StoppingError());
    } else {
      ScheduleRead();
    }
  }
  RemoveIfIdle();
}

void FollowCall::Finish(const absl::Status& status) {
  phase_ = Phase::kFinishing;
  ++operations_;
  messages_.clear();
  stream_.Finish(ToGrpcStatus(status), static_cast<Tag*>(&finished_tag_));
}

void FollowCall::OnFinished(bool) {
  {
    std::lock_guard lock(mutex_);
    --operations_;
    phase_ = Phase::kEnded;
  }
  RemoveIfIdle();
}

void FollowCall::OnDone(bool) {
  {
    std::lock_guard lock(mutex_);
    done_ = true;
    if (phase_ == Phase::kWaiting && ticket_ != 0 && environment_.hub.Cancel(ticket_)) {
      phase_ = Phase::kEnded;
    }
  }
  RemoveIfIdle();
}

void FollowCall::Stop() {
  std::lock_guard lock(mutex_);
  stopping_ = true;
  if (phase_ == Phase::kWaiting && ticket_ != 0 && environment_.hub.Cancel(ticket_)) {
    Finish(StoppingError());
  }
}

// Who reads to the end and leaves is no tailer.
uint64_t FollowCall::LagRecords() {
  std::lock_guard lock(mutex_);
  const bool follows =
      phase_ == Phase::kReading || phase_ == Phase::kWriting || phase_ == Phase::kWaiting;
  if (!follows || follow_.stop_at_end) return 0;
  const uint64_t size = environment_.ledger.GetPublished(follow_.log)->size.value;
  return size > next_read_.value ? size - next_read_.value : 0;
}

void FollowCall::RemoveIfIdle() {
  {
    std::lock_guard lock(mutex_);
    if (!done_ || operations_ > 0 || phase_ != Phase::kEnded) return;
    phase_ = Phase::kArmed;  // once only
  }
  Counter().fetch_sub(1);
  calls_.Remove(this);
}

void FollowCalls::Add(std::shared_ptr<FollowCall> call) {
  std::lock_guard lock(mutex_);
  FollowCall* key = call.get();
  calls_.emplace(key, std::move(call));
}

void FollowCalls::Remove(FollowCall* call) {
  std::shared_ptr<FollowCall> last;  // deleted without the lock, and after the caller's own use
  std::lock_guard lock(mutex_);
  const auto found = calls_.find(call);
  if (found == calls_.end()) return;
  last = std::move(found->second);
  calls_.erase(found);
}

uint64_t FollowCalls::LagRecordsMax() const {
  std::vector<std::shared_ptr<FollowCall>> all;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [key, call] : calls_) all.push_back(call);
  }
  uint64_t most = 0;
  for (const std::shared_ptr<FollowCall>& call : all) most = std::max(most, call->LagRecords());
  return most;
}

void FollowCalls::Stop() {
  stopped_ = true;
  std::vector<std::shared_ptr<FollowCall>> all;
  {
    std::lock_guard lock(mutex_);
    for (auto& [key, call] : calls_) all.push_back(call);
  }
  for (const std::shared_ptr<FollowCall>& call : all) call->Stop();
}

}  // namespace graven::service
