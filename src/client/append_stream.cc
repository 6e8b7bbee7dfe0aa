#include "client/append_stream.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "client/call_status.h"
#include "client/event_encoding.h"
#include "fmt/format.h"

namespace graven::client {
namespace {

constexpr char kAppendStreamMethod[] = "/graven.v1.AuditLogService/AppendStream";
constexpr int64_t kEndTimeoutNs = 2'000'000'000;  // for the server to end a stream that we ended

int64_t NowNs() { return SystemClock().SteadyNs(); }
int64_t ToNs(absl::Duration duration) { return absl::ToInt64Nanoseconds(duration); }

int64_t After(int64_t moment, absl::Duration duration) {
  const int64_t ns = ToNs(duration);
  return moment > kNever - ns ? kNever : moment + ns;
}

grpc::Slice FirstHeader(const AppenderOptions& options) {
  std::string header;
  AddLog(options.log, &header);
  if (options.want_record_hashes) AddWantRecordHashes(&header);
  return grpc::Slice(header);
}

// Whether a new stream cannot help either. A server that stopped writing (kFailedPrecondition) may
// be restarted; gRPC itself says kInternal, kUnknown and kCancelled when a connection breaks.
bool IsForGood(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kDataLoss:
      return true;
    default:
      return false;
  }
}

// The answer of event `i` of a shared request. New records stand last and side by side, so that an
// index below them, or one that came before, is that of a duplicate.
Appended AnswerOf(const Appended& all, uint64_t i) {
  Appended one;
  one.count = 1;
  if (all.indexes.empty()) {
    one.first_index = all.first_index + i;
    one.duplicate_count = all.duplicate_count == all.count ? 1 : 0;
  } else {
    const auto begin = all.indexes.begin();
    const uint64_t index = all.indexes[i];
    const uint64_t fresh = all.count - all.duplicate_count;
    const uint64_t first_fresh = *std::max_element(begin, all.indexes.end()) + 1 - fresh;
    const auto end = begin + static_cast<ptrdiff_t>(i);
    one.first_index = LogIndex(index);
    one.duplicate_count = index < first_fresh || std::find(begin, end, index) != end ? 1 : 0;
  }
  if (!all.record_hashes.empty()) {
    one.record_hashes = all.record_hashes.substr(i * Hash::kSize, Hash::kSize);
  }
  return one;
}

void CallBack(AppendQueue::Answer& answer) {
  auto& waiters = answer.request->waiters;
  if (waiters.size() == 1 || !answer.result.ok()) {
    for (Waiter& waiter : waiters) waiter.done(answer.result);
    return;
  }
  for (size_t i = 0; i < waiters.size(); ++i) waiters[i].done(AnswerOf(*answer.result, i));
}

absl::Status ClosedStatus() { return absl::FailedPreconditionError("the appender is closed"); }

}  // namespace

Appender::Stream::Stream(std::shared_ptr<Connection> connection, AppenderOptions options)
    : connection_(std::move(connection)),
      options_(std::move(options)),
      first_header_(FirstHeader(options_)),
      stub_(connection_->channel()),
      queue_({options_.window_requests, options_.window_bytes, options_.batch_events_max,
              options_.batch_bytes_max}),
      loop_(this) {
  loop_.Start();
}

absl::Status Appender::Stream::WaitForRoom(size_t bytes, bool may_join, bool may_wait) {
  for (;;) {
    if (closed_) return ClosedStatus();
    if (!dead_.ok()) return dead_;
    if ((may_join && queue_.CanJoin(bytes)) || queue_.HasRoom(bytes)) return absl::OkStatus();
    if (!may_wait || loop_.OnLoopThread()) {
      return absl::ResourceExhaustedError("the window is full");
    }
    changed_.Wait(&mutex_);
  }
}

void Appender::Stream::WakeIfIdle() {
  if (!std::exchange(idle_, false)) return;
  loop_.Wake();
}

