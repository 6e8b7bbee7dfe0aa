#include "client/fake_server_test.h"

#include <algorithm>
#include <chrono>

#include "absl/time/clock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"

namespace graven::client {
namespace {

grpc::Status WithDetails(grpc::StatusCode code, const std::string& text,
                         const google::protobuf::Message& detail, const std::string& reason) {
  google::rpc::Status status;
  status.set_code(code);
  status.set_message(text);
  status.add_details()->PackFrom(detail);
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  status.add_details()->PackFrom(info);
  return {code, text, status.SerializeAsString()};
}

grpc::Status Overloaded() {
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_nanos(20'000'000);
  return WithDetails(grpc::StatusCode::RESOURCE_EXHAUSTED, "the queue is full", retry,
                     "QUEUE_FULL");
}

grpc::Status Poison(int event) {
  google::rpc::BadRequest bad;
  auto* violation = bad.add_field_violations();
  violation->set_field("events[" + std::to_string(event) + "].action");
  violation->set_description("is poison");
  return WithDetails(grpc::StatusCode::INVALID_ARGUMENT, "1 violation", bad, "INVALID_EVENT");
}

}  // namespace

FakeServer::FakeServer(Misbehaviour misbehaviour) : misbehaviour_(std::move(misbehaviour)) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
}

FakeServer::~FakeServer() { server_->Shutdown(std::chrono::system_clock::now()); }

std::vector<std::string> FakeServer::ids(const std::string& log) {
  absl::MutexLock lock(&mutex_);
  return logs_[log];
}

Misbehaviour FakeServer::seen() {
  absl::MutexLock lock(&mutex_);
  return misbehaviour_;
}

std::string FakeServer::last_token() {
  absl::MutexLock lock(&mutex_);
  return last_token_;
}

void FakeServer::Note(grpc::ServerContext* context) {
  absl::MutexLock lock(&mutex_);
  const auto it = context->client_metadata().find("authorization");
  last_token_ = it == context->client_metadata().end()
                    ? std::string()
                    : std::string(it->second.data(), it->second.size());
}

bool FakeServer::TakeFault(int Misbehaviour::*left, int Misbehaviour::*fired) {
  absl::MutexLock lock(&mutex_);
  if (misbehaviour_.*left == 0) return false;
  --(misbehaviour_.*left);
  ++(misbehaviour_.*fired);
  return true;
}

grpc::Status FakeServer::Store(const std::string& log,
                               const google::protobuf::RepeatedPtrField<v1::Event>& events,
                               std::vector<Stored>* stored) {
  absl::MutexLock lock(&mutex_);
  if (log == "missing") return {grpc::StatusCode::NOT_FOUND, "no such log"};
  for (int i = 0; i < events.size(); ++i) {
    if (!misbehaviour_.poison_action.empty() && events[i].action() == misbehaviour_.poison_action) {
      ++misbehaviour_.poisoned;
      return Poison(i);
    }
    if (events[i].event_id().empty()) return {grpc::StatusCode::INTERNAL, "an event without id"};
  }
  std::vector<std::string>& ids = logs_[log];
  for (const v1::Event& event : events) {
    const auto it = std::find(ids.begin(), ids.end(), event.event_id());
    stored->push_back({static_cast<uint64_t>(it - ids.begin()), it != ids.end()});
    if (it == ids.end()) ids.push_back(event.event_id());
  }
  return grpc::Status::OK;
}

grpc::Status FakeServer::Append(grpc::ServerContext* context, const v1::AppendRequest* request,
                                v1::AppendResponse* response) {
  Note(context);
  if (TakeFault(&Misbehaviour::refuse_unary_times, &Misbehaviour::unary_refusals)) {
    return Overloaded();
  }
  std::vector<Stored> stored;
  grpc::Status status = Store(request->log(), request->events(), &stored);
  if (!status.ok()) return status;
  if (TakeFault(&Misbehaviour::lose_unary_answers, &Misbehaviour::lost_answers)) {
    return {grpc::StatusCode::UNAVAILABLE, "the answer is lost"};
  }
  for (size_t i = 0; i < stored.size(); ++i) {
    v1::Receipt* receipt = response->add_receipts();
    receipt->set_index(stored[i].index);
    receipt->set_duplicate(stored[i].duplicate);
    receipt->set_event_id(request->events(static_cast<int>(i)).event_id());
  }
  response->set_level(v1::RECEIPT_LEVEL_DURABLE);
  return grpc::Status::OK;
}

