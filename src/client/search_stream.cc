#include "client/search_stream.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "client/call_status.h"

namespace graven::client {
namespace {

constexpr uint64_t kCallRecordsMax = 100'000;

}  // namespace

SearchStream::SearchStream(std::shared_ptr<Connection> connection, v1::SearchRequest request,
                           uint64_t limit)
    : connection_(std::move(connection)),
      stub_(v1::AuditLogService::NewStub(connection_->channel())),
      request_(std::move(request)),
      left_(limit == 0 ? UINT64_MAX : limit) {}

SearchStream::~SearchStream() {
  Cancel();
  if (reader_ != nullptr) reader_->Finish();
}

void SearchStream::Cancel() {
  absl::MutexLock lock(&mutex_);
  cancelled_ = true;
  if (context_ != nullptr) context_->TryCancel();
  cancel_wakes_.SignalAll();
}

absl::Status SearchStream::Open() {
  request_.set_limit(static_cast<uint32_t>(std::min(left_, kCallRecordsMax)));
  if (request_.follow() && left_ == UINT64_MAX) request_.set_limit(0);
  absl::MutexLock lock(&mutex_);
  if (cancelled_) return absl::CancelledError("the search was cancelled");
  context_ = std::make_unique<grpc::ClientContext>();
  connection_->Authorize(context_.get());
  reader_ = stub_->Search(context_.get(), request_);
  return absl::OkStatus();
}

// Ends the current call; returns what it ended with.
absl::Status SearchStream::Close() {
  absl::Status status = FromGrpcStatus(reader_->Finish());
  reader_.reset();
  absl::MutexLock lock(&mutex_);
  context_.reset();
  if (cancelled_) return absl::CancelledError("the search was cancelled");
  return EndedByServer(status);
}

void SearchStream::Accept(const v1::SearchResponse& reply) {
  attempts_ = 0;
  next_cursor_ = reply.next_cursor();
  scanned_to_ = reply.scanned_to();
  const uint64_t count = reply.records_size();
  if (left_ != UINT64_MAX) left_ -= std::min(left_, count);
  if (request_.follow()) {
    // What was looked at is not asked for again when the stream is opened anew.
    const uint64_t position = std::max(reply.scanned_to(), request_.tree_size());
    request_.set_tree_size(position == 0 ? reply.tree_size() : position);
  }
}

bool SearchStream::HasMoved() {
  if (next_cursor_ == request_.cursor()) return false;
  if (request_.follow()) return true;
  const std::optional<uint64_t> before = std::exchange(scanned_to_then_, scanned_to_);
  if (!before) return true;
  const bool oldest_first = request_.order() == v1::SEARCH_ORDER_OLDEST_FIRST;
  return oldest_first ? scanned_to_ > *before : scanned_to_ < *before;
}

// One that does not follow can be asked again as long as nothing of it has come.
bool SearchStream::MayTryAgain(const absl::Status& status) {
  if (!IsRetryable(status)) return false;
  const RetryPolicy& retry = connection_->options().retry;
  if (attempts_++ == 0) broken_since_ = absl::Now();
  if (attempts_ < retry.attempts_max) return true;
  return request_.follow() && absl::Now() - broken_since_ < retry.tail_again_for;
}

absl::StatusOr<std::optional<v1::SearchResponse>> SearchStream::Next() {
  while (!ended_) {
    const bool begins = reader_ == nullptr;
    if (begins) RETURN_IF_ERROR(Open());
    v1::SearchResponse reply;
    if (reader_->Read(&reply)) {
      Accept(reply);
      return reply;
    }
    const absl::Status status = Close();
    if (status.ok()) {
      if (!next_cursor_.empty() && !HasMoved()) {
        return absl::DataLossError("the server's cursor leads to where the search was");
      }
      ended_ = next_cursor_.empty() || left_ == 0;
      request_.set_cursor(next_cursor_);
      request_.set_from_ordinal(0);
      continue;
    }
    if (!(begins || request_.follow()) || !MayTryAgain(status)) return status;
    absl::MutexLock lock(&mutex_);
    if (!cancelled_) {
      cancel_wakes_.WaitWithTimeout(&mutex_,
                                    RetryDelay(status).value_or(connection_->Backoff(attempts_)));
    }
  }
  return std::optional<v1::SearchResponse>();
}

}  // namespace graven::client