absl::Status Appender::Stream::Add(std::string event, AppendCallback& done, bool may_wait) {
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(WaitForRoom(event.size(), true, may_wait));
  if (queue_.CanJoin(event.size())) {
    if (queue_.Join(event, std::move(done))) WakeIfIdle();
    return absl::OkStatus();
  }
  auto request = std::make_unique<PendingRequest>();
  request->bytes = event.size();
  request->open_bytes = std::move(event);
  request->events = 1;
  request->waiters.push_back({std::move(done), 1});
  if (options_.batch_events_max > 1) {
    request->open = true;
    request->opened_ns = NowNs();
  }
  queue_.Push(std::move(request));
  WakeIfIdle();
  return absl::OkStatus();
}

absl::Status Appender::Stream::AddGroup(std::string bytes, uint32_t events, AppendCallback& done) {
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(WaitForRoom(bytes.size(), false, true));
  auto request = std::make_unique<PendingRequest>();
  request->bytes = bytes.size();
  request->open_bytes = std::move(bytes);
  request->events = events;
  request->waiters.push_back({std::move(done), events});
  queue_.Push(std::move(request));
  WakeIfIdle();
  return absl::OkStatus();
}

bool Appender::Stream::AllAnswered() const {
  return queue_.empty() && answers_.empty() && !delivering_;
}

absl::Status Appender::Stream::Drain(absl::Duration timeout) {
  GRAVEN_CHECK(!loop_.OnLoopThread());
  const absl::Time deadline = absl::Now() + timeout;
  absl::MutexLock lock(&mutex_);
  ++drains_;
  WakeIfIdle();
  bool timed_out = false;
  while (!timed_out && !AllAnswered()) timed_out = changed_.WaitWithDeadline(&mutex_, deadline);
  --drains_;
  if (AllAnswered()) return absl::OkStatus();
  return absl::DeadlineExceededError("appends are unanswered");
}

absl::Status Appender::Stream::Close(absl::Duration timeout) {
  {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
    changed_.SignalAll();
  }
  absl::Status drained = Drain(timeout);
  {
    absl::MutexLock lock(&mutex_);
    aborted_ = true;
  }
  loop_.Join();
  return drained;
}

Appender::Counts Appender::Stream::counts() {
  absl::MutexLock lock(&mutex_);
  return counts_;
}

bool Appender::Stream::Finished() {
  absl::MutexLock lock(&mutex_);
  return aborted_ && state_ == State::kNone && queue_.empty() && answers_.empty();
}

int64_t Appender::Stream::Step() {
  int64_t deadline = kNever;
  {
    absl::MutexLock lock(&mutex_);
    if (aborted_ && !queue_.empty()) {
      TakeAllAnswers(
          absl::DeadlineExceededError("closed before the answer came; the events may be stored"));
      if (state_ != State::kNone) BreakStream(absl::CancelledError("closed"));
    }
    if (aborted_ && (state_ == State::kStarting || state_ == State::kEnding)) {
      BreakStream(absl::CancelledError("closed"));
    }
    if (queue_.empty()) {
      stalled_ns_ = 0;
    } else if (stalled_ns_ == 0) {
      stalled_ns_ = NowNs();
    }
    if (state_ == State::kNone) deadline = StepWithoutStream();
    if (state_ == State::kOpen) deadline = StepOpen();
    if (state_ != State::kNone) deadline = CheckPatience(deadline);
    idle_ = !writing_ && answers_.empty();
    if (answers_.empty()) return deadline;
  }
  DeliverAnswers();
  return NowNs();
}

int64_t Appender::Stream::StepWithoutStream() {
  if (queue_.empty()) return kNever;
  const int64_t now = NowNs();
  if (now >= After(stalled_ns_, connection_->options().retry.give_up_after)) {
    TakeAllAnswers(absl::Status(
        last_error_.ok() ? absl::StatusCode::kUnavailable : last_error_.code(),
        fmt::format("given up; the events may be stored: {}", std::string(last_error_.message()))));
    return kNever;
  }
  if (now < open_at_ns_) return open_at_ns_;
  OpenStream(now);
  return kNever;
}

void Appender::Stream::OpenStream(int64_t now) {
  context_ = std::make_unique<grpc::ClientContext>();
  connection_->Authorize(context_.get());
  call_ = stub_.PrepareCall(context_.get(), kAppendStreamMethod, loop_.queue());
  state_ = State::kStarting;
  first_write_ = true;
  writes_done_ = false;
  broken_ = absl::OkStatus();
  progress_ns_ = now;
  ++counts_.streams_opened;
  call_->StartCall(&tags_[static_cast<size_t>(Operation::kStart)]);
}

