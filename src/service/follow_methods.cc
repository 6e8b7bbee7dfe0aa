#include <fmt/format.h>

#include <string>
#include <utility>

#include "base/encoding.h"
#include "base/status_macros.h"
#include "engine/append_message.h"
#include "engine/error_details.h"
#include "engine/record_messages.h"
#include "record/entry_view.h"
#include "record/record.h"
#include "record/wire.h"
#include "service/follow_calls.h"
#include "service/search_calls.h"

// The two methods that follow a log.
namespace graven::service {
namespace {

// A reader that is stuck holds one batch; a thousand of them must not hold a gigabyte.
constexpr size_t kEntryBatchBytesMax = 256 * 1024;
constexpr size_t kTailBatchBytesMax = 256 * 1024;
constexpr uint64_t kRecordsPerBatchMax = 8192;

// graven.v1.AuditLogService.Tail
class TailCall final : public FollowCall {
 public:
  TailCall(CallEnvironment& environment, FollowCalls& calls, GravenCalls& service)
      : FollowCall(environment, calls), service_(service) {}

 private:
  void Request() override {
    service_.RequestTail(&context_, &request_, &stream_, environment_.queue, environment_.queue,
                         static_cast<Tag*>(&accepted_tag_));
  }

  std::shared_ptr<FollowCall> Another() override {
    return std::make_shared<TailCall>(environment_, calls_, service_);
  }

  absl::StatusOr<FollowRequest> Start() override {
    grpc::Slice slice;
    const std::string_view bytes = MessageBytes(request_, &slice);
    graven::v1::TailRequest asked;
    if (!asked.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      return engine::InvalidField("", "the request is not a well-formed TailRequest");
    }
    FollowRequest request;
    ASSIGN_OR_RETURN(request.log, FindLog(asked.log()));
    request.next = LogIndex(asked.from_index());
    if (asked.from_now()) {
      request.next = NextIndex(environment_.ledger.GetPublished(request.log)->size);
    }
    RETURN_IF_ERROR(CheckStart(request.log, request.next.value));
    if (asked.limit() > 0) request.left = asked.limit();
    request.stop_at_end = asked.stop_at_end();
    // What a writer was told is durable before this call belongs to what it reads.
    request.end = environment_.ledger.DurableSize(request.log);
    request.want_parsed = asked.want_parsed();
    return request;
  }

  std::unique_ptr<grpc::ByteBuffer> FirstMessage() override {
    return std::make_unique<grpc::ByteBuffer>(ToMessage(End("")));
  }

  absl::Status ReadBatch(std::deque<grpc::ByteBuffer>* messages) override {
    std::string response;
    RETURN_IF_ERROR(environment_.ledger.ReadRecords(
        follow_.log, follow_.next, std::min(follow_.left, kRecordsPerBatchMax),
        [&](LogIndex, std::string_view record, const Hash& hash) {
          const size_t size = engine::RecordViewSize(record, follow_.want_parsed);
          if (!response.empty() && response.size() + size > kTailBatchBytesMax) return false;
          engine::EncodeRecordView(1, record, hash, follow_.want_parsed, &response);
          follow_.next = follow_.next + 1;
          --follow_.left;
          return true;
        }));
    if (!response.empty()) messages->push_back(ToMessage(End(std::move(response))));
    return absl::OkStatus();
  }

  std::string End(std::string response) const {
    if (follow_.next.value != 0) record::AppendVarintField(2, follow_.next.value, &response);
    const uint64_t published = environment_.ledger.GetPublished(follow_.log)->size.value;
    if (published != 0) record::AppendVarintField(3, published, &response);
    return response;
  }

  GravenCalls& service_;
};

// AuditLogService.StreamAuditLogs of the minimal contract
class StreamAuditLogsCall final : public FollowCall {
 public:
  StreamAuditLogsCall(CallEnvironment& environment, FollowCalls& calls, CompatCalls& service)
      : FollowCall(environment, calls), service_(service) {}

 private:
  void Request() override {
    service_.RequestStreamAuditLogs(&context_, &request_, &stream_, environment_.queue,
                                    environment_.queue, static_cast<Tag*>(&accepted_tag_));
  }

  std::shared_ptr<FollowCall> Another() override {
    return std::make_shared<StreamAuditLogsCall>(environment_, calls_, service_);
  }

  absl::StatusOr<FollowRequest> Start() override {
    FollowRequest request;
    ASSIGN_OR_RETURN(request.log, FindLog(Metadata(context_, "graven-log")));
    const std::string_view from = Metadata(context_, "graven-from-index");
    const std::optional<uint64_t> index = from.empty() ? 0 : ParseDecimal(from);
    if (!index) {
      return engine::InvalidField("metadata graven-from-index", "must be a decimal number");
    }
    RETURN_IF_ERROR(CheckStart(request.log, *index));
    request.next = LogIndex(*index);
    return request;
  }

  absl::Status ReadBatch(std::deque<grpc::ByteBuffer>* messages) override {
    size_t bytes = 0;
    absl::Status decoded;
    RETURN_IF_ERROR(environment_.ledger.ReadRecords(
        follow_.log, follow_.next, kRecordsPerBatchMax,
        [&](LogIndex, std::string_view record, const Hash&) {
          absl::StatusOr<record::RecordHeader> header = record::Decode(record);
          if (!header.ok()) {
            // The hash was right, so these bytes were stored so: not ours.
            decoded = absl::DataLossError(
                fmt::format("record {}: {}", follow_.next.value,
                            std::string_view(header.status().message().data(),
                                             header.status().message().size())));
            return false;
          }
          const std::string entry = record::EntryBytes(*header);
          bytes += entry.size();
          messages->push_back(ToMessage(entry));
          follow_.next = follow_.next + 1;
          return bytes < kEntryBatchBytesMax;
        }));
    return messages->empty() ? decoded : absl::OkStatus();
  }

  CompatCalls& service_;
};

}  // namespace

void FollowCalls::Start(CallEnvironment& environment, GravenCalls& graven, CompatCalls& compat) {
  std::make_shared<TailCall>(environment, *this, graven)->Arm();
  std::make_shared<StreamAuditLogsCall>(environment, *this, compat)->Arm();
  ArmSearch(environment, *this, graven);
}

}  // namespace graven::service
