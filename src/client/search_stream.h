#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "client/connection.h"
#include "graven/v1/audit_log_service.grpc.pb.h"

namespace graven::client {

// The matches of a query, reply by reply. One thread reads; Cancel may be called from any.
//
// A search that the server ends before the limit (its budget for one call) is gone on with, within
// the same tree; so is one that follows after kUnavailable, where it was.
class SearchStream {
 public:
  // `limit` stands in place of request.limit, which one call limits to 100,000; 0: all there are.
  SearchStream(std::shared_ptr<Connection> connection, v1::SearchRequest request, uint64_t limit);
  ~SearchStream();
  SearchStream(const SearchStream&) = delete;
  SearchStream& operator=(const SearchStream&) = delete;

  // Waits for the next reply; nothing at the end. kCancelled: Cancel was called, and only then.
  // kDataLoss: the server lets the search go on where it was, or before.
  absl::StatusOr<std::optional<v1::SearchResponse>> Next();

  // Ends the stream: Next returns kCancelled.
  void Cancel();

  // At the end: where a search for more goes on; "" when there is no more in the tree.
  const std::string& next_cursor() const { return next_cursor_; }

 private:
  absl::Status Open();
  absl::Status Close();
  void Accept(const v1::SearchResponse& reply);
  // Whether the call that has ended has come further than the one before it.
  bool HasMoved();
  bool MayTryAgain(const absl::Status& status);

  const std::shared_ptr<Connection> connection_;
  const std::unique_ptr<v1::AuditLogService::Stub> stub_;
  v1::SearchRequest request_;
  uint64_t left_;
  std::unique_ptr<grpc::ClientReader<v1::SearchResponse>> reader_;
  bool ended_ = false;
  int attempts_ = 0;  // since the last reply
  absl::Time broken_since_;
  std::string next_cursor_;
  uint64_t scanned_to_ = 0;                  // by the last reply
  std::optional<uint64_t> scanned_to_then_;  // by the last one of the call before

  absl::Mutex mutex_;
  absl::CondVar cancel_wakes_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<grpc::ClientContext> context_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace graven::client