// When a request may go out: an open batch waits for more while others are unanswered.
int64_t Appender::Stream::ReadyAt(const PendingRequest& request) const {
  if (!request.open || queue_.in_flight() == 0 || drains_ > 0) return 0;
  if (options_.batch_delay_max == absl::ZeroDuration()) return 0;
  return After(request.opened_ns, options_.batch_delay_max);
}

int64_t Appender::Stream::StepOpen() {
  if (writing_ || writes_done_) return kNever;
  const PendingRequest* next = queue_.NextToSend();
  if (next == nullptr) {
    if (aborted_) {
      // A half-close: the server answers what it has and ends the stream.
      call_->WritesDone(&tags_[static_cast<size_t>(Operation::kWritesDone)]);
      writing_ = true;
      writes_done_ = true;
      progress_ns_ = NowNs();
    }
    return kNever;
  }
  const int64_t ready = std::max(ReadyAt(*next), paused_until_ns_);
  if (ready > 0 && NowNs() < ready) return ready;
  SendNext();
  return kNever;
}

void Appender::Stream::SendNext() {
  PendingRequest* request = queue_.NextToSend();
  if (queue_.in_flight() == 0) progress_ns_ = NowNs();
  counts_.requests_sent += 1;
  counts_.requests_sent_again += request->sent_before ? 1 : 0;
  queue_.MarkSent();
  // Only a write that another one follows for certain may stay in gRPC's buffer. Without the hint
  // each message is a system call of its own; the last of a burst must not be held back.
  const PendingRequest* following = queue_.NextToSend();
  grpc::WriteOptions write;
  if (following != nullptr && ReadyAt(*following) == 0) write.set_buffer_hint();
  const grpc::Slice slices[] = {first_header_, request->wire};
  const grpc::ByteBuffer message =
      first_write_ ? grpc::ByteBuffer(slices, 2) : grpc::ByteBuffer(slices + 1, 1);
  first_write_ = false;
  writing_ = true;
  call_->Write(message, write, &tags_[static_cast<size_t>(Operation::kWrite)]);
}

// Breaks a stream whose server is silent; returns when to look again.
int64_t Appender::Stream::CheckPatience(int64_t deadline) {
  if (!broken_.ok()) return deadline;
  int64_t limit = kNever;
  if (writes_done_) {
    limit = progress_ns_ + kEndTimeoutNs;
  } else if (state_ != State::kOpen || queue_.in_flight() > 0) {
    limit = After(progress_ns_, options_.answer_timeout);
  }
  if (limit == kNever) return deadline;
  if (limit <= deadline && NowNs() >= limit) {
    BreakStream(absl::UnavailableError(
        fmt::format("no answer within {}", absl::FormatDuration(options_.answer_timeout))));
    return deadline;
  }
  return std::min(deadline, limit);
}

// What is outstanding fails soon, and OnStreamEnd follows.
void Appender::Stream::BreakStream(absl::Status why) {
  if (!broken_.ok()) return;
  broken_ = std::move(why);
  context_->TryCancel();
}

void Appender::Stream::OnCompletion(void* tag, bool ok) {
  switch (static_cast<Operation>(static_cast<char*>(tag) - tags_)) {
    case Operation::kStart:
      state_ = State::kOpen;
      if (ok) {
        reading_ = true;
        call_->Read(&reply_, &tags_[static_cast<size_t>(Operation::kRead)]);
      }
      break;
    case Operation::kRead:
      reading_ = false;
      if (ok) OnReply();
      break;
    case Operation::kWrite:
    case Operation::kWritesDone:
      // A failed write says nothing that the end of the call does not say better.
      writing_ = false;
      if (!ok) writes_done_ = true;
      break;
    case Operation::kFinish:
      OnStreamEnd();
      return;
  }
  if (state_ == State::kOpen && !reading_ && !writing_) {
    state_ = State::kEnding;
    call_->Finish(&end_status_, &tags_[static_cast<size_t>(Operation::kFinish)]);
  } else if (state_ == State::kOpen && !reading_) {
    writes_done_ = true;  // the call is over: send nothing more, wait for the last write
  }
}

