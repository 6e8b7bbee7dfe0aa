#pragma once

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "client/client.h"
#include "monitor/log_source.h"

namespace graven::client {
class TailStream;
}

namespace graven::monitor {

// A log of a Graven server, over gRPC.
class ServerSource final : public LogSource {
 public:
  // `client` must outlive this, and is cancelled with it.
  ServerSource(client::Client& client, std::string log);
  ~ServerSource() override;

  absl::StatusOr<std::string> Checkpoint() override;
  absl::Status Read(LogIndex first, TreeSize size, const RecordFunction& on_record) override;
  absl::StatusOr<AnsweredProof> Prove(LogIndex index, TreeSize size) override;
  std::string Name() const override;
  void Cancel() override;

 private:
  client::Client& client_;
  const std::string log_;
  Mutex mutex_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  client::TailStream* tail_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace graven::monitor
