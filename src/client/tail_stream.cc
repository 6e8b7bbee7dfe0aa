#include "client/tail_stream.h"

#include <utility>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "client/call_status.h"
#include "fmt/format.h"

namespace graven::client {

TailStream::TailStream(std::shared_ptr<Connection> connection, v1::TailRequest request)
    : connection_(std::move(connection)),
      stub_(v1::AuditLogService::NewStub(connection_->channel())),
      request_(std::move(request)),
      positioned_(!request_.from_now()) {
  if (positioned_) request_.set_from_index(request_.from_index());
}

TailStream::~TailStream() {
  Cancel();
  if (reader_ != nullptr) reader_->Finish();
}

void TailStream::Cancel() {
  absl::MutexLock lock(&mutex_);
  cancelled_ = true;
  if (context_ != nullptr) context_->TryCancel();
  cancel_wakes_.SignalAll();
}

absl::Status TailStream::Open() {
  absl::MutexLock lock(&mutex_);
  if (cancelled_) return absl::CancelledError("the tail was cancelled");
  context_ = std::make_unique<grpc::ClientContext>();
  connection_->Authorize(context_.get());
  reader_ = stub_->Tail(context_.get(), request_);
  return absl::OkStatus();
}

// Ends the current call; returns what it ended with.
absl::Status TailStream::Close() {
  absl::Status status = FromGrpcStatus(reader_->Finish());
  reader_.reset();
  absl::MutexLock lock(&mutex_);
  context_.reset();
  if (cancelled_) return absl::CancelledError("the tail was cancelled");
  return EndedByServer(status);
}

bool TailStream::MayTryAgain(const absl::Status& status) {
  if (!IsRetryable(status)) return false;
  const RetryPolicy& retry = connection_->options().retry;
  if (attempts_++ == 0) broken_since_ = absl::Now();
  if (attempts_ < retry.attempts_max) return true;
  // Who follows a log wants to be there again when the server has been restarted.
  return !request_.stop_at_end() && absl::Now() - broken_since_ < retry.tail_again_for;
}

absl::Status TailStream::Accept(const v1::TailResponse& batch) {
  const uint64_t count = batch.records_size();
  if (positioned_ && batch.next_index() != request_.from_index() + count) {
    return absl::DataLossError(fmt::format("the server sent {} records up to index {}, not from {}",
                                           count, batch.next_index(), request_.from_index()));
  }
  positioned_ = true;
  request_.set_from_index(batch.next_index());
  if (request_.limit() > 0) {
    if (count > request_.limit()) {
      return absl::DataLossError("the server sent more records than the limit");
    }
    request_.set_limit(request_.limit() - count);
    ended_ =
        request_.limit() == 0;  // a limit of 0 would mean never when the stream is opened again
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<v1::TailResponse>> TailStream::Next() {
  while (!ended_) {
    if (reader_ == nullptr) RETURN_IF_ERROR(Open());
    v1::TailResponse batch;
    if (reader_->Read(&batch)) {
      attempts_ = 0;
      RETURN_IF_ERROR(Accept(batch));
      return batch;
    }
    const absl::Status status = Close();
    if (status.ok()) {
      ended_ = true;
      break;
    }
    if (!MayTryAgain(status)) return status;
    absl::MutexLock lock(&mutex_);
    if (!cancelled_) {
      cancel_wakes_.WaitWithTimeout(&mutex_,
                                    RetryDelay(status).value_or(connection_->Backoff(attempts_)));
    }
  }
  return std::optional<v1::TailResponse>();
}

}  // namespace graven::client
