#include "client/async_client.h"

#include <chrono>
#include <list>
#include <map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "client/call_status.h"
#include "client/completion_loop.h"
#include "client/connection.h"
#include "client/event_encoding.h"
#include "grpcpp/generic/generic_stub.h"

namespace graven::client {
namespace {

constexpr char kAppendMethod[] = "/graven.v1.AuditLogService/Append";
constexpr char kWaitTag = 0x22;  // AppendRequest.wait: field 4, bytes

void AddWait(const AppendOptions& options, std::string* request) {
  if (options.level <= v1::RECEIPT_LEVEL_DURABLE) return;
  v1::ReceiptWait wait;
  wait.set_level(options.level);
  const int64_t nanos = absl::ToInt64Nanoseconds(options.wait_timeout);
  wait.mutable_timeout()->set_seconds(nanos / 1'000'000'000);
  wait.mutable_timeout()->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
  const std::string bytes = wait.SerializeAsString();  // far below 128 bytes
  request->push_back(kWaitTag);
  request->push_back(static_cast<char>(bytes.size()));
  request->append(bytes);
}

absl::Status CutOffStatus() {
  return absl::DeadlineExceededError("closed before the answer came; the events may be stored");
}

}  // namespace

class AsyncClient::Calls final : public CompletionLoop::Handler {
 public:
  Calls(std::shared_ptr<Connection> connection, size_t in_flight_max)
      : connection_(std::move(connection)),
        stub_(connection_->channel()),
        in_flight_max_(in_flight_max),
        loop_(this) {
    loop_.Start();
  }

  EventIdSource& ids() { return connection_->ids(); }
  absl::Status Start(std::string request, Callback done, const AppendOptions& options);
  absl::Status Drain(absl::Duration timeout);
  absl::Status Close(absl::Duration timeout);

  void OnCompletion(void* tag, bool ok) override;
  int64_t Step() override;
  bool Finished() override;

 private:
  struct Call {
    grpc::ByteBuffer request;
    Callback done;
    absl::Duration timeout;
    int attempt = 0;
    // Of the try that runs.
    std::unique_ptr<grpc::ClientContext> context;
    std::unique_ptr<grpc::ClientAsyncResponseReader<v1::AppendResponse>> reader;
    v1::AppendResponse response;
    grpc::Status status;
    std::list<Call*>::iterator position;  // in running_
  };

  absl::Status TakePlace();
  void Send(std::unique_ptr<Call> call);
  void Answer(std::unique_ptr<Call> call, const absl::StatusOr<v1::AppendResponse>& answer);
  bool TryAgainLater(std::unique_ptr<Call>& call, const absl::Status& status);

  const std::shared_ptr<Connection> connection_;
  grpc::TemplatedGenericStub<grpc::ByteBuffer, v1::AppendResponse> stub_;
  const size_t in_flight_max_;

  absl::Mutex mutex_;
  absl::CondVar changed_;
  size_t in_flight_ ABSL_GUARDED_BY(mutex_) = 0;   // of these there are at most in_flight_max_
  size_t unanswered_ ABSL_GUARDED_BY(mutex_) = 0;  // and those whose callback is running
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  std::list<Call*> running_ ABSL_GUARDED_BY(mutex_);
  std::multimap<int64_t, std::unique_ptr<Call>> waiting_ ABSL_GUARDED_BY(mutex_);  // by due time

