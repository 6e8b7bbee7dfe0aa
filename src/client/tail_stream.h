#pragma once

#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "client/connection.h"
#include "graven/v1/audit_log_service.grpc.pb.h"

namespace graven::client {

// Records of a log, live. One thread reads; Cancel may be called from any.
//
// Invariant: batches follow one another without gap or overlap, across reconnections too.
class TailStream {
 public:
  TailStream(std::shared_ptr<Connection> connection, v1::TailRequest request);
  ~TailStream();
  TailStream(const TailStream&) = delete;
  TailStream& operator=(const TailStream&) = delete;

  // Waits for the next batch; nothing when the stream has come to the end that the request named.
  // Goes on after kUnavailable where it was, as the retry policy says; a server that stays away is
  // kUnavailable. kCancelled: Cancel was called, and only then. kDataLoss: the server sent another
  // index than the next one.
  absl::StatusOr<std::optional<v1::TailResponse>> Next();

  // Ends the stream: Next returns kCancelled.
  void Cancel();

 private:
  absl::Status Open();
  absl::Status Close();
  bool MayTryAgain(const absl::Status& status);
  absl::Status Accept(const v1::TailResponse& batch);

  const std::shared_ptr<Connection> connection_;
  const std::unique_ptr<v1::AuditLogService::Stub> stub_;
  v1::TailRequest request_;
  std::unique_ptr<grpc::ClientReader<v1::TailResponse>> reader_;
  bool positioned_ = false;  // request_ names an index: the stream can be opened again
  bool ended_ = false;
  int attempts_ = 0;  // since the last batch
  absl::Time broken_since_;

  absl::Mutex mutex_;
  absl::CondVar cancel_wakes_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<grpc::ClientContext> context_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace graven::client
