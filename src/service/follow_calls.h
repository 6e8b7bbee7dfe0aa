#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "service/grpc_call.h"
#include "service/unary_append_calls.h"

// Those who follow a log: Tail of graven.v1 and StreamAuditLogs of the minimal contract, raw on the
// completion queue.
//
// Threads: events of gRPC come on the loop's thread; a worker reads records and hands them to gRPC;
// the publisher wakes. A mutex of each call holds them apart.
//
// A call has at most one batch in memory (256 KiB), and reads the next when gRPC has taken the last
// message of the one before and more is published. So a slow reader slows nobody, and a call that
// is cancelled is gone with the next event of its own.
namespace graven::service {

class FollowCalls;

// What a call asked for.
struct FollowRequest {
  ledger::LogRef log;
  LogIndex next;
  uint64_t left = UINT64_MAX;  // records
  // Ends here instead of waiting for more.
  bool stop_at_end = false;
  TreeSize end;  // with stop_at_end: at least so far
  bool want_parsed = false;
  // ReadBatch has more to do though it gave nothing yet: it is asked again.
  bool again = false;
  // By Clock::SteadyNs: it is asked again then, if nothing more is published before.
  int64_t wait_until_ns = engine::PublicationHub::kNoDeadline;
};

class FollowCall : public std::enable_shared_from_this<FollowCall> {
 public:
  FollowCall(CallEnvironment& environment, FollowCalls& calls);
  virtual ~FollowCall() = default;

  void Arm();
  void Stop();
  // Published records that have not been read for it yet. Any thread.
  uint64_t LagRecords();

 protected:
  virtual void Request() = 0;
  // Takes the request apart.
  virtual absl::StatusOr<FollowRequest> Start() = 0;
  // What is sent before any record; nullptr: the initial metadata alone.
  virtual std::unique_ptr<grpc::ByteBuffer> FirstMessage() { return nullptr; }
  // Reads from follow_.next on, moves it and follow_.left. On a worker, one at a time.
  virtual absl::Status ReadBatch(std::deque<grpc::ByteBuffer>* messages) = 0;
  // The next new call of the same method.
  virtual std::shared_ptr<FollowCall> Another() = 0;
  // What is limited in number, and whose threads do the reading: of those who follow a log, if
  // nothing else is said.
  virtual std::atomic<uint64_t>& Counter() { return environment_.counters.tailers; }
  virtual engine::WorkerPool& Workers() { return environment_.workers; }

  absl::StatusOr<ledger::LogRef> FindLog(std::string_view name) const;
  // kNotFound: `index` is beyond the durable size.
  absl::Status CheckStart(ledger::LogRef log, uint64_t index) const;

  CallEnvironment& environment_;
  FollowCalls& calls_;
  grpc::ServerContext context_;
  grpc::ByteBuffer request_;
  grpc::ServerAsyncWriter<grpc::ByteBuffer> stream_;
  CallTag<FollowCall> accepted_tag_;
  FollowRequest follow_;

 private:
  // kReading: a worker has it. kEnded: nothing more will be done.
  enum class Phase { kArmed, kReading, kWriting, kWaiting, kFinishing, kEnded };

  void OnAccepted(bool ok);
  void OnWritten(bool ok);
  void OnFinished(bool ok);
  void OnDone(bool ok);
  void OnPublished();

  void ReadOnWorker();
  void Await();
  bool AtEnd() const;
  // These with mutex_ held.
  void WriteNext();
  void ScheduleRead();
  void Finish(const absl::Status& status);
  // Takes the call out of the list when nothing of it is under way. Without mutex_.
  void RemoveIfIdle();

  CallTag<FollowCall> written_tag_, finished_tag_, done_tag_;
  std::mutex mutex_;  // guards what follows
  Phase phase_ = Phase::kArmed;
  std::deque<grpc::ByteBuffer> messages_;
  LogIndex next_read_;  // follow_.next after the last read
  uint64_t ticket_ = 0;
  uint64_t wait_number_ = 0;
  int operations_ = 0;  // of gRPC, under way
  bool first_sent_ = false;
  bool done_ = false;
  bool stopping_ = false;
};

// All of them. Thread-safe.
class FollowCalls {
 public:
  explicit FollowCalls(size_t calls_max) : calls_max_(calls_max) {}

  // Arms the first call of each method; before the loop starts.
  void Start(CallEnvironment& environment, GravenCalls& graven, CompatCalls& compat);
  // The loop's thread: ends every call.
  void Stop();

  // For the calls.
  void Add(std::shared_ptr<FollowCall> call);
  void Remove(FollowCall* call);
  // Of the call that is furthest behind. Any thread.
  uint64_t LagRecordsMax() const;
  size_t calls_max() const { return calls_max_; }
  bool stopped() const { return stopped_; }

 private:
  const size_t calls_max_;
  std::atomic<bool> stopped_ = false;
  mutable std::mutex mutex_;
  std::unordered_map<FollowCall*, std::shared_ptr<FollowCall>> calls_;  // guarded by mutex_
};

}  // namespace graven::service
