#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "client/append_queue.h"
#include "client/appender.h"
#include "client/completion_loop.h"
#include "client/connection.h"
#include "grpcpp/generic/generic_stub.h"

namespace graven::client {

// The machine behind Appender: one queue of requests, one gRPC stream at a time, one thread.
//
//   state      what is outstanding          leaves when
//   kNone      nothing                      there is something to send and the wait is over
//   kStarting  StartCall                    it ended
//   kOpen      Read; Write now and then     a read or the start failed, or the server ended the
//   call kEnding    Finish                       it ended; unanswered requests are to be sent again
//
// Requests live in the queue until they are answered, so that at no moment an accepted append is
// neither in the queue nor answered.
class Appender::Stream final : public CompletionLoop::Handler {
 public:
  Stream(std::shared_ptr<Connection> connection, AppenderOptions options);

  const AppenderOptions& options() const { return options_; }
  EventIdSource& ids() { return connection_->ids(); }

  // Hands over one event's wire form, to share a request if it may. `done` is taken only on OK.
  absl::Status Add(std::string event, AppendCallback& done, bool may_wait);
  // Hands over a whole request.
  absl::Status AddGroup(std::string request, uint32_t events, AppendCallback& done);
  absl::Status Drain(absl::Duration timeout);
  absl::Status Close(absl::Duration timeout);
  Counts counts();

  void OnCompletion(void* tag, bool ok) override;
  int64_t Step() override;
  bool Finished() override;

 private:
  enum class State { kNone, kStarting, kOpen, kEnding };
  // The tag of an operation is the address of its element of tags_.
  enum class Operation { kStart, kRead, kWrite, kWritesDone, kFinish };

  absl::Status WaitForRoom(size_t bytes, bool may_join, bool may_wait)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool AllAnswered() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WakeIfIdle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void OpenStream(int64_t now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int64_t StepWithoutStream() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int64_t StepOpen() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int64_t ReadyAt(const PendingRequest& request) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SendNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int64_t CheckPatience(int64_t deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void BreakStream(absl::Status why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void OnReply();
  void OnStreamEnd();
  void HandleRefusal(AppendQueue::Answer answer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeAllAnswers(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DeliverAnswers() ABSL_LOCKS_EXCLUDED(mutex_);

  const std::shared_ptr<Connection> connection_;
  const AppenderOptions options_;
  const grpc::Slice first_header_;  // what the first request of a stream says beside its events
  grpc::TemplatedGenericStub<grpc::ByteBuffer, v1::AppendStreamResponse> stub_;

  absl::Mutex mutex_;
  absl::CondVar changed_;
  AppendQueue queue_ ABSL_GUARDED_BY(mutex_);
  std::vector<AppendQueue::Answer> answers_ ABSL_GUARDED_BY(mutex_);  // to be called back
  bool delivering_ ABSL_GUARDED_BY(mutex_) = false;
  bool idle_ ABSL_GUARDED_BY(mutex_) = false;  // the loop sleeps: new work must wake it
  int drains_ ABSL_GUARDED_BY(mutex_) = 0;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;   // takes nothing more
  bool aborted_ ABSL_GUARDED_BY(mutex_) = false;  // waits for nothing more
  absl::Status dead_ ABSL_GUARDED_BY(mutex_);     // the server refuses us for good
  Counts counts_ ABSL_GUARDED_BY(mutex_);

  // Of the loop's thread alone.
  char tags_[5] = {};
  State state_ = State::kNone;
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<grpc::ByteBuffer, v1::AppendStreamResponse>> call_;
  bool reading_ = false;
  bool writing_ = false;
  bool writes_done_ = false;
  bool first_write_ = true;
  v1::AppendStreamResponse reply_;
  grpc::Status end_status_;
  absl::Status broken_;          // why we broke the stream ourselves
  absl::Status last_error_;      // of the stream before this one
  int attempt_ = 0;              // streams in a row that brought no answer
  int refusals_ = 0;             // that passed, since the last good answer
  int64_t open_at_ns_ = 0;       // no new stream before
  int64_t paused_until_ns_ = 0;  // the server asked for a pause
  int64_t progress_ns_ = 0;      // the last answer, or when the wait for one began
  int64_t stalled_ns_ = 0;       // the same across streams; 0: nothing is waited for

  CompletionLoop loop_;  // last: its thread uses all of the above
};

}  // namespace graven::client
