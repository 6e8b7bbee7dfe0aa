#include "client/client.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "client/call_status.h"
#include "client/connection.h"
#include "client/event_encoding.h"
#include "client/search_stream.h"
#include "client/tail_stream.h"

namespace graven::client {
namespace {

// What ListLogs believes of a server.
constexpr size_t kListedLogsMax = 100'000;

void SetWait(const AppendOptions& options, v1::AppendRequest* request) {
  if (options.level <= v1::RECEIPT_LEVEL_DURABLE) return;
  request->mutable_wait()->set_level(options.level);
  auto* timeout = request->mutable_wait()->mutable_timeout();
  const int64_t nanos = absl::ToInt64Nanoseconds(options.wait_timeout);
  timeout->set_seconds(nanos / 1'000'000'000);
  timeout->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
}

}  // namespace

// The calls under way, and the waits between their tries.
class Client::Calls {
 public:
  // False when nothing is called any more.
  bool Enter(grpc::ClientContext* context) {
    std::lock_guard lock(mutex_);
    if (!cancelled_) running_.insert(context);
    return !cancelled_;
  }

  void Leave(grpc::ClientContext* context) {
    std::lock_guard lock(mutex_);
    running_.erase(context);
  }

  void Sleep(absl::Duration wait) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, absl::ToChronoNanoseconds(wait), [this] { return cancelled_; });
  }

  void Cancel() {
    std::lock_guard lock(mutex_);
    cancelled_ = true;
    for (grpc::ClientContext* context : running_) context->TryCancel();
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::set<grpc::ClientContext*> running_;
  bool cancelled_ = false;
};

absl::StatusOr<std::unique_ptr<Client>> Client::Connect(ClientOptions options) {
  ASSIGN_OR_RETURN(auto connection, Connection::Make(std::move(options)));
  return std::unique_ptr<Client>(new Client(std::move(connection)));
}

Client::Client(std::shared_ptr<Connection> connection)
    : connection_(std::move(connection)),
      stub_(v1::AuditLogService::NewStub(connection_->channel())),
      calls_(std::make_unique<Calls>()) {}

Client::~Client() = default;

void Client::Cancel() { calls_->Cancel(); }

const ClientOptions& Client::options() const { return connection_->options(); }

std::string Client::LogName(std::string_view log) const {
  return log.empty() ? options().log : std::string(log);
}

absl::Status Client::WaitUntilConnected(absl::Duration timeout) {
  if (connection_->channel()->WaitForConnected(absl::ToChronoTime(absl::Now() + timeout))) {
    return absl::OkStatus();
  }
  return absl::DeadlineExceededError("no connection to " + options().address);
}

template <typename Request, typename Response>
absl::StatusOr<Response> Client::Call(Method<Request, Response> method, const Request& request,
                                      absl::Duration timeout, int attempts_max) {
  for (int attempt = 1;; ++attempt) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    connection_->Authorize(&context);
    if (!calls_->Enter(&context)) return absl::CancelledError("the client was told to stop");
    Response response;
    const absl::Status status =
        EndedByServer(FromGrpcStatus((stub_.get()->*method)(&context, request, &response)));
    calls_->Leave(&context);
    if (status.ok()) return response;
    if (!IsRetryable(status) || attempt >= attempts_max) return status;
    calls_->Sleep(RetryDelay(status).value_or(connection_->Backoff(attempt)));
  }
}

template <typename Request, typename Response>
absl::StatusOr<Response> Client::Call(Method<Request, Response> method, const Request& request) {
  return Call(method, request, options().call_timeout, options().retry.attempts_max);
}

absl::StatusOr<v1::AppendResponse> Client::Append(std::span<const v1::Event> events,
                                                  const AppendOptions& options) {
  v1::AppendRequest request;
  for (const v1::Event& event : events) {
    v1::Event* copy = request.add_events();
    *copy = event;
    if (copy->event_id().empty()) copy->set_event_id(connection_->ids().Next());
  }
  return Send(std::move(request), options);
}

absl::StatusOr<v1::AppendResponse> Client::Append(const v1::Event& event,
                                                  const AppendOptions& options) {
  return Append(std::span(&event, 1), options);
}

absl::StatusOr<v1::AppendResponse> Client::Send(v1::AppendRequest request,
                                                const AppendOptions& options) {
  RETURN_IF_ERROR(CheckRequestSize(request.events_size(), request.ByteSizeLong()));
  request.set_log(LogName(options.log));
  if (options.expected_last_hash) {
    request.set_expected_last_hash(std::string(options.expected_last_hash->view()));
  }
  SetWait(options, &request);
  const absl::Duration timeout = connection_->options().call_timeout +
                                 (request.has_wait() ? options.wait_timeout : absl::ZeroDuration());
  return Call(&v1::AuditLogService::Stub::Append, request, timeout,
              connection_->options().retry.attempts_max);
}

absl::StatusOr<v1::ReadResponse> Client::Read(LogIndex first, uint32_t count, bool want_parsed,
                                              std::string_view log) {
  v1::ReadRequest request;
  request.set_log(LogName(log));
  request.set_first_index(first.value);
  request.set_count(count);
  request.set_want_parsed(want_parsed);
  return Call(&v1::AuditLogService::Stub::Read, request);
}

