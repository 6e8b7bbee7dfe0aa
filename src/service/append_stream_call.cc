#include "service/append_stream_call.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "engine/error_details.h"
#include "service/status_mapping.h"

namespace graven::service {
namespace {

// An acknowledgement is sent when it is about so large; what is left goes with the next.
// For one event: its hash, and its index where there are duplicates.
constexpr size_t kAckBytesPerEventMax = Hash::kSize + 9;
constexpr size_t kAckBytesMax =
    engine::kReplyBytesMax - engine::kEventsPerRequestMax * kAckBytesPerEventMax - 16 * 1024;
constexpr size_t kEntriesKept = 4096;

}  // namespace

AppendStreamCall::AppendStreamCall(CallEnvironment& environment, AppendStreams& streams,
                                   GravenCalls& service)
    : environment_(environment),
      streams_(streams),
      service_(service),
      stream_(&context_),
      accepted_tag_(this, &AppendStreamCall::OnAccepted),
      read_tag_(this, &AppendStreamCall::OnRead),
      written_tag_(this, &AppendStreamCall::OnWritten),
      finished_tag_(this, &AppendStreamCall::OnFinished),
      done_tag_(this, &AppendStreamCall::OnDone) {}

AppendStreamCall::~AppendStreamCall() { streams_.RemoveBytes(bytes_); }

void AppendStreamCall::Arm() {
  armed_ = true;
  context_.AsyncNotifyWhenDone(static_cast<Tag*>(&done_tag_));
  service_.RequestAppendStream(&context_, &stream_, environment_.queue, environment_.queue,
                               static_cast<Tag*>(&accepted_tag_));
}

bool AppendStreamCall::idle() const {
  return !armed_ && (done_ || !started_) && !reading_ && !writing_ && submitted_ == 0 &&
         (!finishing_ || finished_);
}

void AppendStreamCall::OnAccepted(bool ok) {
  armed_ = false;
  if (!ok) {
    // The server stops. Without a client there is no done event either.
    streams_.DeleteIfIdle(this);
    return;
  }
  started_ = true;
  streams_.Accepted(this);
  absl::Status allowed = Identify(environment_.authenticator, context_, &identity_);
  if (allowed.ok() && streams_.open() > streams_.limits().streams_max) {
    allowed = engine::WithRetryDelay(
        engine::WithReason(absl::ResourceExhaustedError("too many streams are open"),
                           engine::reason::kTooManyStreams),
        1000);
  }
  if (allowed.ok() && stopping_) allowed = StoppingError();
  if (!allowed.ok()) {
    input_ended_ = true;
    Finish(ToGrpcStatus(allowed));
    return;
  }
  ReadNext();
}

void AppendStreamCall::ReadNext() {
  const bool full =
      entries_.size() >= streams_.limits().requests_max || bytes_ >= streams_.limits().bytes_max;
  if (reading_ || input_ended_ || holding_ || full) return;
  if (streams_.full()) {
    streams_.ListForRetry(this);  // looked at again soon, with or without held requests
    return;
  }
  reading_ = true;
  stream_.Read(&incoming_, static_cast<Tag*>(&read_tag_));
}

void AppendStreamCall::OnRead(bool ok) {
  reading_ = false;
  if (!ok || done_) {
    input_ended_ = true;
    FinishIfAnswered();
    streams_.DeleteIfIdle(this);
    return;
  }
  std::unique_ptr<StreamEntry> made = streams_.TakeEntry();
  StreamEntry* entry = made.get();
  entry->stream = this;
  entries_.push_back(std::move(made));
  if (absl::Status prepared = Prepare(entry); prepared.ok()) {
    SubmitOrHold(entry);
  } else {
    environment_.counters.requests_refused.fetch_add(1, std::memory_order_relaxed);
    RefuseEntry(entry, prepared);
  }
  ReadNext();
}

// The first request names the log of all, whether it is accepted itself or not: what follows it
// without a name must never go anywhere else.
void AppendStreamCall::ReadFirst(const engine::AppendMessage& message) {
  first_request_seen_ = true;
  if (!message.whole || message.log.size() > engine::kLogNameBytesMax) return;
  log_name_.emplace(message.log);
  want_record_hashes_ = message.want_record_hashes;
}

absl::StatusOr<ledger::LogRef> AppendStreamCall::LogOf(const engine::AppendMessage& message) {
  if (!log_name_) {
    return engine::InvalidField("log",
                                "is not known, for the stream's first request could not be read");
  }
  if (!log_) {
    ASSIGN_OR_RETURN(log_, environment_.intake.FindLog(*log_name_));
  }
  if (!message.log.empty() && message.log != log_.name()) {
    return engine::InvalidField("log", "must be that of the first request, or empty");
  }
  return log_;
}

absl::Status AppendStreamCall::Prepare(StreamEntry* entry) {
  const std::string_view bytes = MessageBytes(incoming_, &entry->message);
  incoming_.Clear();
  Account(entry);
  const absl::Status decoded =
      engine::DecodeAppendMessage(bytes, engine::AppendShape::kStream, &message_);
  if (!first_request_seen_) ReadFirst(message_);
  RETURN_IF_ERROR(decoded);
  ASSIGN_OR_RETURN(ledger::LogRef log, LogOf(message_));
  RETURN_IF_ERROR(
      environment_.intake.Fill(message_, log, bytes.size(), identity_.caller, &entry->submission));
  entry->submission.request.owner = static_cast<engine::AppendOwner*>(entry);
  return absl::OkStatus();
}

// Puts down what the entry holds now.
void AppendStreamCall::Account(StreamEntry* entry) {
  const size_t held = entry->BytesHeld();
  bytes_ += held - entry->bytes;
  streams_.RemoveBytes(entry->bytes);
  streams_.AddBytes(held);
  entry->bytes = held;
}

void AppendStreamCall::SubmitOrHold(StreamEntry* entry) {
  absl::Status queued;
  if (!holding_) queued = environment_.sequencer.Submit(&entry->submission.request);
  if (!holding_ && queued.ok()) {
    entry->state = StreamEntry::State::kSubmitted;
    ++submitted_;
  } else if (holding_ || absl::IsResourceExhausted(queued)) {
    entry->state = StreamEntry::State::kHeld;
    holding_ = true;
    streams_.ListForRetry(this);
  } else {
    RefuseEntry(entry, engine::WithReason(std::move(queued), engine::reason::kStopping));
  }
}

void StreamEntry::Done(const ledger::RequestResult& result) { stream->Decide(this, result); }

size_t StreamEntry::BytesHeld() const {
  return sizeof *this + message.size() + hashes_or_status.size() +
         indexes.size() * sizeof(uint64_t);
}

void StreamEntry::Clear() {
  message = grpc::Slice();
  bytes = 0;
  submission.Clear();
  hashes_or_status.clear();
  indexes.clear();
  duplicates = 0;
}

void AppendStreamCall::Decide(StreamEntry* entry, const ledger::RequestResult& result) {
  --submitted_;
  streams_.ListForAcks(this);
  if (absl::IsResourceExhausted(result.status)) {
    // The loop puts off whole tails of a batch, so what is behind this entry is put off too.
    entry->state = StreamEntry::State::kHeld;
    holding_ = true;
    streams_.ListForRetry(this);
    return;
  }
  if (!result.status.ok()) {
    RefuseEntry(entry, ExplainAppendError(environment_.ledger, log_, result.status));
    return;
  }
  entry->state = StreamEntry::State::kAccepted;
  entry->first = result.receipts.front().index;
  entry->count = result.receipts.size();
  if (result.duplicate_count > 0) {
    entry->state = StreamEntry::State::kDuplicates;
    entry->duplicates = result.duplicate_count;
    for (const ledger::EventReceipt& receipt : result.receipts) {
      entry->indexes.push_back(receipt.index.value);
    }
  }
  if (want_record_hashes_) {
    for (const ledger::EventReceipt& receipt : result.receipts) {
      entry->hashes_or_status.append(receipt.record_hash.view());
    }
  }
  // A client that does not read its answers must not keep its requests in memory.
  entry->message = grpc::Slice();
  entry->submission.Clear();
  Account(entry);
}

void AppendStreamCall::RefuseEntry(StreamEntry* entry, const absl::Status& status) {
  environment_.meter.CountRefused(status);
  entry->state = StreamEntry::State::kRefused;
  entry->hashes_or_status = engine::EncodeRpcStatus(status);
  entry->message = grpc::Slice();
  entry->submission.Clear();
  Account(entry);
  streams_.ListForAcks(this);
}

void AppendStreamCall::Resubmit() {
  // Rounds went on until the queue was empty, so nothing of this stream is there.
  GRAVEN_CHECK(submitted_ == 0);
  holding_ = false;
  if (done_) {
    // Nobody to tell; nothing of what is held was stored.
    entries_.clear();
    streams_.RemoveBytes(std::exchange(bytes_, 0));
  }
  for (std::unique_ptr<StreamEntry>& entry : entries_) {
    if (entry->state != StreamEntry::State::kHeld) continue;
    if (stopping_) {
      RefuseEntry(entry.get(), StoppingError());
    } else {
      SubmitOrHold(entry.get());
      if (holding_) return;
    }
  }
  ReadNext();
}

size_t AppendStreamCall::BytesWanted() const {
  const auto first = std::find_if(entries_.begin(), entries_.end(), [](const auto& entry) {
    return entry->state == StreamEntry::State::kHeld;
  });
  return first == entries_.end() ? 0 : (*first)->submission.request.bytes;
}

void AppendStreamCall::WriteAcks() {
  if (writing_ || finishing_) return;
  while (!entries_.empty() && ack_.bytes() < kAckBytesMax) {
    StreamEntry& entry = *entries_.front();
    if (entry.state == StreamEntry::State::kHeld || entry.state == StreamEntry::State::kSubmitted)
      break;
    if (entry.state == StreamEntry::State::kAccepted) {
      ack_.Accepted(answered_, entry.first, entry.count, entry.hashes_or_status);
    } else if (entry.state == StreamEntry::State::kDuplicates) {
      ack_.AcceptedWithDuplicates(answered_, entry.indexes, entry.duplicates,
                                  entry.hashes_or_status);
    } else {
      ack_.Refused(answered_, entry.hashes_or_status);
    }
    ++answered_;
    bytes_ -= entry.bytes;
    streams_.RemoveBytes(entry.bytes);
    streams_.GiveBack(std::move(entries_.front()));
    entries_.pop_front();
  }
  if (!ack_.empty() && !done_) {
    writing_ = true;
    stream_.Write(ToMessage(ack_.Finish(answered_)), static_cast<Tag*>(&written_tag_));
  }
  ReadNext();
  FinishIfAnswered();
}

void AppendStreamCall::OnWritten(bool ok) {
  writing_ = false;
  if (!ok) input_ended_ = true;  // the client is gone; what it sent is stored all the same
  WriteAcks();
  streams_.DeleteIfIdle(this);
}

void AppendStreamCall::FinishIfAnswered() {
  if (!input_ended_ || writing_ || finishing_ || done_ || !entries_.empty()) return;
  // When the server stops, a read may stay under way until the client closes its side: it must not
  // keep the end back.
  if (reading_ && !stopping_) return;
  Finish(stopping_ ? ToGrpcStatus(StoppingError()) : grpc::Status::OK);
}

void AppendStreamCall::Finish(const grpc::Status& status) {
  finishing_ = true;
  stream_.Finish(status, static_cast<Tag*>(&finished_tag_));
}

void AppendStreamCall::OnFinished(bool) {
  finished_ = true;
  streams_.DeleteIfIdle(this);
}

void AppendStreamCall::OnDone(bool) {
  done_ = true;
  input_ended_ = true;
  streams_.DeleteIfIdle(this);
}

void AppendStreamCall::Stop() {
  stopping_ = true;
  if (!started_) return;
  input_ended_ = true;
  WriteAcks();
}

void AppendStreams::Start() { ArmOne(); }

void AppendStreams::ArmOne() {
  auto call = std::make_unique<AppendStreamCall>(environment_, *this, service_);
  AppendStreamCall* armed = call.get();
  calls_.emplace(armed, std::move(call));
  armed->Arm();
}

void AppendStreams::Accepted(AppendStreamCall*) {
  ++open_;
  if (!stopped_) ArmOne();
}

void AppendStreams::ListForAcks(AppendStreamCall* call) {
  if (std::exchange(call->listed_for_acks, true)) return;
  acks_.push_back(call);
}

void AppendStreams::ListForRetry(AppendStreamCall* call) {
  if (std::exchange(call->listed_for_retry, true)) return;
  retry_.push_back(call);
}

void AppendStreams::AfterRound(bool may_have_room) {
  current_.clear();
  current_.swap(retry_);
  for (AppendStreamCall* call : current_) {
    if (!may_have_room && call->waits_for_room()) {
      retry_.push_back(call);  // it stays listed
      continue;
    }
    call->listed_for_retry = false;
    call->Resubmit();
    ListForAcks(call);
  }
  current_.clear();
  current_.swap(acks_);
  for (AppendStreamCall* call : current_) {
    call->listed_for_acks = false;
    call->WriteAcks();
    DeleteIfIdle(call);
  }
}

size_t AppendStreams::BytesWanted() const {
  const auto first = std::find_if(retry_.begin(), retry_.end(), [](const AppendStreamCall* call) {
    return call->waits_for_room();
  });
  return first == retry_.end() ? 0 : (*first)->BytesWanted();
}

void AppendStreams::DeleteIfIdle(AppendStreamCall* call) {
  // Listed ones are looked at after the round.
  if (!call->idle() || call->listed_for_acks || call->listed_for_retry) return;
  if (call->started()) --open_;
  calls_.erase(call);
}

void AppendStreams::Stop() {
  stopped_ = true;
  for (auto& [call, owned] : calls_) {
    call->Stop();
    if (call->started()) ListForAcks(call);
  }
}

std::unique_ptr<StreamEntry> AppendStreams::TakeEntry() {
  if (free_entries_.empty()) return std::make_unique<StreamEntry>();
  std::unique_ptr<StreamEntry> entry = std::move(free_entries_.back());
  free_entries_.pop_back();
  return entry;
}

void AppendStreams::GiveBack(std::unique_ptr<StreamEntry> entry) {
  if (free_entries_.size() >= kEntriesKept) return;
  entry->Clear();
  free_entries_.push_back(std::move(entry));
}

}  // namespace graven::service