void Appender::Stream::OnReply() {
  {
    absl::MutexLock lock(&mutex_);
    std::vector<AppendQueue::Answer> answers;
    const absl::Status taken = queue_.Take(reply_, &answers);
    for (auto& answer : answers) {
      if (answer.result.ok()) {
        refusals_ = 0;
        answers_.push_back(std::move(answer));
      } else {
        HandleRefusal(std::move(answer));
      }
    }
    if (taken.ok()) {
      attempt_ = 0;
      progress_ns_ = NowNs();
      stalled_ns_ = progress_ns_;
    } else {
      // Neither what was answered before nor what follows can be believed to be in step.
      dead_ = taken;
      BreakStream(taken);
    }
    changed_.SignalAll();
  }
  DeliverAnswers();
  reading_ = true;
  call_->Read(&reply_, &tags_[static_cast<size_t>(Operation::kRead)]);
}

// A refusal that passes is sent again after a while, a shared request in its parts; any other is
// the answer.
void Appender::Stream::HandleRefusal(AppendQueue::Answer answer) {
  PendingRequest& request = *answer.request;
  const absl::Status& status = answer.result.status();
  const int64_t now = NowNs();
  ++counts_.refused;
  if (IsRetryable(status)) {
    if (request.first_refused_ns == 0) request.first_refused_ns = now;
    if (now < After(request.first_refused_ns, connection_->options().retry.give_up_after)) {
      const absl::Duration wait = RetryDelay(status).value_or(connection_->Backoff(++refusals_));
      paused_until_ns_ = std::max(paused_until_ns_, After(now, wait));
      request.sent_before = true;
      queue_.SendAgain(std::move(answer.request));
      return;
    }
  }
  if (request.waiters.size() == 1) {
    answers_.push_back(std::move(answer));
    return;
  }
  const std::string_view wire(reinterpret_cast<const char*>(request.wire.begin()),
                              request.wire.size());
  const std::vector<std::string_view> events = SplitEvents(wire);
  GRAVEN_CHECK(events.size() == request.waiters.size());
  for (size_t i = 0; i < events.size(); ++i) {
    auto part = std::make_unique<PendingRequest>();
    part->wire = grpc::Slice(events[i].data(), events[i].size());
    part->bytes = events[i].size();
    part->events = 1;
    part->waiters.push_back(std::move(request.waiters[i]));
    queue_.SendAgain(std::move(part));
  }
}

void Appender::Stream::OnStreamEnd() {
  absl::Status status = broken_.ok() ? FromGrpcStatus(end_status_) : broken_;
  call_.reset();
  context_.reset();
  state_ = State::kNone;
  absl::MutexLock lock(&mutex_);
  queue_.Rewind();
  if (status.ok()) status = absl::UnavailableError("the server ended the stream");
  if (IsForGood(status) && dead_.ok()) dead_ = status;
  last_error_ = status;
  if (!dead_.ok()) {
    TakeAllAnswers(dead_);
    changed_.SignalAll();
    return;
  }
  // A stream that brought answers and then broke is replaced at once.
  const absl::Duration wait = attempt_ == 0 && !RetryDelay(status).has_value()
                                  ? absl::ZeroDuration()
                                  : RetryDelay(status).value_or(connection_->Backoff(attempt_));
  ++attempt_;
  open_at_ns_ = After(NowNs(), wait);
}

void Appender::Stream::TakeAllAnswers(const absl::Status& status) {
  for (RequestPtr& request : queue_.TakeAll()) answers_.push_back({std::move(request), status});
  stalled_ns_ = 0;
}

void Appender::Stream::DeliverAnswers() {
  std::vector<AppendQueue::Answer> answers;
  {
    absl::MutexLock lock(&mutex_);
    answers.swap(answers_);
    delivering_ = !answers.empty();
  }
  if (answers.empty()) return;
  for (auto& answer : answers) CallBack(answer);
  absl::MutexLock lock(&mutex_);
  delivering_ = false;
  changed_.SignalAll();
}

}  // namespace graven::client