absl::StatusOr<v1::GetRecordResponse> Client::GetRecord(LogIndex index, bool want_receipt,
                                                        bool want_parsed, std::string_view log) {
  v1::GetRecordRequest request;
  request.set_log(LogName(log));
  request.set_index(index.value);
  request.set_want_receipt(want_receipt);
  request.set_want_parsed(want_parsed);
  return Call(&v1::AuditLogService::Stub::GetRecord, request);
}

absl::StatusOr<v1::GetRecordResponse> Client::GetRecord(v1::GetRecordRequest request) {
  request.set_log(LogName(request.log()));
  return Call(&v1::AuditLogService::Stub::GetRecord, request);
}

absl::StatusOr<v1::GetRecordResponse> Client::GetRecordById(std::string_view event_id,
                                                            bool want_receipt, bool want_parsed,
                                                            std::string_view log) {
  v1::GetRecordRequest request;
  request.set_log(LogName(log));
  request.set_event_id(std::string(event_id));
  request.set_want_receipt(want_receipt);
  request.set_want_parsed(want_parsed);
  return Call(&v1::AuditLogService::Stub::GetRecord, request);
}

std::unique_ptr<TailStream> Client::Tail(v1::TailRequest request) {
  request.set_log(LogName(request.log()));
  return std::make_unique<TailStream>(connection_, std::move(request));
}

std::unique_ptr<SearchStream> Client::Search(v1::SearchRequest request, uint64_t limit) {
  request.set_log(LogName(request.log()));
  return std::make_unique<SearchStream>(connection_, std::move(request), limit);
}

absl::StatusOr<v1::GetFacetsResponse> Client::GetFacets(v1::GetFacetsRequest request,
                                                        absl::Duration timeout) {
  request.set_log(LogName(request.log()));
  return Call(&v1::AuditLogService::Stub::GetFacets, request, timeout,
              connection_->options().retry.attempts_max);
}

absl::StatusOr<v1::GetStatementResponse> Client::GetStatement(v1::GetStatementRequest request,
                                                              absl::Duration timeout) {
  request.set_log(LogName(request.log()));
  return Call(&v1::AuditLogService::Stub::GetStatement, request, timeout,
              connection_->options().retry.attempts_max);
}

absl::StatusOr<v1::GetHistogramResponse> Client::GetHistogram(v1::GetHistogramRequest request,
                                                              absl::Duration timeout) {
  request.set_log(LogName(request.log()));
  return Call(&v1::AuditLogService::Stub::GetHistogram, request, timeout,
              connection_->options().retry.attempts_max);
}

absl::StatusOr<v1::GetCheckpointResponse> Client::GetCheckpoint(std::string_view log,
                                                                v1::ReceiptLevel level) {
  v1::GetCheckpointRequest request;
  request.set_level(level);
  request.set_log(LogName(log));
  return Call(&v1::AuditLogService::Stub::GetCheckpoint, request);
}

absl::StatusOr<v1::GetInclusionProofResponse> Client::GetInclusionProof(LogIndex index,
                                                                        TreeSize tree_size,
                                                                        std::string_view log) {
  v1::GetInclusionProofRequest request;
  request.set_log(LogName(log));
  request.set_index(index.value);
  request.set_tree_size(tree_size.value);
  return Call(&v1::AuditLogService::Stub::GetInclusionProof, request);
}

absl::StatusOr<v1::GetConsistencyProofResponse> Client::GetConsistencyProof(TreeSize old_size,
                                                                            TreeSize new_size,
                                                                            std::string_view log) {
  v1::GetConsistencyProofRequest request;
  request.set_log(LogName(log));
  request.set_old_size(old_size.value);
  request.set_new_size(new_size.value);
  return Call(&v1::AuditLogService::Stub::GetConsistencyProof, request);
}

absl::StatusOr<v1::Log> Client::CreateLog(const v1::CreateLogRequest& request) {
  ASSIGN_OR_RETURN(v1::CreateLogResponse response,
                   Call(&v1::AuditLogService::Stub::CreateLog, request, options().call_timeout, 1));
  return std::move(*response.mutable_log());
}

absl::StatusOr<std::vector<v1::Log>> Client::ListLogs() {
  std::vector<v1::Log> logs;
  v1::ListLogsRequest request;
  do {
    ASSIGN_OR_RETURN(v1::ListLogsResponse page,
                     Call(&v1::AuditLogService::Stub::ListLogs, request));
    // By name, and so many: this ends, whatever the server is.
    for (v1::Log& log : *page.mutable_logs()) {
      if (!logs.empty() && log.name() <= logs.back().name()) {
        return absl::DataLossError("the server lists a log twice, or not by name");
      }
      if (logs.size() == kListedLogsMax) {
        return absl::DataLossError(
            absl::StrCat("the server lists more than ", kListedLogsMax, " logs"));
      }
      logs.push_back(std::move(log));
    }
    if (page.logs().empty() && !page.next_page_token().empty()) {
      return absl::DataLossError("the server lists no logs on a page that is not the last");
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return logs;
}

absl::StatusOr<v1::Log> Client::GetLog(std::string_view log) {
  v1::GetLogRequest request;
  request.set_log(LogName(log));
  ASSIGN_OR_RETURN(v1::GetLogResponse response, Call(&v1::AuditLogService::Stub::GetLog, request));
  return std::move(*response.mutable_log());
}

absl::StatusOr<v1::GetStatusResponse> Client::GetStatus() {
  return Call(&v1::AuditLogService::Stub::GetStatus, v1::GetStatusRequest());
}

}  // namespace graven::client