  CompletionLoop loop_;  // last: its thread uses all of the above
};

absl::Status AsyncClient::Calls::TakePlace() {
  absl::MutexLock lock(&mutex_);
  while (!closed_ && in_flight_ >= in_flight_max_) {
    if (loop_.OnLoopThread()) return absl::ResourceExhaustedError("too many calls in flight");
    changed_.Wait(&mutex_);
  }
  if (closed_) return absl::FailedPreconditionError("the client is closed");
  ++in_flight_;
  ++unanswered_;
  return absl::OkStatus();
}

absl::Status AsyncClient::Calls::Start(std::string request, Callback done,
                                       const AppendOptions& options) {
  RETURN_IF_ERROR(TakePlace());
  AddLog(options.log.empty() ? connection_->options().log : options.log, &request);
  if (options.expected_last_hash) AddExpectedLastHash(*options.expected_last_hash, &request);
  AddWait(options, &request);
  auto call = std::make_unique<Call>();
  grpc::Slice slice(request);
  call->request = grpc::ByteBuffer(&slice, 1);
  call->done = std::move(done);
  call->timeout =
      connection_->options().call_timeout +
      (options.level > v1::RECEIPT_LEVEL_DURABLE ? options.wait_timeout : absl::ZeroDuration());
  Send(std::move(call));
  return absl::OkStatus();
}

// Starts one try. From here on the call belongs to the queue, as the tag.
void AsyncClient::Calls::Send(std::unique_ptr<Call> owned) {
  Call* call = owned.release();
  ++call->attempt;
  call->context = std::make_unique<grpc::ClientContext>();
  call->context->set_deadline(absl::ToChronoTime(absl::Now() + call->timeout));
  connection_->Authorize(call->context.get());
  call->reader =
      stub_.PrepareUnaryCall(call->context.get(), kAppendMethod, call->request, loop_.queue());
  absl::MutexLock lock(&mutex_);
  call->position = running_.insert(running_.end(), call);
  // Started under the mutex: Close must not cancel a context before its call exists.
  call->reader->StartCall();
  call->reader->Finish(&call->response, &call->status, call);
  if (cancelled_) call->context->TryCancel();
}

bool AsyncClient::Calls::TryAgainLater(std::unique_ptr<Call>& call, const absl::Status& status) {
  if (!IsRetryable(status) || call->attempt >= connection_->options().retry.attempts_max) {
    return false;
  }
  const absl::Duration wait = RetryDelay(status).value_or(connection_->Backoff(call->attempt));
  absl::MutexLock lock(&mutex_);
  if (cancelled_) return false;
  waiting_.emplace(SystemClock().SteadyNs() + absl::ToInt64Nanoseconds(wait), std::move(call));
  return true;
}

void AsyncClient::Calls::Answer(std::unique_ptr<Call> call,
                                const absl::StatusOr<v1::AppendResponse>& answer) {
  {
    // The place is free before the callback runs, so that it can start the next call.
    absl::MutexLock lock(&mutex_);
    --in_flight_;
    changed_.SignalAll();
  }
  call->done(answer);
  absl::MutexLock lock(&mutex_);
  if (--unanswered_ == 0) changed_.SignalAll();
}

void AsyncClient::Calls::OnCompletion(void* tag, bool) {
  std::unique_ptr<Call> call(static_cast<Call*>(tag));
  {
    absl::MutexLock lock(&mutex_);
    running_.erase(call->position);
  }
  if (call->status.ok()) {
    const absl::StatusOr<v1::AppendResponse> answer(std::move(call->response));
    Answer(std::move(call), answer);
    return;
  }
  absl::Status status = FromGrpcStatus(call->status);
  if (absl::IsCancelled(status)) status = CutOffStatus();  // only Close cancels
  if (!TryAgainLater(call, status)) Answer(std::move(call), status);
}

int64_t AsyncClient::Calls::Step() {
  std::vector<std::unique_ptr<Call>> due;
  bool cancelled = false;
  int64_t next = kNever;
  {
    absl::MutexLock lock(&mutex_);
    if (waiting_.empty()) return kNever;
    cancelled = cancelled_;
    const int64_t now = SystemClock().SteadyNs();
    while (!waiting_.empty() && (cancelled || waiting_.begin()->first <= now)) {
      due.push_back(std::move(waiting_.begin()->second));
      waiting_.erase(waiting_.begin());
    }
    if (!waiting_.empty()) next = waiting_.begin()->first;
  }
  for (auto& call : due) {
    if (cancelled) {
      Answer(std::move(call), CutOffStatus());
    } else {
      Send(std::move(call));
    }
  }
  return next;
}

bool AsyncClient::Calls::Finished() {
  absl::MutexLock lock(&mutex_);
  return closed_ && unanswered_ == 0;
}

absl::Status AsyncClient::Calls::Drain(absl::Duration timeout) {
  GRAVEN_CHECK(!loop_.OnLoopThread());
  const absl::Time deadline = absl::Now() + timeout;
  absl::MutexLock lock(&mutex_);
  while (unanswered_ > 0) {
    if (changed_.WaitWithDeadline(&mutex_, deadline) && unanswered_ > 0) {
      return absl::DeadlineExceededError("calls are unanswered");
    }
  }
  return absl::OkStatus();
}

absl::Status AsyncClient::Calls::Close(absl::Duration timeout) {
  {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
    changed_.SignalAll();
  }
  absl::Status drained = Drain(timeout);
  {
    absl::MutexLock lock(&mutex_);
    cancelled_ = true;
    for (Call* call : running_) call->context->TryCancel();
  }
  loop_.Join();
  return drained;
}

absl::StatusOr<std::unique_ptr<AsyncClient>> AsyncClient::Open(const Client& client,
                                                               size_t in_flight_max) {
  if (in_flight_max == 0) return absl::InvalidArgumentError("in_flight_max: at least 1");
  auto calls = std::make_unique<Calls>(client.connection(), in_flight_max);
  return std::unique_ptr<AsyncClient>(new AsyncClient(std::move(calls)));
}

AsyncClient::AsyncClient(std::unique_ptr<Calls> calls) : calls_(std::move(calls)) {}

AsyncClient::~AsyncClient() { Close(absl::Seconds(10)).IgnoreError(); }

absl::Status AsyncClient::Append(const v1::Event& event, Callback done,
                                 const AppendOptions& options) {
  return Append(std::span(&event, 1), std::move(done), options);
}

absl::Status AsyncClient::Append(std::span<const v1::Event> events, Callback done,
                                 const AppendOptions& options) {
  std::string request;
  for (const v1::Event& event : events) AddEvent(event, calls_->ids(), &request);
  RETURN_IF_ERROR(CheckRequestSize(events.size(), request.size()));
  return calls_->Start(std::move(request), std::move(done), options);
}

absl::Status AsyncClient::AppendBytes(std::span<const std::string_view> events, Callback done,
                                      const AppendOptions& options) {
  std::string request;
  for (std::string_view event : events) AddEventBytes(event, calls_->ids(), &request);
  RETURN_IF_ERROR(CheckRequestSize(events.size(), request.size()));
  return calls_->Start(std::move(request), std::move(done), options);
}

absl::Status AsyncClient::Drain(absl::Duration timeout) { return calls_->Drain(timeout); }

absl::Status AsyncClient::Close(absl::Duration timeout) { return calls_->Close(timeout); }

}  // namespace graven::client
