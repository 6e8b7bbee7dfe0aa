#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/append_loop.h"
#include "engine/append_message.h"
#include "service/grpc_call.h"
#include "service/unary_append_calls.h"

// AppendStream on the completion queue, raw. All on the loop's thread.
//
// A stream reads one message after the other and submits each at once. Once per round of the loop
// it answers, cumulatively and in order, all that were decided. When the queue or the journal has
// no room its requests are held, in order, and it stops reading, which is back-pressure to the
// client; so it does while too much of it is unanswered.
namespace graven::service {

class AppendStreamCall;
class AppendStreams;

struct StreamLimits {
  // Unanswered requests and bytes of one stream, above which it is not read.
  size_t requests_max = 16'384;
  size_t bytes_max = size_t{8} << 20;
  size_t streams_max = 1024;
  // Of all streams together; above it none is read.
  size_t bytes_of_all_max = size_t{256} << 20;
};

// One request of a stream.
struct StreamEntry final : public engine::AppendOwner {
  enum class State : uint8_t { kHeld, kSubmitted, kAccepted, kDuplicates, kRefused };

  void Done(const ledger::RequestResult& result) override;
  // Lets go of everything but the memory.
  void Clear();
  // What it holds in memory.
  size_t BytesHeld() const;

  AppendStreamCall* stream = nullptr;
  State state = State::kHeld;
  size_t bytes = 0;
  LogIndex first;
  uint64_t count = 0;
  grpc::Slice message;
  engine::Submission submission;
  // Rare: record hashes asked for, or the status of a refusal; and the indexes where there are
  // duplicates.
  std::string hashes_or_status;
  std::vector<uint64_t> indexes;
  uint32_t duplicates = 0;
};

class AppendStreamCall {
 public:
  AppendStreamCall(CallEnvironment& environment, AppendStreams& streams, GravenCalls& service);
  ~AppendStreamCall();

  void Arm();
  // For its entries: the ledger has decided.
  void Decide(StreamEntry* entry, const ledger::RequestResult& result);
  // After a round: answers what was decided.
  void WriteAcks();
  // Submits again what was put off, as far as there is room.
  void Resubmit();
  // The server stops: reads no more, answers what it has, ends.
  void Stop();
  // Nothing of it is under way: it may be deleted.
  bool idle() const;
  bool started() const { return started_; }
  // Requests are held for which somebody waits.
  bool waits_for_room() const { return holding_ && !done_ && !stopping_; }
  // What the first of them counts.
  size_t BytesWanted() const;

  bool listed_for_acks = false;
  bool listed_for_retry = false;

 private:
  void OnAccepted(bool ok);
  void OnRead(bool ok);
  void OnWritten(bool ok);
  void OnFinished(bool ok);
  void OnDone(bool ok);

  absl::Status Prepare(StreamEntry* entry);
  void ReadFirst(const engine::AppendMessage& message);
  absl::StatusOr<ledger::LogRef> LogOf(const engine::AppendMessage& message);
  void SubmitOrHold(StreamEntry* entry);
  void RefuseEntry(StreamEntry* entry, const absl::Status& status);
  void Account(StreamEntry* entry);
  void ReadNext();
  void FinishIfAnswered();
  void Finish(const grpc::Status& status);

  CallEnvironment& environment_;
  AppendStreams& streams_;
  GravenCalls& service_;
  grpc::ServerContext context_;
  grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer> stream_;
  CallerIdentity identity_;
  CallTag<AppendStreamCall> accepted_tag_, read_tag_, written_tag_, finished_tag_, done_tag_;

  grpc::ByteBuffer incoming_;
  engine::AppendMessage message_;
  engine::AckMessage ack_;
  // As the first request has it; nothing when that could not be read.
  std::optional<std::string> log_name_;
  ledger::LogRef log_;  // null until a log of this name was found
  bool armed_ = false;
  bool started_ = false;  // a client is there
  bool want_record_hashes_ = false;
  bool first_request_seen_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool input_ended_ = false;  // half-closed, cancelled or stopping
  bool stopping_ = false;
  bool finishing_ = false;
  bool finished_ = false;
  bool done_ = false;
  size_t submitted_ = 0;  // entries that the sequencer or the ledger have

  // Requests in order; the first has the number answered_.
  std::deque<std::unique_ptr<StreamEntry>> entries_;
  uint64_t answered_ = 0;
  bool holding_ = false;  // some are held, and all behind them
  size_t bytes_ = 0;
};

// All streams of the server. The loop's thread.
class AppendStreams {
 public:
  AppendStreams(CallEnvironment& environment, GravenCalls& service, const StreamLimits& limits)
      : environment_(environment), service_(service), limits_(limits) {}

  // Arms one call; before the loop starts.
  void Start();
  // After each round: acknowledgements go out; held requests are tried again unless they are known
  // to find no room.
  void AfterRound(bool may_have_room);
  // What the first request that is held, and for which somebody waits, needs of the journal; 0:
  // there is none.
  size_t BytesWanted() const;
  // Whether requests are held, so that the loop must not sleep long.
  bool holding() const { return !retry_.empty(); }
  void Stop();

  // For the calls.
  void Accepted(AppendStreamCall* call);
  void AddBytes(size_t bytes) { bytes_ += bytes; }
  void RemoveBytes(size_t bytes) { bytes_ -= bytes; }
  bool full() const { return bytes_ >= limits_.bytes_of_all_max; }
  void ListForAcks(AppendStreamCall* call);
  void ListForRetry(AppendStreamCall* call);
  void DeleteIfIdle(AppendStreamCall* call);
  const StreamLimits& limits() const { return limits_; }
  size_t open() const { return open_; }
  std::unique_ptr<StreamEntry> TakeEntry();
  void GiveBack(std::unique_ptr<StreamEntry> entry);

 private:
  void ArmOne();

  CallEnvironment& environment_;
  GravenCalls& service_;
  const StreamLimits limits_;
  std::unordered_map<AppendStreamCall*, std::unique_ptr<AppendStreamCall>> calls_;
  std::vector<AppendStreamCall*> acks_;
  std::vector<AppendStreamCall*> retry_;
  std::vector<AppendStreamCall*> current_;
  std::vector<std::unique_ptr<StreamEntry>> free_entries_;
  size_t open_ = 0;
  size_t bytes_ = 0;
  bool stopped_ = false;
};

}  // namespace graven::service
