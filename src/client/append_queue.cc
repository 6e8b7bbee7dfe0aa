#include "client/append_queue.h"

#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "client/call_status.h"
#include "fmt/format.h"

namespace graven::client {
namespace {

absl::Status Contradiction(std::string_view what) {
  return absl::InternalError(fmt::format("the server's acknowledgement makes no sense: {}", what));
}

constexpr size_t kCopyBytesMax = 1024;  // a copy is cheaper than an owner of its own

// gRPC keeps the bytes as long as it needs them, beyond the stream's end too.
grpc::Slice ToSlice(std::string bytes) {
  if (bytes.size() <= kCopyBytesMax) return grpc::Slice(bytes);
  auto* owner = new std::string(std::move(bytes));
  return grpc::Slice(
      owner->data(), owner->size(), [](void* string) { delete static_cast<std::string*>(string); },
      owner);
}

}  // namespace

void CloseRequest(PendingRequest* request) {
  if (request->wire.size() == 0) request->wire = ToSlice(std::move(request->open_bytes));
  request->open_bytes = std::string();
  request->open = false;
}

bool AppendQueue::CanJoin(size_t bytes) const {
  if (queue_.empty() || !queue_.back()->open) return false;
  const PendingRequest& last = *queue_.back();
  return last.events < limits_.batch_events && last.bytes + bytes <= limits_.batch_bytes &&
         bytes_ + bytes <= limits_.bytes;
}

bool AppendQueue::HasRoom(size_t bytes) const {
  if (queue_.empty()) return true;
  return queue_.size() < limits_.requests && bytes_ + bytes <= limits_.bytes;
}

bool AppendQueue::Join(std::string_view event, AppendCallback done) {
  PendingRequest& last = *queue_.back();
  last.open_bytes.append(event);
  last.bytes += event.size();
  bytes_ += event.size();
  ++last.events;
  last.waiters.push_back({std::move(done), 1});
  if (last.events >= limits_.batch_events || last.bytes >= limits_.batch_bytes) last.open = false;
  return !last.open;
}

void AppendQueue::Push(RequestPtr request) {
  CloseBatch();
  bytes_ += request->bytes;
  queue_.push_back(std::move(request));
}

void AppendQueue::CloseBatch() {
  if (!queue_.empty()) queue_.back()->open = false;
}

void AppendQueue::MarkSent() {
  GRAVEN_CHECK(sent_ < queue_.size());
  CloseRequest(queue_[sent_].get());
  ++sent_;
  if (sent_again_ > 0) --sent_again_;
}

RequestPtr AppendQueue::PopFront() {
  RequestPtr request = std::move(queue_.front());
  queue_.pop_front();
  --sent_;
  ++answered_;
  bytes_ -= request->bytes;
  return request;
}

absl::Status AppendQueue::TakeRange(const v1::AppendedRange& range, std::vector<Answer>* answers) {
  uint64_t records = 0;
  for (uint64_t i = 0; i < range.request_count(); ++i) {
    if (sent_ == 0) return Contradiction("more requests than were sent");
    const uint64_t events = queue_.front()->events;
    if (records + events > range.record_count()) return Contradiction("too few records");
    Appended appended;
    appended.first_index = LogIndex(range.first_index() + records);
    appended.count = events;
    if (!range.record_hashes().empty()) {
      appended.record_hashes =
          range.record_hashes().substr(records * Hash::kSize, events * Hash::kSize);
    }
    if (range.indexes_size() > 0) {
      appended.first_index = LogIndex(range.indexes(0));
      appended.indexes.assign(range.indexes().begin(), range.indexes().end());
      appended.duplicate_count = range.duplicate_count();
    }
    records += events;
    answers->push_back({PopFront(), std::move(appended)});
  }
  if (records != range.record_count()) return Contradiction("too many records");
  return absl::OkStatus();
}

namespace {

absl::Status CheckRange(const v1::AppendedRange& range) {
  if (range.indexes_size() > 0 &&
      (range.request_count() != 1 ||
       static_cast<uint64_t>(range.indexes_size()) != range.record_count() ||
       range.duplicate_count() > range.record_count())) {
    return Contradiction("indexes that do not belong to one request");
  }
  if (!range.record_hashes().empty() &&
      range.record_hashes().size() != range.record_count() * Hash::kSize) {
    return Contradiction("as many hashes as records were asked for");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status AppendQueue::Take(const v1::AppendStreamResponse& reply,
                               std::vector<Answer>* answers) {
  int range = 0;
  int refusal = 0;
  while (range < reply.ranges_size() || refusal < reply.refused_size()) {
    if (range < reply.ranges_size() && reply.ranges(range).first_request() == answered_) {
      RETURN_IF_ERROR(CheckRange(reply.ranges(range)));
      RETURN_IF_ERROR(TakeRange(reply.ranges(range), answers));
      ++range;
    } else if (refusal < reply.refused_size() && reply.refused(refusal).request() == answered_) {
      if (sent_ == 0) return Contradiction("a refusal of what was not sent");
      absl::Status status = FromRpcStatus(reply.refused(refusal).status());
      if (status.ok()) return Contradiction("a refusal without a reason");
      answers->push_back({PopFront(), std::move(status)});
      ++refusal;
    } else {
      return Contradiction(fmt::format("request {} is skipped", answered_));
    }
  }
  if (reply.requests_done() != answered_) {
    return Contradiction(
        fmt::format("{} requests done, {} answered", reply.requests_done(), answered_));
  }
  return absl::OkStatus();
}

void AppendQueue::SendAgain(RequestPtr request) {
  bytes_ += request->bytes;
  queue_.insert(queue_.begin() + static_cast<ptrdiff_t>(sent_ + sent_again_), std::move(request));
  ++sent_again_;
}

void AppendQueue::Rewind() {
  for (size_t i = 0; i < sent_; ++i) queue_[i]->sent_before = true;
  sent_ = 0;
  sent_again_ = 0;
  answered_ = 0;
}

std::deque<RequestPtr> AppendQueue::TakeAll() {
  sent_ = 0;
  sent_again_ = 0;
  bytes_ = 0;
  return std::exchange(queue_, {});
}

}  // namespace graven::client
