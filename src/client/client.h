#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/hash.h"
#include "base/log_index.h"
#include "client/client_options.h"
#include "graven/v1/audit_log_service.grpc.pb.h"
#include "graven/v1/audit_log_service.pb.h"

namespace graven::client {

class Connection;
class SearchStream;
class TailStream;

struct AppendOptions {
  // Empty: the client's own log.
  std::string log;
  // The hash of the record believed to be the last; kAborted when it is not.
  std::optional<Hash> expected_last_hash;
  // PUBLISHED also waits for the signed checkpoint and returns a receipt file in tlog_proof,
  // COSIGNED for one that meets the witness quorum. The
  // answer is OK with the level reached when `wait_timeout` passes first; at most 60 s.
  v1::ReceiptLevel level = v1::RECEIPT_LEVEL_DURABLE;
  absl::Duration wait_timeout = absl::Seconds(1);
};

// A connection to a Graven server, for calls that are waited for. For throughput see Appender (one
// pipelined stream) and AsyncClient (many unary calls in flight).
//
// Thread-safe; every call blocks. Errors carry the server's code and text, see call_status.h;
// kUnavailable when it cannot be reached after the policy's tries.
//
// Invariant: every event is sent with an id, its own or one made here, so that an append that is
// tried again is a duplicate and never a second record.
class Client {
 public:
  // Does not wait for the server: the first call does. kInvalidArgument: an address, a file or a
  // token that cannot be used.
  static absl::StatusOr<std::unique_ptr<Client>> Connect(ClientOptions options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Unary calls under way, and each later one, end with kCancelled. From any thread. Streams have
  // a Cancel of their own.
  void Cancel();

  // Waits until the server answers on its port. kDeadlineExceeded.
  absl::Status WaitUntilConnected(absl::Duration timeout);

  // Appends all or none, at consecutive indexes, tried again as the policy says. On return with OK
  // they are durable on the server. 1 to 8,192 events, 4 MiB together. kDeadlineExceeded and
  // kUnavailable: they may be stored; the same ids find out. kAborted: the precondition.
  // kAlreadyExists: an id is taken by another event. kInvalidArgument: see Violations().
  absl::StatusOr<v1::AppendResponse> Append(std::span<const v1::Event> events,
                                            const AppendOptions& options = {});
  absl::StatusOr<v1::AppendResponse> Append(const v1::Event& event,
                                            const AppendOptions& options = {});
  // Records from `first` on; the reply says where the next page starts.
  absl::StatusOr<v1::ReadResponse> Read(LogIndex first, uint32_t count, bool want_parsed = false,
                                        std::string_view log = {});
  absl::StatusOr<v1::GetRecordResponse> GetRecord(LogIndex index, bool want_receipt = false,
                                                  bool want_parsed = false,
                                                  std::string_view log = {});
  // All that the request can ask for; `log` empty: the client's.
  absl::StatusOr<v1::GetRecordResponse> GetRecord(v1::GetRecordRequest request);
  // The newest record of that id.
  absl::StatusOr<v1::GetRecordResponse> GetRecordById(std::string_view event_id,
                                                      bool want_receipt = false,
                                                      bool want_parsed = false,
                                                      std::string_view log = {});

  // A live stream that reconnects where it was; see tail_stream.h.
  std::unique_ptr<TailStream> Tail(v1::TailRequest request);

  // The matches of a query (docs/search.md); see search_stream.h. `limit` 0: all there are.
  std::unique_ptr<SearchStream> Search(v1::SearchRequest request, uint64_t limit);
  // Numbers about the matches. `timeout` is for the server too: what it has counted by then is what
  // it answers.
  absl::StatusOr<v1::GetFacetsResponse> GetFacets(v1::GetFacetsRequest request,
                                                  absl::Duration timeout);
  // Below the deadline the server searches all of the log; see GetStatement of the contract.
  absl::StatusOr<v1::GetStatementResponse> GetStatement(v1::GetStatementRequest request,
                                                        absl::Duration timeout);
  absl::StatusOr<v1::GetHistogramResponse> GetHistogram(v1::GetHistogramRequest request,
                                                        absl::Duration timeout);

  // By default the one that is served; a level asks for another.
  absl::StatusOr<v1::GetCheckpointResponse> GetCheckpoint(
      std::string_view log = {}, v1::ReceiptLevel level = v1::RECEIPT_LEVEL_UNSPECIFIED);
  // A tree size of 0 means that of the newest checkpoint.
  absl::StatusOr<v1::GetInclusionProofResponse> GetInclusionProof(LogIndex index,
                                                                  TreeSize tree_size = {},
                                                                  std::string_view log = {});
  absl::StatusOr<v1::GetConsistencyProofResponse> GetConsistencyProof(TreeSize old_size,
                                                                      TreeSize new_size = {},
                                                                      std::string_view log = {});

  // Not tried again: a second try would answer kAlreadyExists for our own log.
  absl::StatusOr<v1::Log> CreateLog(const v1::CreateLogRequest& request);
  // All pages, by name. kDataLoss: the server gives them in another order, pages without any, or
  // more than 100,000.
  absl::StatusOr<std::vector<v1::Log>> ListLogs();
  absl::StatusOr<v1::Log> GetLog(std::string_view log = {});
  absl::StatusOr<v1::GetStatusResponse> GetStatus();

  const ClientOptions& options() const;

  // What Appender and AsyncClient share with this client; lives as long as any of them.
  const std::shared_ptr<Connection>& connection() const { return connection_; }

 private:
  class Calls;

  explicit Client(std::shared_ptr<Connection> connection);

  template <typename Request, typename Response>
  using Method = grpc::Status (v1::AuditLogService::Stub::*)(grpc::ClientContext*, const Request&,
                                                             Response*);
  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(Method<Request, Response> method, const Request& request,
                                absl::Duration timeout, int attempts_max);
  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(Method<Request, Response> method, const Request& request);
  absl::StatusOr<v1::AppendResponse> Send(v1::AppendRequest request, const AppendOptions& options);
  std::string LogName(std::string_view log) const;

  std::shared_ptr<Connection> connection_;
  std::unique_ptr<v1::AuditLogService::Stub> stub_;
  const std::unique_ptr<Calls> calls_;
};

}  // namespace graven::client
