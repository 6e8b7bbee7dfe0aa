#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "search/question.h"
#include "service/grpc_call.h"
#include "service/unary_append_calls.h"

// The unary calls whose answer takes time to work out (GetFacets, GetHistogram, GetStatement), raw
// on the completion queue: the threads of search do it in turns, so that no thread of gRPC waits,
// however many ask.
//
// Threads: events of gRPC come on the loop's thread; a worker has the call from then on until it
// has given gRPC the answer.
namespace graven::service {

class WorkedCalls;

class WorkedCall : public std::enable_shared_from_this<WorkedCall> {
 public:
  WorkedCall(CallEnvironment& environment, WorkedCalls& calls);
  virtual ~WorkedCall() = default;

  void Arm();

 protected:
  virtual void Request() = 0;
  // The next new call of the same method.
  virtual std::shared_ptr<WorkedCall> Another() = 0;
  // Takes the request apart; `question` may view what the call keeps. The loop's thread.
  virtual absl::Status Read(std::string_view message, search::Question* question) = 0;
  // On a worker, like what follows.
  virtual absl::StatusOr<std::unique_ptr<search::Work>> Begin(search::Search search,
                                                              int64_t until_ns) = 0;
  // Once the work is done: the message.
  virtual std::string Answer() = 0;

  CallEnvironment& environment_;
  grpc::ServerContext context_;
  grpc::ByteBuffer request_;
  grpc::ServerAsyncResponseWriter<grpc::ByteBuffer> responder_;
  CallTag<WorkedCall> accepted_tag_;

 private:
  void OnAccepted(bool ok);
  void OnFinished(bool ok);
  void OnDone(bool ok);

  absl::Status Admit();
  // True: another turn is wanted.
  bool TakeTurn(const search::Turn& turn);
  absl::StatusOr<bool> GoOn(const search::Turn& turn);
  // gRPC's two last events, in either order.
  void Release();

  WorkedCalls& calls_;
  CallTag<WorkedCall> finished_tag_, done_tag_;
  search::Question question_;
  search::Admission::Ticket ticket_;
  int64_t until_ns_ = 0;
  std::unique_ptr<search::Work> work_;
  std::atomic<bool> gone_ = false;  // nobody waits any more, or the answer is out
  std::atomic<int> events_left_ = 2;
};

// All of them. Thread-safe.
class WorkedCalls {
 public:
  // Arms the first call of each method; before the loop starts.
  void Start(CallEnvironment& environment, GravenCalls& graven);
  // The loop's thread: arms no more. Those under way end with their next turn.
  void Stop() { stopped_ = true; }

  // For the calls.
  void Add(std::shared_ptr<WorkedCall> call);
  void Remove(WorkedCall* call);
  bool stopped() const { return stopped_; }

 private:
  std::atomic<bool> stopped_ = false;
  std::mutex mutex_;
  std::unordered_map<WorkedCall*, std::shared_ptr<WorkedCall>> calls_;  // guarded by mutex_
};

}  // namespace graven::service