// Adds the answer to one request.
void FakeServer::Answer(const v1::AppendStreamRequest& request, const std::string& log,
                        uint64_t number, v1::AppendStreamResponse* reply) {
  std::vector<Stored> stored;
  grpc::Status status =
      TakeFault(&Misbehaviour::refuse_streamed_times, &Misbehaviour::streamed_refusals)
          ? Overloaded()
          : Store(log, request.events(), &stored);
  reply->set_requests_done(number + 1);
  if (!status.ok()) {
    v1::RefusedRequest* refused = reply->add_refused();
    refused->set_request(number);
    if (!refused->mutable_status()->ParseFromString(status.error_details()) ||
        status.error_details().empty()) {
      refused->mutable_status()->set_code(status.error_code());
      refused->mutable_status()->set_message(status.error_message());
    }
    return;
  }
  const auto duplicates = std::count_if(stored.begin(), stored.end(),
                                        [](const Stored& event) { return event.duplicate; });
  v1::AppendedRange* range = reply->add_ranges();
  range->set_first_request(number);
  range->set_request_count(1);
  range->set_first_index(stored.front().index);
  range->set_record_count(stored.size());
  if (duplicates == 0) return;
  for (const Stored& event : stored) range->add_indexes(event.index);
  range->set_duplicate_count(static_cast<uint64_t>(duplicates));
}

grpc::Status FakeServer::AppendStream(
    grpc::ServerContext* context,
    grpc::ServerReaderWriter<v1::AppendStreamResponse, v1::AppendStreamRequest>* stream) {
  Note(context);
  const Misbehaviour now = seen();
  if (!now.refuse_streams.ok()) return now.refuse_streams;
  v1::AppendStreamRequest request;
  v1::AppendStreamResponse reply;
  std::string log;
  uint64_t number = 0;
  while (stream->Read(&request)) {
    if (number == 0) log = request.log();
    Answer(request, log, number++, &reply);
    if (now.never_answer_stream) continue;
    if (now.acknowledge_too_much) reply.set_requests_done(number + 1);
    const bool drop = now.drop_stream_after_requests > 0 &&
                      number == static_cast<uint64_t>(now.drop_stream_after_requests) &&
                      seen().drops < now.drops_max;
    if (drop) {
      absl::MutexLock lock(&mutex_);
      ++misbehaviour_.drops;
      if (now.drop_before_answering) return {grpc::StatusCode::UNAVAILABLE, "dropped"};
    }
    if (drop || number % static_cast<uint64_t>(now.answer_every) == 0) {
      stream->Write(reply);
      reply.Clear();
    }
    if (drop) return {grpc::StatusCode::UNAVAILABLE, "dropped"};
  }
  if (reply.requests_done() > 0 && !now.never_answer_stream) stream->Write(reply);
  return grpc::Status::OK;
}

grpc::Status FakeServer::Tail(grpc::ServerContext*, const v1::TailRequest* request,
                              grpc::ServerWriter<v1::TailResponse>* writer) {
  if (TakeFault(&Misbehaviour::refuse_tails, &Misbehaviour::tail_refusals)) {
    return {seen().break_tail_with, "no tail now"};
  }
  const std::vector<std::string> all = ids(request->log());
  uint64_t index = request->from_now() ? all.size() : request->from_index();
  const uint64_t end =
      request->limit() > 0 ? std::min<uint64_t>(all.size(), index + request->limit()) : all.size();
  for (int batches = 0; index < end; ++batches) {
    if (batches > 0 && batches == seen().break_tail_after_batches) {
      absl::MutexLock lock(&mutex_);
      misbehaviour_.break_tail_after_batches = 0;
      ++misbehaviour_.tail_breaks;
      return {misbehaviour_.break_tail_with, "the tail broke"};
    }
    v1::TailResponse reply;
    for (int i = 0; i < 3 && index < end; ++i) reply.add_records()->set_record(all[index++]);
    reply.set_next_index(index);
    reply.set_published_size(all.size());
    writer->Write(reply);
  }
  return grpc::Status::OK;
}

grpc::Status FakeServer::GetRecord(grpc::ServerContext* context,
                                   const v1::GetRecordRequest* request,
                                   v1::GetRecordResponse* response) {
  Note(context);
  const std::vector<std::string> all = ids(request->log());
  if (request->index() >= all.size()) return {grpc::StatusCode::NOT_FOUND, "no such record"};
  response->mutable_record()->set_record(all[request->index()]);
  return grpc::Status::OK;
}

grpc::Status FakeServer::GetStatus(grpc::ServerContext* context, const v1::GetStatusRequest*,
                                   v1::GetStatusResponse* response) {
  Note(context);
  response->set_version("fake");
  return grpc::Status::OK;
}

}  // namespace graven::client
